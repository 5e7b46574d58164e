"""Inodes: the living tree of a mounted folder, with what a running system needs beyond a disk image.

A `harness.disk.DiskImage` is immutable and knows contents and names; a mounted folder also has modes, owners, times,
open files without a name, and contents of many megabytes of which a few bytes change. So its files are changed in place.
What the recorded operations make of the image it began with is the same tree (`InodeTable.image`): the tests compare
them.

Sockets, pipes and devices live here and are not part of any image: a crash leaves nothing of them worth a record.
"""

import os
import stat
import time
from collections.abc import Iterator
from typing import Final

from harness.disk import DiskImage, File, Folder, Node, SymbolicLink
from harness.trace import ROOT, Create, Item, Link, Mkdir, Symlink, Write

FOLDER_MODE: Final = 0o755
FILE_MODE: Final = 0o644


class Inode:
    """One inode. `data` counts for files, `entries` for folders, `target` for symbolic links.

    `links`: names of it, as stat shows them. `handles`: open files on it. `known`: how often the kernel was told of it.
    `home`: (folder, name) of a name it has or had last. Times are nanoseconds since the epoch.
    """

    __slots__ = (
        "atime",
        "ctime",
        "data",
        "device",
        "entries",
        "gid",
        "handles",
        "home",
        "ino",
        "known",
        "links",
        "mode",
        "mtime",
        "target",
        "uid",
    )

    def __init__(self, ino: int, mode: int, uid: int, gid: int, home: tuple[int, str]) -> None:
        self.ino = ino
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.home = home
        self.data = bytearray()
        self.entries: dict[str, int] = {}
        self.target = ""
        self.device = 0
        self.links = 2 if stat.S_ISDIR(mode) else 1
        self.handles = 0
        self.known = 0
        self.atime = self.mtime = self.ctime = time.time_ns()

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_symlink(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def is_special(self) -> bool:
        """A socket, a pipe, a device: lives only here."""
        return not (self.is_folder or self.is_file or self.is_symlink)

    def node(self) -> Node:
        """This inode as part of a disk image; special inodes have none."""
        if self.is_folder:
            return Folder(dict(self.entries))
        return SymbolicLink(self.target) if self.is_symlink else File(bytes(self.data))


class InodeTable:
    """All inodes by number. Numbers are never used again.

    A table can be pickled: that is how one run begins where another one's setup ended, modes and times included.
    """

    def __init__(self, image: DiskImage | None = None) -> None:
        self.by_number: dict[int, Inode] = {}
        self._paths: dict[int, str] = {}
        image = image or DiskImage()
        self._next = image.next_ino
        self._load(image, os.getuid(), os.getgid())

    def _load(self, image: DiskImage, uid: int, gid: int) -> None:
        kinds = {Folder: stat.S_IFDIR | FOLDER_MODE, File: stat.S_IFREG | FILE_MODE, SymbolicLink: stat.S_IFLNK | 0o777}
        for path, ino, node in image.walk():
            known = self.by_number.get(ino)
            parent, _, name = path.rpartition("/")
            home = (ROOT if path == "/" else self._at(parent), name)
            if known is not None:
                known.links += 1
                continue
            inode = self.by_number[ino] = Inode(ino, kinds[type(node)], uid, gid, home)
            match node:
                case Folder(entries=entries):
                    inode.entries = dict(entries)
                    if ino != ROOT:
                        self.by_number[home[0]].links += 1
                case File():
                    inode.data = bytearray(node.data)
                case SymbolicLink(target=target):
                    inode.target = target

    def _at(self, path: str) -> int:
        ino = ROOT
        for name in path.split("/"):
            if name:
                ino = self.by_number[ino].entries[name]
        return ino

    def __getitem__(self, ino: int) -> Inode:
        return self.by_number[ino]

    def get(self, ino: int) -> Inode | None:
        return self.by_number.get(ino)

    def new(self, mode: int, uid: int, gid: int, home: tuple[int, str]) -> Inode:
        """A new inode with one name to come; a set-group-id folder hands its group down."""
        parent = self.by_number[home[0]]
        if parent.mode & stat.S_ISGID:
            gid = parent.gid
            if stat.S_ISDIR(mode):
                mode |= stat.S_ISGID
        inode = self.by_number[self._next] = Inode(self._next, mode, uid, gid, home)
        self._next += 1
        return inode

    def next_number(self) -> int:
        return self._next

    def add_name(self, parent: Inode, name: str, inode: Inode) -> None:
        parent.entries[name] = inode.ino
        inode.home = (parent.ino, name)
        if inode.is_folder:
            parent.links += 1
        self.forget_path(inode)

    def remove_name(self, parent: Inode, name: str, inode: Inode) -> None:
        del parent.entries[name]
        if inode.is_folder:
            parent.links -= 1
        self.forget_path(inode)

    def forget_path(self, inode: Inode) -> None:
        """A name of it changed."""
        if inode.is_folder:
            self._paths.clear()
        else:
            self._paths.pop(inode.ino, None)

    def path(self, inode: Inode) -> str:
        """A path it has, or had last, from the mounted folder, which is "/"."""
        known = self._paths.get(inode.ino)
        if known is None:
            parts: list[str] = []
            one = inode
            while one.ino != ROOT:
                folder, name = one.home
                parts.append(name)
                parent = self.by_number.get(folder)
                if parent is None:
                    break
                one = parent
            known = self._paths[inode.ino] = "/" + "/".join(reversed(parts))
        return known

    def is_within(self, folder: Inode, above: Inode) -> bool:
        """True when `folder` is `above` or below it."""
        while folder.ino != above.ino:
            if folder.ino == ROOT:
                return False
            folder = self.by_number[folder.home[0]]
        return True

    def let_go(self, inode: Inode) -> bool:
        """Drop it if neither a name, an open file nor the kernel holds it; True where its content is gone."""
        unnamed = inode.links <= (1 if inode.is_folder else 0)
        if not unnamed or inode.handles:
            return False
        inode.data = bytearray()
        if not inode.known:
            self.by_number.pop(inode.ino, None)
            self._paths.pop(inode.ino, None)
        return True

    def at_rest(self) -> None:
        """Nobody has it mounted any more: no open files, and what has no name is gone."""
        for inode in list(self.by_number.values()):
            inode.handles = inode.known = 0
            self.let_go(inode)

    def image(self) -> DiskImage:
        """What has a name, without special inodes, as an immutable image."""
        nodes: dict[int, Node] = {}
        for inode in self._named():
            node = inode.node()
            if isinstance(node, Folder):
                node = Folder({name: ino for name, ino in node.entries.items() if not self.by_number[ino].is_special})
            nodes[inode.ino] = node
        return DiskImage(nodes)

    def _named(self) -> Iterator[Inode]:
        seen = {ROOT}
        stack = [ROOT]
        while stack:
            inode = self.by_number[stack.pop()]
            if inode.is_special:
                continue
            yield inode
            for ino in inode.entries.values():
                if ino not in seen:
                    seen.add(ino)
                    stack.append(ino)


def items_making(image: DiskImage) -> tuple[Item, ...]:
    """Operations that make the image, with its inode numbers, from an empty disk."""
    items: list[Item] = []
    made: set[int] = set()
    numbers: dict[str, int] = {"": ROOT}
    for path, ino, node in image.walk():
        if path == "/":
            continue
        parent, _, name = path.rpartition("/")
        numbers[path] = ino
        if ino in made:
            items.append(Link(ino, numbers[parent], name))
            continue
        made.add(ino)
        match node:
            case Folder():
                items.append(Mkdir(ino, numbers[parent], name))
            case SymbolicLink(target=target):
                items.append(Symlink(ino, numbers[parent], name, target))
            case File():
                items.append(Create(ino, numbers[parent], name))
                if node.size:
                    items.append(Write(ino, 0, node.data))
    return tuple(items)
