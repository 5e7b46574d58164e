"""The seccomp filter that stops a program at `sync` and `syncfs`; installed in its process before it becomes the program.

Read by the guardian, which imports nothing of the harness: this file imports nothing of it either.
"""

import ctypes
import os
import platform
import struct
from typing import NamedTuple


class Architecture(NamedTuple):
    """Numbers of one machine: its audit code (linux/audit.h) and its system calls."""

    audit: int
    sync: int
    syncfs: int
    seccomp: int


FILTERED = {
    "x86_64": Architecture(0xC000003E, 162, 306, 317),
    "aarch64": Architecture(0xC00000B7, 81, 267, 277),
}

PR_SET_NO_NEW_PRIVS = 38
SECCOMP_SET_MODE_FILTER = 1
SECCOMP_FILTER_FLAG_NEW_LISTENER = 1 << 3
ALLOW = 0x7FFF0000
ASK = 0x7FC00000  # SECCOMP_RET_USER_NOTIF

_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in struct seccomp_data


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def install() -> int | None:
    """Filter this process and all it starts; the descriptor to listen on, None where that is not to be had.

    Who is not root gives up set-user-id programs by it (PR_SET_NO_NEW_PRIVS).
    """
    known = FILTERED.get(platform.machine())
    if known is None:
        return None
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_IF_EQUAL, 0, 3, known.audit),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_IF_EQUAL, 2, 0, known.sync),
        (_JUMP_IF_EQUAL, 1, 0, known.syncfs),
        (_RETURN, 0, 0, ALLOW),
        (_RETURN, 0, 0, ASK),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    program = _Program(len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() and libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return None
    listener: int = libc.syscall(
        known.seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, ctypes.byref(program)
    )
    return listener if listener >= 0 else None
