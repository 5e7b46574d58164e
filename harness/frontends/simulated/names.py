"""The calls that take a path: open, mkdir, rename, link, unlink … on a kernel.

Each checks what POSIX lets it check, in the kernel's order, then records one operation. Errors are those of Linux
(ext4). A call that changes nothing records nothing.
"""

import errno
import os
from typing import TYPE_CHECKING, Final

from harness.disk import File, Folder, SymbolicLink
from harness.frontends.simulated import descriptors
from harness.frontends.simulated.descriptors import DEVICES, DeviceFile, OpenFile
from harness.frontends.simulated.kernel import DESCRIPTORS_MAX
from harness.frontends.simulated.paths import VOLATILE, Place, os_error
from harness.trace import ROOT, Create, Link, Mkdir, Rename, Rmdir, Symlink, Unlink

if TYPE_CHECKING:
    from harness.frontends.simulated.kernel import Kernel

RENAME_NOREPLACE: Final = 1
RENAME_EXCHANGE: Final = 2

_O_TMPFILE: Final = getattr(os, "O_TMPFILE", 0)
_SPECIAL: Final = os.O_EXCL | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_TRUNC | _O_TMPFILE
"""Flags that make of an open of a known file more than an open."""


def open_file(kernel: "Kernel", path: str, flags: int, mode: int, start: int | None = None) -> int:
    """open(2): a new descriptor. `OutsideImage` for a path of the real machine."""
    return descriptors.install(kernel, opened(kernel, path, flags, mode, start))


def opened(kernel: "Kernel", path: str, flags: int, mode: int, start: int | None = None) -> OpenFile:
    """As `open_file`, for a caller who gives the description its descriptor."""
    outcome = kernel.call("open", path)
    if outcome is not None and outcome.errno is not None:
        raise os_error(outcome.errno, path)
    if start is None and not flags & _SPECIAL and len(kernel.descriptors) < DESCRIPTORS_MAX:
        known = kernel.places.get((path, True))
        ino = None if known is None or path[0] != "/" else known[2]
        if ino is not None and kernel.nodes[ino].__class__ is File:
            kernel.opened[ino] = kernel.opened.get(ino, 0) + 1
            return OpenFile(kernel, ino, flags, path)
    if path in DEVICES:
        device = DeviceFile(kernel, DEVICES[path], flags, path)
        descriptors.demand_room(kernel)
        return device
    if _O_TMPFILE and flags & _O_TMPFILE == _O_TMPFILE:
        raise os_error(errno.EOPNOTSUPP, path)
    descriptors.demand_room(kernel)
    creates = flags & os.O_CREAT
    if creates and flags & os.O_DIRECTORY:
        raise os_error(errno.EINVAL, path)  # Linux 6.4 and later
    if creates and path.endswith("/"):
        kernel.find(path.rstrip("/") or path, False, start)  # what is wrong on the way comes first
        raise os_error(errno.EISDIR, path)
    follow = not (flags & os.O_NOFOLLOW or (creates and flags & os.O_EXCL))
    parent, name, ino = kernel.find(path, follow, start)
    if ino is None:
        if not creates:
            raise os_error(errno.ENOENT, path)
        demand_living(kernel, parent, path)
        ino = kernel.new_ino(parent)
        kernel.record_name(Create(ino, parent, name))
        kernel.count_link(ino, 1)
        kernel.modes[ino] = mode & ~kernel.umask & 0o7777
    else:
        if creates and flags & os.O_EXCL:
            raise os_error(errno.EEXIST, path)
        node = kernel.nodes[ino]
        if isinstance(node, SymbolicLink):
            raise os_error(errno.ENOTDIR if flags & os.O_DIRECTORY else errno.ELOOP, path)
        if isinstance(node, Folder):
            if flags & (os.O_ACCMODE | os.O_CREAT | os.O_TRUNC):
                raise os_error(errno.EISDIR, path)
        elif flags & os.O_DIRECTORY:
            raise os_error(errno.ENOTDIR, path)
        elif flags & os.O_TRUNC:
            descriptors.truncate(kernel, ino, 0)
    if not path.startswith("/"):
        path = os.path.normpath(f"{kernel.path_of(kernel.cwd if start is None else start)}/{path}")
    kernel.opened[ino] = kernel.opened.get(ino, 0) + 1
    return OpenFile(kernel, ino, flags, path)


def demand_living(kernel: "Kernel", folder: int, path: str) -> None:
    """ENOENT in a folder that was removed (it may still be the working folder, or open)."""
    if folder not in (ROOT, VOLATILE) and not kernel.links_to(folder):
        raise os_error(errno.ENOENT, path)


def _vacant(kernel: "Kernel", path: str, start: int | None) -> Place:
    """The place of a name to be made; EEXIST where it is taken."""
    place = kernel.locate(path.rstrip("/") or path, False, start)
    if place[2] is not None:
        raise os_error(errno.EEXIST, path)
    demand_living(kernel, place[0], path)
    return place


def mkdir(kernel: "Kernel", path: str, mode: int, start: int | None = None) -> None:
    kernel.check("mkdir", path)
    parent, name, _ = _vacant(kernel, path, start)
    ino = kernel.new_ino(parent)
    kernel.record_name(Mkdir(ino, parent, name))
    kernel.count_link(ino, 1)
    kernel.modes[ino] = mode & ~kernel.umask & 0o1777


def symlink(kernel: "Kernel", target: str, path: str, start: int | None = None) -> None:
    kernel.check("symlink", path)
    if not target:
        raise os_error(errno.ENOENT, target, path)
    parent, name, _ = _vacant(kernel, path, start)
    if path.endswith("/"):
        raise os_error(errno.ENOENT, path)
    ino = kernel.new_ino(parent)
    kernel.record_name(Symlink(ino, parent, name, target))
    kernel.count_link(ino, 1)


def link(kernel: "Kernel", source: Place, path: str, start: int | None = None) -> None:
    """A further name at `path` for what is at `source`."""
    kernel.check("link", path)
    ino = source[2]
    assert ino is not None
    parent, name, _ = _vacant(kernel, path, start)
    if path.endswith("/"):
        raise os_error(errno.ENOENT, path)
    if (parent >= VOLATILE) != (ino >= VOLATILE):
        raise os_error(errno.EXDEV, path)
    if isinstance(kernel.nodes[ino], Folder):
        raise os_error(errno.EPERM, path)
    kernel.record_name(Link(ino, parent, name))
    kernel.count_link(ino, 1)


def unlink(kernel: "Kernel", path: str, start: int | None = None) -> None:
    kernel.check("unlink", path)
    parent, name, ino = kernel.locate(path.rstrip("/") or path, False, start)
    if ino is None:
        raise os_error(errno.ENOENT, path)
    if isinstance(kernel.nodes[ino], Folder):
        raise os_error(errno.EISDIR, path)
    if path.endswith("/"):
        raise os_error(errno.ENOTDIR, path)
    kernel.record_name(Unlink(ino, parent, name))
    kernel.count_link(ino, -1)


def rmdir(kernel: "Kernel", path: str, start: int | None = None) -> None:
    kernel.check("rmdir", path)
    parent, name, ino = kernel.locate(path.rstrip("/") or path, False, start)
    if ino is None:
        raise os_error(errno.ENOENT, path)
    node = kernel.nodes[ino]
    last = path.rstrip("/").rpartition("/")[2]
    if last == "..":
        raise os_error(errno.ENOTEMPTY, path)
    if last == ".":
        raise os_error(errno.EINVAL, path)
    if not isinstance(node, Folder):
        raise os_error(errno.ENOTDIR, path)
    if ino in (ROOT, VOLATILE):
        raise os_error(errno.EBUSY, path)
    if node.entries:
        raise os_error(errno.ENOTEMPTY, path)
    kernel.record_name(Rmdir(ino, parent, name))
    kernel.count_link(ino, -1)


def rename(
    kernel: "Kernel", old: str, new: str, start: int | None = None, new_start: int | None = None, flags: int = 0
) -> None:
    """renameat2(2); `flags` is 0, RENAME_NOREPLACE or RENAME_EXCHANGE."""
    kernel.check("rename", old)
    (parent, name, ino), (new_parent, new_name, replaced) = _both_places(kernel, old, new, start, new_start)
    if name in (".", "..") or new_name in (".", ".."):
        raise os_error(errno.EBUSY, old, new)
    if ino is None:
        raise os_error(errno.ENOENT, old, new)
    if VOLATILE in (ino, replaced):
        raise os_error(errno.EBUSY, old, new)
    if (parent >= VOLATILE) != (new_parent >= VOLATILE):
        raise os_error(errno.EXDEV, old, new)
    moving = kernel.nodes[ino]
    there = None if replaced is None else kernel.nodes[replaced]
    if flags & RENAME_NOREPLACE and there is not None:
        raise os_error(errno.EEXIST, old, new)
    if flags & RENAME_EXCHANGE and there is None:
        raise os_error(errno.ENOENT, old, new)
    if not isinstance(moving, Folder) and (old.endswith("/") or new.endswith("/")):
        raise os_error(errno.ENOTDIR, old, new)
    demand_living(kernel, new_parent, new)
    if isinstance(moving, Folder) and _is_within(kernel, new_parent, ino):
        raise os_error(errno.EINVAL, old, new)
    exchanged = bool(flags & RENAME_EXCHANGE)
    if there is not None and not exchanged:
        if replaced is not None and isinstance(there, Folder) and _is_within(kernel, parent, replaced):
            raise os_error(errno.ENOTEMPTY, old, new)
        if ino == replaced:
            return  # two names of one file: rename(2) does nothing
        if isinstance(there, Folder):
            if not isinstance(moving, Folder):
                raise os_error(errno.EISDIR, old, new)
            if there.entries:
                raise os_error(errno.ENOTEMPTY, old, new)
        elif isinstance(moving, Folder):
            raise os_error(errno.ENOTDIR, old, new)
    if exchanged and replaced is not None and isinstance(there, Folder) and _is_within(kernel, parent, replaced):
        raise os_error(errno.EINVAL, old, new)
    kernel.record_name(Rename(ino, parent, name, new_parent, new_name, replaced, exchanged))
    if replaced is not None and not exchanged:
        kernel.count_link(replaced, -1)


def _both_places(kernel: "Kernel", old: str, new: str, start: int | None, new_start: int | None) -> tuple[Place, Place]:
    """Where both names of a rename lead. Both folders are looked up before either last name is (ENAMETOOLONG)."""
    places: list[Place] = []
    late: list[OSError] = []
    for path, base in ((old, start), (new, new_start)):
        try:
            places.append(kernel.locate(path.rstrip("/") or path, False, base))
        except OSError as error:
            error = os_error(error.errno or 0, old, new)
            if error.errno != errno.ENAMETOOLONG:
                raise error from None
            late.append(error)
            places.append((ROOT, "", None))
    if late and any(name in (".", "..") for _, name, _ in places):
        raise os_error(errno.EBUSY, old, new)
    missing = places[0][2] is None and places[0][1] not in ("", ".", "..")
    if late:
        raise os_error(errno.ENOENT, old, new) if missing else late[0]
    return places[0], places[1]


def _is_within(kernel: "Kernel", folder: int, above: int) -> bool:
    """True when `folder` is `above` or below it."""
    while folder != above:
        if folder in (ROOT, VOLATILE):
            return False
        folder = kernel.parent_of(folder)
    return True


def truncate(kernel: "Kernel", path: str, size: int) -> None:
    kernel.check("truncate", path, size)
    if size < 0:
        raise os_error(errno.EINVAL, path)
    _, _, ino = kernel.locate(path)
    if ino is None:
        raise os_error(errno.ENOENT, path)
    if not isinstance(kernel.nodes[ino], File):
        raise os_error(errno.EISDIR, path)
    descriptors.truncate(kernel, ino, size)


def listing(kernel: "Kernel", ino: int) -> list[str]:
    """The names in folder `ino`, in an order drawn from the seed."""
    from harness.frontends.simulated.determinism import name_order

    names = list(kernel.folder(ino).entries)
    if ino == ROOT and "tmp" not in names:
        names.append("tmp")
    names.sort(key=name_order(kernel.seed))
    return names
