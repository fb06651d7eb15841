"""Refuses the system calls by which a process opens sockets and starts programs, with Linux's seccomp.

The filter is a short program that the kernel runs at every system call, for the thread that installs it and for the
threads which that one starts later: see linux/seccomp.h and linux/filter.h. Landlock refuses TCP alone; this refuses
UDP and the sockets of local services, too. Sockets that are open already stay usable.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

_NO_NEW_PRIVS = 38
# Instructions, with the offsets of what they load from struct seccomp_data.
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE = 0, 4
_ALLOWED, _REFUSED = 0x7FFF0000, 0x00050000 | errno.EACCES
# From here on x86_64 has the numbers of another way to make the same calls.
_X32 = 0x40000000
_SET_FILTER = 1
# Without this flag older kernels slow the process down, to protect it from code that it does not run.
_ALLOW_SPECULATION = 1 << 2

# By machine: its number, that of seccomp, and those of socket, execve, execveat and io_uring_setup. The last opens a
# second way to make calls, which the filter does not see.
_MACHINES = {
    "x86_64": (0xC000003E, 317, (41, 59, 322, 425)),
    "aarch64": (0xC00000B7, 277, (198, 221, 281, 425)),
}


class _Instruction(ctypes.Structure):
    # How many instructions to skip if a test is true, and if it is false, come before the value that it compares with.
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("skip_if_true", ctypes.c_uint8),
        ("skip_if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def restrict() -> bool:
    """Refuse sockets and new programs from now on; False if this system cannot do that."""
    machine = _MACHINES.get(os.uname().machine) if sys.platform == "linux" else None
    if machine is None:
        return False
    architecture, seccomp, refused_calls = machine
    instructions = _instructions(architecture, refused_calls)
    program = _Program(len(instructions), (_Instruction * len(instructions))(*instructions))
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    result: int = library.syscall(seccomp, _SET_FILTER, _ALLOW_SPECULATION, ctypes.byref(program))
    return result == 0


def _instructions(architecture: int, refused_calls: tuple[int, ...]) -> list[_Instruction]:
    """Return the filter. After each test a refusal follows, which is skipped if the call is not one to refuse."""
    lines = [(_LOAD, 0, 0, _ARCHITECTURE), (_IF_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _REFUSED)]
    lines += [(_LOAD, 0, 0, _NUMBER), (_IF_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _REFUSED)]
    for number in refused_calls:
        lines += [(_IF_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSED)]
    return [_Instruction(*line) for line in [*lines, (_RETURN, 0, 0, _ALLOWED)]]
