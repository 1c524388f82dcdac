/* Calls of the operating system that are refused: the N-th write, fsync, rename or opening for writing under a folder.
   Loaded before libc (LD_PRELOAD), so whoever writes is struck: Python, SQLite, Arrow. Nothing happens until armed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE, FSYNC, RENAME, OPEN, KINDS };
static char folder[PATH_MAX];
static int armed_kind = -1, armed_errno, stays;
static long armed_at;
static atomic_long seen[KINDS], fired;

void refuse(int kind, long at, int error, int from_then_on, const char *under) {
    for (int k = 0; k < KINDS; k++) atomic_store(&seen[k], 0);
    atomic_store(&fired, 0);
    armed_at = at, armed_errno = error, stays = from_then_on, armed_kind = kind;
    snprintf(folder, sizeof folder, "%s", under);
}
long refuse_seen(int kind) { return atomic_load(&seen[kind]); }
long refuse_fired(void) { return atomic_load(&fired); }

/* REFUSING=kind,at,errno,stays,folder arms a process that is begun anew, as a command is. */
__attribute__((constructor)) static void from_environment(void) {
    int kind, error, from_then_on, at, begins = 0;
    const char *said = getenv("REFUSING");
    if (said && sscanf(said, "%d,%d,%d,%d,%n", &kind, &at, &error, &from_then_on, &begins) == 4 && begins)
        refuse(kind, at, error, from_then_on, said + begins);
}

/* REFUSED names a file that is written when a call was refused, since nobody can ask a process that has ended. */
static void tell(void) {
    const char *path = getenv("REFUSED");
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    if (path) close(real(path, O_CREAT | O_WRONLY, 0600));
}
static int refused(int kind) {
    long n = atomic_fetch_add(&seen[kind], 1) + 1;
    if (kind != armed_kind || armed_at < 1 || !(n == armed_at || (stays && n > armed_at))) return 0;
    atomic_fetch_add(&fired, 1);
    tell();
    errno = armed_errno;
    return 1;
}
static int is_under(const char *path) { return folder[0] && path && !strncmp(path, folder, strlen(folder)); }
static int is_file_under(int fd) {
    char link[64], path[PATH_MAX];
    if (!folder[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_under(path);
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define ON_FILE(kind, type, name, parameters, arguments) \
    type name parameters { REAL(name); return is_file_under(fd) && refused(kind) ? -1 : real arguments; }
ON_FILE(WRITE, ssize_t, write, (int fd, const void *b, size_t n), (fd, b, n))
ON_FILE(WRITE, ssize_t, pwrite, (int fd, const void *b, size_t n, off_t o), (fd, b, n, o))
ON_FILE(WRITE, ssize_t, pwrite64, (int fd, const void *b, size_t n, off64_t o), (fd, b, n, o))
ON_FILE(WRITE, ssize_t, writev, (int fd, const struct iovec *v, int n), (fd, v, n))
ON_FILE(FSYNC, int, fsync, (int fd), (fd))
ON_FILE(FSYNC, int, fdatasync, (int fd), (fd))

int rename(const char *from, const char *to) {
    REAL(rename);
    return is_under(to) && refused(RENAME) ? -1 : real(from, to);
}
int renameat(int a, const char *from, int b, const char *to) {
    REAL(renameat);
    return is_under(to) && refused(RENAME) ? -1 : real(a, from, b, to);
}

#define OPENING(name, first, ...) \
    va_list more; va_start(more, flags); int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, int) : 0; va_end(more); \
    REAL(name); \
    return (flags & (O_WRONLY | O_RDWR | O_CREAT)) && is_under(path) && refused(OPEN) ? -1 : real(__VA_ARGS__, flags, mode);
int open(const char *path, int flags, ...) { OPENING(open, path, path) }
int open64(const char *path, int flags, ...) { OPENING(open64, path, path) }
int openat(int at, const char *path, int flags, ...) { OPENING(openat, at, at, path) }
int openat64(int at, const char *path, int flags, ...) { OPENING(openat64, at, at, path) }
