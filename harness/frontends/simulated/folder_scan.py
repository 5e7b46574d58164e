"""os.scandir on the simulated disk."""

import os
import stat
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from harness.disk import File, Folder, SymbolicLink
from harness.frontends.simulated import metadata, names

if TYPE_CHECKING:
    from harness.frontends.simulated.kernel import Kernel


class DirEntry:
    """What os.DirEntry tells, of one name in a folder."""

    __slots__ = ("_folder", "_ino", "_kernel", "name", "path")

    def __init__(self, kernel: "Kernel", folder: int, ino: int, name: str | bytes, path: str | bytes) -> None:
        self._kernel = kernel
        self._folder = folder
        self._ino = ino
        self.name = name
        self.path = path

    def inode(self) -> int:
        return self._ino

    def is_symlink(self) -> bool:
        return isinstance(self._kernel.nodes[self._ino], SymbolicLink)

    def is_junction(self) -> bool:
        return False

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return self._is(Folder, follow_symlinks)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return self._is(File, follow_symlinks)

    def _is(self, kind: type, follow_symlinks: bool) -> bool:
        node = self._kernel.nodes[self._ino]
        if isinstance(node, SymbolicLink) and follow_symlinks:
            try:
                mode = self.stat().st_mode
            except FileNotFoundError:
                return False
            return stat.S_ISDIR(mode) if kind is Folder else stat.S_ISREG(mode)
        return isinstance(node, kind)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        kernel = self._kernel
        name = os.fsdecode(self.name)
        kernel.check("stat", os.fsdecode(self.path))
        _, _, ino = kernel.locate(name, follow_symlinks, self._folder)
        if ino is None:
            raise FileNotFoundError(2, os.strerror(2), self.path)
        return metadata.status(kernel, ino)

    def __fspath__(self) -> str | bytes:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"


class FolderScan:
    """The iterator that os.scandir returns: the names of one moment."""

    def __init__(self, kernel: "Kernel", folder: int, prefix: Any) -> None:
        self._entries = iter(self._read(kernel, folder, prefix))

    @staticmethod
    def _read(kernel: "Kernel", folder: int, prefix: Any) -> list[DirEntry]:
        entries = []
        inos = kernel.folder(folder).entries
        for name in names.listing(kernel, folder):
            ino = inos[name] if name in inos else kernel.volatile_folder()
            shown: str | bytes = os.fsencode(name) if isinstance(prefix, bytes) else name
            path: str | bytes = shown if isinstance(prefix, int) else _join(prefix, shown)
            entries.append(DirEntry(kernel, folder, ino, shown, path))
        return entries

    def __iter__(self) -> Iterator[DirEntry]:
        return self

    def __next__(self) -> DirEntry:
        return next(self._entries)

    def __enter__(self) -> "FolderScan":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._entries = iter(())


def _join(folder: Any, name: Any) -> Any:
    slash = b"/" if isinstance(folder, bytes) else "/"
    return folder + name if folder.endswith(slash) else folder + slash + name
