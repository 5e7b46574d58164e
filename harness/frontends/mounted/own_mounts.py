"""Own mounts: a process that sees its mounts alone, so that several can mount on one and the same folder.

A mount namespace (mount_namespaces(7)). Programs store their paths; runs side by side on different folders would not be
the same run. Needs CAP_SYS_ADMIN, as root has it; the mounts end with the last process of the namespace.
"""

import ctypes
from typing import Final

_CLONE_NEWNS: Final = 0x00020000
_MS_REC: Final = 0x4000
_MS_PRIVATE: Final = 1 << 18


def enter_own_mounts() -> bool:
    """From now on this process and its children mount for themselves. False where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS):
        return False
    return not libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
