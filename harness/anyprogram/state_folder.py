"""State folders: a disk image as a real folder, made from whatever the folder holds now by changing what differs.

The checker before may have done anything in it: recovery writes, and a stranger deletes, locks and links. So nothing is
taken from memory: each restore looks at the folder, name by name and byte by byte, and mends it. (Times would be quicker
to compare and wrong: a write through a shared map moves no time on tmpfs, and two writes may fall into one tick.) Symbolic
links are compared and made, never followed.

Modes, owners, times and extended attributes are outside of the model: files are 0644, folders 0755, times arbitrary.
A folder that cannot be mended (a file made immutable) is left behind and a new one begun.
"""

import contextlib
import os
import shutil
import stat
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from harness.disk import DiskImage, File, Folder, Node, SymbolicLink
from harness.trace import ROOT

FILE_MODE: Final = 0o644
FOLDER_MODE: Final = 0o755
BLOCK: Final = 1 << 20
"""Bytes compared, and rewritten if they differ, at a time."""

_OPEN: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE: Final = _OPEN | os.O_CREAT | os.O_EXCL


class StateFolderError(Exception):
    """A state cannot be written; the message says where, why, and what to do."""


class StateFolder:
    """One folder below `home`, for one checker at a time; `root` is where the state is.

    `root` lies two folders deeper than it need: a checker that clears what is around it (`rm -rf ../../*`) meets nobody.
    """

    def __init__(self, home: Path) -> None:
        self.home: Final = home
        self.abandoned = 0
        self.root = home / "for" / "itself" / "root"

    def restore(self, image: DiskImage) -> Path:
        """Make `root` equal to `image`, and return it. Nobody may be working in it. Raises StateFolderError."""
        try:
            _Restoring(image.nodes).make_root(str(self.root))
        except (OSError, ValueError):
            self._abandon()
            try:
                _Restoring(image.nodes).make_root(str(self.root))
            except (OSError, ValueError) as error:  # ValueError: a target or a name that no system call takes
                why = error.strerror if isinstance(error, OSError) else error
                raise StateFolderError(
                    f"cannot write a crash state into {self.root}: {why}; "
                    "TMPDIR names another place, --jobs 1 needs the least room"
                ) from None
        return self.root

    def _abandon(self) -> None:
        remove(str(self.root))
        if os.path.lexists(self.root):
            self.abandoned += 1
            self.root = self.root.with_name(f"root{self.abandoned}")


class _Restoring:
    """One restore: the wanted inodes, how many names each has, and where those that have several were first made."""

    def __init__(self, nodes: Mapping[int, Node]) -> None:
        self.nodes: Final = nodes
        self.names: Final = _names_in(nodes)
        self.made: Final[dict[int, str]] = {}

    def make_root(self, path: str) -> None:
        try:
            status = os.lstat(path)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            _new_folder(path)
        else:
            if not stat.S_ISDIR(status.st_mode):
                os.unlink(path)
                _new_folder(path)
            elif stat.S_IMODE(status.st_mode) != FOLDER_MODE:
                os.chmod(path, FOLDER_MODE)
        stack = [(path, ROOT)]
        while stack:
            stack += self._make_entries(*stack.pop())

    def _make_entries(self, path: str, ino: int) -> list[tuple[str, int]]:
        """Make the entries of the existing folder `path`; those that are folders are returned, made and not yet filled."""
        folder = self.nodes[ino]
        assert isinstance(folder, Folder)
        wanted = folder.entries
        present: dict[str, os.DirEntry[str]] = {}
        with os.scandir(path) as found:
            for entry in found:
                if entry.name in wanted:
                    present[entry.name] = entry
                else:
                    _remove_entry(entry)
        folders: list[tuple[str, int]] = []
        for name, child in wanted.items():
            node = self.nodes[child]
            place = f"{path}/{name}"
            old = present.get(name)
            if node.__class__ is File:
                self._make_file(place, child, node, old)
            elif isinstance(node, SymbolicLink):
                self._make_link(place, child, node.target, old)
            else:
                _make_folder(place, old)
                folders.append((place, child))
        return folders

    def _make_file(self, path: str, ino: int, file: File, old: os.DirEntry[str] | None) -> None:
        names = self.names[ino]
        if names > 1 and self._named_again(path, ino, old):
            return
        if old is not None and not old.is_file(follow_symlinks=False):
            _remove_entry(old)
            old = None
        if old is not None and _mended(path, file, names):
            return
        if old is not None:
            os.unlink(path)
        number = os.open(path, _MAKE, FILE_MODE)
        try:
            os.fchmod(number, FILE_MODE)
            _fill(number, 0, file)
        finally:
            os.close(number)

    def _make_link(self, path: str, ino: int, target: str, old: os.DirEntry[str] | None) -> None:
        if self.names[ino] > 1 and self._named_again(path, ino, old):
            return
        if old is not None:
            same = old.is_symlink() and os.readlink(path) == target
            if same and old.stat(follow_symlinks=False).st_nlink == self.names[ino]:
                return
            _remove_entry(old)
        os.symlink(target, path)

    def _named_again(self, path: str, ino: int, old: os.DirEntry[str] | None) -> bool:
        """Whether `path` is a further name of an inode that has one already: then it has this one too, now."""
        first = self.made.setdefault(ino, path)
        if first == path:
            return False
        if old is not None:
            theirs, ours = old.stat(follow_symlinks=False), os.lstat(first)
            if (theirs.st_ino, theirs.st_dev) == (ours.st_ino, ours.st_dev):
                return True
            _remove_entry(old)
        os.link(first, path, follow_symlinks=False)
        return True


def _names_in(nodes: Mapping[int, Node]) -> Counter[int]:
    """How many names each inode has in the tree."""
    names: Counter[int] = Counter()
    stack = [ROOT]
    while stack:
        folder = nodes[stack.pop()]
        assert isinstance(folder, Folder)
        for child in folder.entries.values():
            names[child] += 1
            if isinstance(nodes[child], Folder):
                stack.append(child)
    return names


def _make_folder(path: str, old: os.DirEntry[str] | None) -> None:
    if old is not None and old.is_dir(follow_symlinks=False):
        if stat.S_IMODE(old.stat(follow_symlinks=False).st_mode) != FOLDER_MODE:
            os.chmod(path, FOLDER_MODE)
        return
    if old is not None:
        os.unlink(path)
    _new_folder(path)


def _new_folder(path: str) -> None:
    os.mkdir(path)
    os.chmod(path, FOLDER_MODE)


def _mended(path: str, file: File, names: int) -> bool:
    """Give the existing regular file the bytes of `file`. False: it is better made anew (other names, no access)."""
    try:
        number = os.open(path, _OPEN)
    except PermissionError:
        return False
    try:
        status = os.fstat(number)
        if status.st_nlink != names or not stat.S_ISREG(status.st_mode):
            return False
        if stat.S_IMODE(status.st_mode) != FILE_MODE:
            os.fchmod(number, FILE_MODE)
        _fill(number, status.st_size, file)
    finally:
        os.close(number)
    return True


def _fill(number: int, size: int, file: File) -> None:
    """Rewrite the blocks that differ. Only slices of the buffer are taken: a view would stop the walk from growing it."""
    buffer, wanted = file.buffer, file.size
    for start in range(0, wanted, BLOCK):
        piece = buffer[start : min(start + BLOCK, wanted)]
        if start >= size or os.pread(number, len(piece), start) != piece:
            _write_all(number, piece, start)
    if size > wanted:
        os.ftruncate(number, wanted)


def _write_all(number: int, piece: bytes | bytearray, start: int) -> None:
    done = os.pwrite(number, piece, start)
    while done < len(piece):
        done += os.pwrite(number, piece[done:], start + done)


def _remove_entry(entry: os.DirEntry[str]) -> None:
    if not entry.is_dir(follow_symlinks=False):
        os.unlink(entry.path)
        return
    remove(entry.path)
    if os.path.lexists(entry.path):
        raise PermissionError(f"{entry.path} cannot be removed")


def remove(path: str) -> None:
    """Remove whatever is at `path`, links not followed, as far as that is possible; nothing is raised."""
    with contextlib.suppress(OSError, RecursionError):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    if os.path.isdir(path) and not os.path.islink(path):
        # deeper than Python's stack or than a path can be long; or closed by its owner
        words = ["/bin/sh", "-c", 'rm -rf -- "$1" || { chmod -R u+rwx -- "$1"; rm -rf -- "$1"; }', "sh", path]
        subprocess.run(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
