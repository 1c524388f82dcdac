"""A disk that takes nothing more, said in one message: full, read-only, broken, or not this user's."""

from __future__ import annotations

import errno
import sqlite3

_AGAIN = "Nothing that was whole before is lost: run the same command again, and it goes on from there"
_FREE = f"Free some space (`recloop prune` names what nothing points to). {_AGAIN}"
_WRITABLE = f"Make it writable for this user, or name another place (--home, RECLOOP_HOME). {_AGAIN}"
_BROKEN = f"Look at the disk: the system's log (dmesg) says what failed. {_AGAIN}"
_OF_SYSTEM = {
    errno.ENOSPC: _FREE,
    errno.EDQUOT: _FREE,
    errno.EROFS: _WRITABLE,
    errno.EACCES: _WRITABLE,
    errno.EPERM: _WRITABLE,
    errno.EIO: _BROKEN,
}
_OF_SQLITE = {
    sqlite3.SQLITE_FULL: _FREE,
    sqlite3.SQLITE_READONLY: _WRITABLE,
    sqlite3.SQLITE_IOERR: _BROKEN,
}  # by primary result code


class DiskRefused(Exception):
    """The disk did not take what was written: names the file where it is known, and the fix."""


def disk_refusal(error: BaseException) -> DiskRefused | None:
    """`error` as a message to a person; None if it is none of a disk's."""
    if isinstance(error, OSError):
        fix = _OF_SYSTEM.get(error.errno or 0)
        where = f"{error.filename}: " if error.filename is not None else ""
        return DiskRefused(f"{where}{error.strerror}. {fix}") if fix else None
    cause = getattr(error, "orig", error)  # what SQLAlchemy wraps
    if isinstance(cause, sqlite3.Error):
        fix = _OF_SQLITE.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)
        return DiskRefused(f"the warehouse: {cause}. {fix}") if fix else None
    return None
