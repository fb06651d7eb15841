"""Confines the engine's process with Linux's Landlock: the last of three defences against what a statement may reach.

The first two are the guard's judgement and ClickHouse's own classification of each statement. Landlock covers the
thread that calls it and the threads which that one starts later, so it is set up before anything heavy is imported. A
kernel without Landlock confines less, or nothing; the health endpoint reports which.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH, _VERSION, _NO_NEW_PRIVS = 1, 1, 38

# Rights, as bits: see linux/landlock.h. The other bits are for creating, removing and renaming.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_READ = _EXECUTE | _READ_FILE | _READ_DIR
# The rights that a rule on a file, not a folder, may grant.
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
# How many rights each version has, and all versions after those.
_RIGHTS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15}
_RIGHTS_LATER = 16
_NO_TCP, _NO_SIGNALS_NO_ABSTRACT_SOCKETS = 0b11, 0b11

# Libraries, time zones, and what the engine reads about the machine.
_READABLE = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache", "/etc/localtime",
    "/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/version", "/proc/sys/vm", "/proc/sys/kernel",
    "/sys/fs/cgroup", "/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/kernel/mm", "/dev/urandom",
    "/dev/random",
)  # fmt: skip  # one path per line would fill a page
_DEVICES = ("/dev/null",)


def confine(writable: Sequence[str]) -> str:
    """Give up access to all files but the given folders and the libraries, and to TCP.

    Parameters
    ----------
    writable : sequence of str
        The folders that this process may still write to.

    Returns
    -------
    str
        ``landlock-abi-N``, or ``none`` if the system has no Landlock.
    """
    version = available()
    if not version:
        return "none"
    try:
        _restrict(version, writable)
    except OSError:
        return "none"
    return f"landlock-abi-{version}"


def available() -> int:
    """Return the version of Landlock that this system has, 0 for none."""
    return max(0, _syscall(_CREATE_RULESET, None, 0, _VERSION)) if sys.platform == "linux" else 0


def _restrict(version: int, writable: Sequence[str]) -> None:
    all_rights = (1 << _RIGHTS_BY_VERSION.get(version, _RIGHTS_LATER)) - 1
    with _ruleset(version, all_rights) as ruleset:
        for path in _importable():
            _allow(ruleset, path, _READ & all_rights)
        for path in _DEVICES:
            _allow(ruleset, path, (_READ_FILE | _WRITE_FILE) & all_rights)
        for path in writable:
            _allow(ruleset, path, all_rights & ~_EXECUTE)
        _check_result(ctypes.CDLL(None, use_errno=True).prctl(_NO_NEW_PRIVS, 1, 0, 0, 0))
        _check_result(_syscall(_RESTRICT_SELF, ruleset, 0))


def _importable() -> Iterable[str]:
    """Return the folders from which Python and its extension modules are loaded."""
    return {*_READABLE, sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path} - {"/", ""}


@contextlib.contextmanager
def _ruleset(version: int, rights: int) -> Iterator[int]:
    fields = [rights]
    if version >= 4:
        fields.append(_NO_TCP)
    if version >= 6:
        fields.append(_NO_SIGNALS_NO_ABSTRACT_SOCKETS)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = _check_result(_syscall(_CREATE_RULESET, attributes, len(attributes), 0))
    try:
        yield ruleset
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    # A path that does not exist on this system needs no rule.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            granted = rights if Path(path).is_dir() else rights & _FILE_RIGHTS
            rule = struct.pack("=Qi", granted, opened)
            _check_result(_syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0))
        finally:
            os.close(opened)


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    # A system call reads whole registers, while ctypes passes a bare Python int as a C int.
    wide_arguments = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result: int = library.syscall(ctypes.c_long(number), *wide_arguments)
    return result


def _check_result(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
