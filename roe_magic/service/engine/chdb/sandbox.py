"""Confines the engine's process: the last of three defences against what a statement may reach.

The first two are the guard's judgement and ClickHouse's own classification of each statement. Here Linux's Landlock
gives up files and TCP, and seccomp (``seccomp``) all other sockets. Both cover the thread that calls them and the
threads which that one starts later, so they are set up before anything heavy is imported. A system without them
confines less, or nothing; the health endpoint reports which.

Landlock does not control pipes, which can be opened a second time through ``/proc/self/fd``. So the messages to and
from the service go through a socket, with which that is not possible.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from roe_magic.service.engine.chdb import seccomp

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH, _VERSION, _NO_NEW_PRIVS = 1, 1, 38

# Rights, as bits: see linux/landlock.h. The other bits are for creating, removing and renaming.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_MAKE_DIR, _MAKE_FILE = 1 << 7, 1 << 8
# Loading a library needs no right to execute it, so no program at all can be started.
_READ = _READ_FILE | _READ_DIR
_WRITE_NEW = _MAKE_DIR | _MAKE_FILE | _WRITE_FILE | _TRUNCATE
# The rights that a rule on a file, not a folder, may grant.
_FILE_RIGHTS = _WRITE_FILE | _READ_FILE | _TRUNCATE
# How many rights each version has, and all versions after those.
_RIGHTS_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15}
_RIGHTS_LATER = 16
_NO_TCP, _NO_SIGNALS_NO_ABSTRACT_SOCKETS = 0b11, 0b11

# Libraries, time zones, and what the engine reads about the machine. Of the process itself it reads where its stack is
# and what its processor can do; anything else there, such as the environment and the open files, is not readable.
_READABLE = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache", "/etc/localtime",
    "/proc/self/maps", "/proc/self/auxv", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat", "/proc/version",
    "/proc/sys/vm", "/proc/sys/kernel", "/sys/fs/cgroup", "/sys/devices/system/cpu", "/sys/devices/system/node",
    "/sys/kernel/mm", "/dev/urandom", "/dev/random",
)  # fmt: skip  # one path per line would fill a page
_DEVICES = ("/dev/null",)


def confine(folder: str, results: str | None = None) -> str:
    """Give up access to all files but those of the given folders and the libraries, all sockets, and new programs.

    Parameters
    ----------
    folder : str
        The folder that this process may still read and write.
    results : str, optional
        A folder in which it may only make folders and write files, not read or delete them.

    Returns
    -------
    str
        ``landlock-abi-N+seccomp``, without the part that the system does not have; ``none`` if it has neither.
    """
    version = available()
    try:
        if version:
            _restrict(version, folder, results)
    except OSError:
        version = 0
    layers = [f"landlock-abi-{version}"] if version else []
    return "+".join([*layers, *(["seccomp"] if seccomp.restrict() else [])]) or "none"


def available() -> int:
    """Return the version of Landlock that this system has, 0 for none."""
    return max(0, _syscall(_CREATE_RULESET, None, 0, _VERSION)) if sys.platform == "linux" else 0


def _restrict(version: int, folder: str, results: str | None) -> None:
    all_rights = (1 << _RIGHTS_BY_VERSION.get(version, _RIGHTS_LATER)) - 1
    with _ruleset(version, all_rights) as ruleset:
        for path in _importable():
            _allow(ruleset, path, _READ & all_rights)
        for path in _DEVICES:
            _allow(ruleset, path, (_READ_FILE | _WRITE_FILE) & all_rights)
        _allow(ruleset, folder, all_rights & ~_EXECUTE)
        if results:
            _allow(ruleset, results, _WRITE_NEW & all_rights)
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
