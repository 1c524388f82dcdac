"""DuckDB reads the offline store's files as they are, not as it remembers them.

It keeps parts of files that it has read, by path, and tells a file that was written anew by size and moment. Where a
cut is written again at once, parts of both were put together: "Out of buffer", or a page that does not unpack. Files
here are read once or twice a process, so nothing is lost by reading them anew.
"""

from __future__ import annotations

import ibis


def read_files_anew() -> None:
    """For the connection that Feast reads its files by, Ibis' default one in this process."""
    ibis.get_backend().raw_sql("SET enable_external_file_cache = false")
