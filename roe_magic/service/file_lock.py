"""Advisory locks on files. The system releases a lock when the process that holds it ends, however it ends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_RETRY_SECONDS = 0.05


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open a lock file, which is created if it is absent; leaving the block releases any lock taken on it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)


def acquire(handle: int, *, shared: bool = False, timeout: float = 0.0) -> bool:
    """Lock an opened file, and return whether that succeeded within ``timeout`` seconds.

    Parameters
    ----------
    handle : int
        What :func:`opened` yields.
    shared : bool
        Whether others may hold shared locks on the file at the same time.
    timeout : float
        How long to retry while another process holds the lock; 0 tries once.
    """
    deadline = time.monotonic() + timeout
    while not _try_lock(handle, shared=shared):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_RETRY_SECONDS)
    return True


def is_held(path: Path) -> bool:
    """Whether a process holds an exclusive lock on a file; False where the file cannot be opened.

    To find out, a lock that is free is taken for a moment.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not acquire(handle, shared=True)
    finally:
        os.close(handle)


def release(handle: int) -> None:
    """Release a lock; the file stays open."""
    import fcntl

    fcntl.flock(handle, fcntl.LOCK_UN)


def _try_lock(handle: int, *, shared: bool) -> bool:
    # Only POSIX systems have this module, while others import ours before they are told that they are not supported.
    import fcntl

    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
