"""`os` as the subject sees it: the calls on paths.

Those on descriptors are in `sim_descriptors`, the process's own in `sim_process`. The functions have the signatures of
the real ones, which they call where no kernel is active.
"""

import errno
import os
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from harness.disk import SymbolicLink
from harness.frontends.simulated import descriptors, metadata, names, real_files, sim_descriptors, sim_path, sim_process
from harness.frontends.simulated.endings import OutsideImage
from harness.frontends.simulated.folder_scan import DirEntry, FolderScan
from harness.frontends.simulated.kernel import FIRST_DESCRIPTOR, running
from harness.frontends.simulated.paths import Place, os_error
from harness.frontends.simulated.rebinding import rebound
from harness.frontends.simulated.served import refused, served, text_of

if TYPE_CHECKING:
    from harness.frontends.simulated.kernel import Kernel

_real: Final[dict[str, Any]] = dict(os.__dict__)


def start_of(kernel: "Kernel", dir_fd: int | None, path: str) -> int | None:
    """The folder that a `dir_fd` argument names, for a path that needs one."""
    if dir_fd is None or not path or path[0] == "/":
        return None
    return metadata.demand_folder(kernel, descriptors.lookup(kernel, dir_fd).ino, None)


@served(_real["open"])
def open(kernel: "Kernel", path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
    text = text_of(path)
    try:
        return names.open_file(kernel, text, flags, mode, start_of(kernel, dir_fd, text))
    except OutsideImage as outside:
        if flags & (os.O_CREAT | os.O_ACCMODE):
            raise kernel.no_change_of(outside, text) from None
        real = kernel.real_path(outside, text, real_files.is_readable)
        if not real_files.exists(real):
            raise os_error(errno.ENOENT, text) from None
        raise kernel.escape(f"os.open of {real}, a file of the real machine (open() can read it)", "mounted") from None


@served(_real["stat"])
def stat(kernel: "Kernel", path: Any, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
    if isinstance(path, int):
        return sim_descriptors.fstat(path)
    text = text_of(path)
    kernel.check("stat", text)
    try:
        _, _, ino = kernel.find(text, follow_symlinks, start_of(kernel, dir_fd, text))
    except OutsideImage as outside:
        real = kernel.real_path(outside, text, real_files.is_visible)
        return os.stat(real, follow_symlinks=follow_symlinks)
    if ino is None:
        raise os_error(errno.ENOENT, path if isinstance(path, bytes) else text)
    return metadata.status(kernel, ino)


@served(_real["lstat"])
def lstat(kernel: "Kernel", path: Any, *, dir_fd: int | None = None) -> os.stat_result:
    return stat(path, dir_fd=dir_fd, follow_symlinks=False)


@served(_real["access"])
def access(
    kernel: "Kernel",
    path: Any,
    mode: int,
    *,
    dir_fd: int | None = None,
    effective_ids: bool = False,
    follow_symlinks: bool = True,
) -> bool:
    text = text_of(path)
    try:
        kernel.check("access", text)
        _, _, ino = kernel.find(text, follow_symlinks, start_of(kernel, dir_fd, text))
    except OutsideImage as outside:
        try:
            return os.access(kernel.real_path(outside, text, real_files.is_visible), mode)
        except OSError:
            return False
    except OSError:
        return False
    return ino is not None and metadata.access(kernel, ino, mode)


def _folder_of(kernel: "Kernel", path: Any, kind: str) -> int:
    if isinstance(path, int):
        open_file = descriptors.lookup(kernel, path)
        kernel.check(kind, open_file.path)
        return metadata.demand_folder(kernel, open_file.ino, path)
    text = text_of(path)
    kernel.check(kind, text)
    return metadata.demand_folder(kernel, kernel.find(text)[2], path)


@served(_real["listdir"])
def listdir(kernel: "Kernel", path: Any = ".") -> list[Any]:
    path = "." if path is None else path
    try:
        found = names.listing(kernel, _folder_of(kernel, path, "listdir"))
    except OutsideImage as outside:
        return sorted(os.listdir(kernel.real_path(outside, text_of(path), real_files.is_readable)))
    path = path if isinstance(path, int) else os.fspath(path)
    return [os.fsencode(name) for name in found] if isinstance(path, bytes) else found


@served(_real["scandir"])
def scandir(kernel: "Kernel", path: Any = ".") -> Any:
    path = "." if path is None else path
    try:
        folder = _folder_of(kernel, path, "listdir")
    except OutsideImage as outside:
        return os.scandir(kernel.real_path(outside, text_of(path), real_files.is_readable))
    return FolderScan(kernel, folder, path if isinstance(path, int) else os.fspath(path))


@served(_real["readlink"])
def readlink(kernel: "Kernel", path: Any, *, dir_fd: int | None = None) -> Any:
    text = text_of(path)
    kernel.check("readlink", text)
    try:
        _, _, ino = kernel.find(text, False, start_of(kernel, dir_fd, text))
    except OutsideImage as outside:
        return os.readlink(kernel.real_path(outside, text, real_files.is_visible))
    if ino is None:
        raise os_error(errno.ENOENT, text)
    node = kernel.nodes[ino]
    if not isinstance(node, SymbolicLink):
        raise os_error(errno.EINVAL, text)
    return os.fsencode(node.target) if isinstance(os.fspath(path), bytes) else node.target


@served(_real["mkdir"])
def mkdir(kernel: "Kernel", path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
    names.mkdir(kernel, text_of(path), mode, start_of(kernel, dir_fd, text_of(path)))


@served(_real["rmdir"])
def rmdir(kernel: "Kernel", path: Any, *, dir_fd: int | None = None) -> None:
    names.rmdir(kernel, text_of(path), start_of(kernel, dir_fd, text_of(path)))


@served(_real["unlink"])
def unlink(kernel: "Kernel", path: Any, *, dir_fd: int | None = None) -> None:
    names.unlink(kernel, text_of(path), start_of(kernel, dir_fd, text_of(path)))


@served(_real["remove"])
def remove(kernel: "Kernel", path: Any, *, dir_fd: int | None = None) -> None:
    names.unlink(kernel, text_of(path), start_of(kernel, dir_fd, text_of(path)))


@served(_real["rename"])
def rename(
    kernel: "Kernel", src: Any, dst: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
) -> None:
    names.rename(
        kernel,
        text_of(src),
        text_of(dst),
        start_of(kernel, src_dir_fd, text_of(src)),
        start_of(kernel, dst_dir_fd, text_of(dst)),
    )


@served(_real["replace"])
def replace(
    kernel: "Kernel", src: Any, dst: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None
) -> None:
    names.rename(
        kernel,
        text_of(src),
        text_of(dst),
        start_of(kernel, src_dir_fd, text_of(src)),
        start_of(kernel, dst_dir_fd, text_of(dst)),
    )


@served(_real["symlink"])
def symlink(
    kernel: "Kernel", src: Any, dst: Any, target_is_directory: bool = False, *, dir_fd: int | None = None
) -> None:
    names.symlink(kernel, text_of(src), text_of(dst), start_of(kernel, dir_fd, text_of(dst)))


@served(_real["link"])
def link(
    kernel: "Kernel",
    src: Any,
    dst: Any,
    *,
    src_dir_fd: int | None = None,
    dst_dir_fd: int | None = None,
    follow_symlinks: bool = True,
) -> None:
    source = _existing(kernel, text_of(src), False, start_of(kernel, src_dir_fd, text_of(src)), dst)
    names.link(kernel, source, text_of(dst), start_of(kernel, dst_dir_fd, text_of(dst)))


def _existing(kernel: "Kernel", path: str, follow: bool, start: int | None, other: object = None) -> Place:
    place = kernel.locate(path, follow, start)
    if place[2] is None:
        raise os_error(errno.ENOENT, path, other)
    return place


@served(_real["truncate"])
def truncate(kernel: "Kernel", path: Any, length: int) -> None:
    if isinstance(path, int):
        return sim_descriptors.ftruncate(path, length)
    return names.truncate(kernel, text_of(path), length)


def _ino(kernel: "Kernel", path: Any, kind: str, follow: bool, dir_fd: int | None) -> int:
    if isinstance(path, int):
        open_file = descriptors.lookup(kernel, path)
        kernel.check(kind, open_file.path)
        return open_file.ino
    text = text_of(path)
    kernel.check(kind, text)
    ino = _existing(kernel, text, follow, start_of(kernel, dir_fd, text))[2]
    assert ino is not None
    return ino


@served(_real["chmod"])
def chmod(kernel: "Kernel", path: Any, mode: int, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> None:
    metadata.change_mode(kernel, _ino(kernel, path, "chmod", follow_symlinks, dir_fd), mode)


@served(_real["chown"])
def chown(
    kernel: "Kernel", path: Any, uid: int, gid: int, *, dir_fd: int | None = None, follow_symlinks: bool = True
) -> None:
    """Owners are not modelled: the path is looked up, nothing changes."""
    _ino(kernel, path, "chmod", follow_symlinks, dir_fd)


@served(_real["lchown"])
def lchown(kernel: "Kernel", path: Any, uid: int, gid: int) -> None:
    _ino(kernel, path, "chmod", False, None)


@served(_real["utime"])
def utime(
    kernel: "Kernel",
    path: Any,
    times: tuple[float, float] | None = None,
    *,
    ns: tuple[int, int] | None = None,
    dir_fd: int | None = None,
    follow_symlinks: bool = True,
) -> None:
    metadata.change_times(kernel, _ino(kernel, path, "utime", follow_symlinks, dir_fd), times, ns)


@served(_real["chdir"])
def chdir(kernel: "Kernel", path: Any) -> None:
    kernel.change_folder(_folder_of(kernel, path, "stat"))


@served(_real["fchdir"])
def fchdir(kernel: "Kernel", fd: int) -> None:
    kernel.change_folder(_folder_of(kernel, fd, "stat"))


@served(_real["getcwd"])
def getcwd(kernel: "Kernel") -> str:
    return kernel.path_of(kernel.cwd)


@served(_real["getcwdb"])
def getcwdb(kernel: "Kernel") -> bytes:
    return os.fsencode(kernel.path_of(kernel.cwd))


@served(_real["sync"])
def sync(kernel: "Kernel") -> None:
    sim_descriptors.sync_all(kernel)


@served(_real["statvfs"])
def statvfs(kernel: "Kernel", path: Any) -> os.statvfs_result:
    """A disk of 1 TiB, half full: space is the injector's affair."""
    _ino(kernel, path, "stat", True, None)
    return os.statvfs_result((4096, 4096, 2**28, 2**27, 2**27, 2**24, 2**23, 2**23, 4096, 255))


@served(_real["listxattr"])
def listxattr(kernel: "Kernel", path: Any = None, *, follow_symlinks: bool = True) -> list[str]:
    """Extended attributes are not modelled: none are there."""
    _ino(kernel, "." if path is None else path, "stat", follow_symlinks, None)
    return []


@served(_real["getxattr"])
def getxattr(kernel: "Kernel", path: Any, attribute: Any, *, follow_symlinks: bool = True) -> bytes:
    raise os_error(errno.ENOTSUP, path)


@served(_real["setxattr"])
def setxattr(
    kernel: "Kernel", path: Any, attribute: Any, value: Any, flags: int = 0, *, follow_symlinks: bool = True
) -> None:
    raise os_error(errno.ENOTSUP, path)


CALLS: Final = tuple(
    name for name, value in list(globals().items()) if name in _real and callable(value) and value is not _real[name]
)
"""The functions of `os` that this module replaces."""

_PYTHON: Final = ("walk", "_walk", "fwalk", "_fwalk", "makedirs", "removedirs", "renames", "_fwalk_yield")
_CAPABILITIES: Final = ("supports_dir_fd", "supports_fd", "supports_follow_symlinks", "supports_effective_ids")


def make_module() -> ModuleType:
    """A module `os`: ours where the disk is concerned, refusals where we have no answer, the real one for the rest."""
    module = ModuleType("os", os.__doc__)
    space = module.__dict__
    space.update(_real)
    ours = {name: globals()[name] for name in CALLS} | sim_descriptors.CALLS | sim_process.CALLS
    for name, value in _real.items():
        is_type = isinstance(value, type)
        if callable(value) and not is_type and name not in ours and name not in sim_process.HARMLESS:
            space[name] = refused(f"os.{name}", value)
    space.update(ours)
    rebound(_real, (name for name in _PYTHON if name in _real), space)
    space["DirEntry"] = DirEntry
    for name in _CAPABILITIES:
        space[name] = {space.get(getattr(real, "__name__", ""), real) for real in _real[name]}
    space["path"] = sim_path.make_module(module)
    return module


def is_simulated(fd: int) -> bool:
    """True for a descriptor of a simulated file."""
    return running.kernel is not None and fd >= FIRST_DESCRIPTOR
