"""What stat(2) tells: kind, size, links, times, mode bits. Modes and times live in memory only: no crash keeps them."""

import errno
import os
import stat
from typing import TYPE_CHECKING, Final

from harness.disk import File, Folder, SymbolicLink
from harness.frontends.simulated.paths import VOLATILE, os_error

if TYPE_CHECKING:
    from harness.frontends.simulated.kernel import Kernel

BLOCK_BYTES: Final = 4096
DEVICE: Final = 0x801
VOLATILE_DEVICE: Final = 0x1D
_OWNER: Final = (os.getuid(), os.getgid())


def status(kernel: "Kernel", ino: int) -> os.stat_result:
    """The stat_result of `ino`; its size was looked at."""
    if ino < 0:
        return os.stat("/dev/null")
    node = kernel.nodes[ino]
    match node:
        case File(size=size):
            kernel.look_at_size(ino)
            mode = stat.S_IFREG | kernel.modes.get(ino, 0o644)
            links = kernel.links_to(ino)
        case Folder(entries=entries):
            mode = stat.S_IFDIR | kernel.modes.get(ino, 0o755)
            size = BLOCK_BYTES
            links = 2 + sum(isinstance(kernel.nodes[child], Folder) for child in entries.values())
        case SymbolicLink(target=target):
            mode, size, links = stat.S_IFLNK | 0o777, len(os.fsencode(target)), kernel.links_to(ino)
    at = kernel.mtime(ino)
    seconds, nanoseconds = int(at), round(at * 1e9)
    device = VOLATILE_DEVICE if ino >= VOLATILE else DEVICE
    times = (seconds,) * 3 + (at,) * 3 + (nanoseconds,) * 3
    return os.stat_result((mode, ino, device, links, *_OWNER, size, *times, BLOCK_BYTES, (size + 511) // 512, 0))


def change_mode(kernel: "Kernel", ino: int, mode: int) -> None:
    kernel.modes[ino] = mode & 0o7777


def change_times(kernel: "Kernel", ino: int, times: tuple[float, float] | None, ns: tuple[int, int] | None) -> None:
    """utimensat(2): the time of modification; the time of access is not modelled (noatime)."""
    if times is not None and ns is not None:
        raise ValueError("utime: you may specify either 'times' or 'ns' but not both")
    if ns is not None:
        kernel.mtimes[ino] = ns[1] / 1e9
    elif times is not None:
        kernel.mtimes[ino] = times[1]
    else:
        kernel.mtimes[ino] = kernel.now()


def access(kernel: "Kernel", ino: int, mode: int) -> bool:
    """As for root: everything, but to execute a file that nobody may."""
    if mode & os.X_OK and isinstance(kernel.nodes[ino], File):
        return bool(kernel.modes.get(ino, 0o644) & 0o111)
    return True


def demand_folder(kernel: "Kernel", ino: int | None, path: object) -> int:
    if ino is None:
        raise os_error(errno.ENOENT, path)
    if not isinstance(kernel.nodes.get(ino), Folder):
        raise os_error(errno.ENOTDIR, path)
    return ino
