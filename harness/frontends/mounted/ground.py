"""The ground that all calls of a mounted folder stand on: inodes found, replies packed, operations asked for."""

import errno
import stat
import time
from typing import Final

from harness.frontends.mounted import protocol as wire
from harness.frontends.mounted.choke_point import ChokePoint
from harness.frontends.mounted.failed_syncs import FailedSyncs
from harness.frontends.mounted.handles import Handles
from harness.frontends.mounted.inodes import Inode, InodeTable
from harness.trace import ROOT, Create

NAME_BYTES_MAX: Final = 255
BLOCK: Final = 4096
NO_DATA: Final = b""

FOR_EVER: Final = 10**9
"""Seconds for which the kernel may keep names: nobody but itself changes them."""


class Ground:
    """What the calls share. `seed` orders the names in a listing; 0: by name.

    `direct`: reads and writes arrive with the sizes that the program gave; otherwise the page cache stands between.
    `keeps_attributes`: the kernel may remember sizes; not where a failed sync may change them behind its back.
    """

    def __init__(
        self, table: InodeTable, choke: ChokePoint, *, seed: int = 0, direct: bool = True, keeps_attributes: bool = True
    ) -> None:
        self.table = table
        self.choke = choke
        self.seed = seed
        self.handles = Handles()
        self.failed_syncs = FailedSyncs(table, choke, self.handles)
        self._open_flags = wire.FOPEN_DIRECT_IO if direct else wire.FOPEN_KEEP_CACHE
        self._attributes_hold_s = FOR_EVER if keeps_attributes else 0

    def _packed(self, inode: Inode) -> bytes:
        size = len(inode.target.encode("utf-8", "surrogateescape")) if inode.is_symlink else len(inode.data)
        seconds = [divmod(at, 10**9) for at in (inode.atime, inode.mtime, inode.ctime)]
        return wire.ATTRIBUTES.pack(
            inode.ino,
            size,
            -(-size // 512),
            *(whole % 2**64 for whole, _ in seconds),  # signed, as the kernel reads them
            *(rest for _, rest in seconds),
            inode.mode,
            max(inode.links, 0),
            inode.uid,
            inode.gid,
            inode.device,
            BLOCK,
            0,
        )

    def _entry(self, inode: Inode) -> bytes:
        inode.known += 1
        return wire.ENTRY_OUT.pack(inode.ino, 0, FOR_EVER, self._attributes_hold_s, 0, 0) + self._packed(inode)

    def _inode(self, node: int) -> Inode:
        inode = self.table.get(node)
        if inode is None:
            raise OSError(errno.ESTALE, "this inode is gone")
        return inode

    def _folder(self, node: int) -> Inode:
        inode = self._inode(node)
        if not inode.is_folder:
            raise OSError(errno.ENOTDIR, "not a folder")
        return inode

    def get_attributes(self, node: int, thread: int, uid: int, gid: int, body: memoryview) -> bytes:
        return wire.ATTR_OUT.pack(self._attributes_hold_s, 0, 0) + self._packed(self._inode(node))

    def _vacant(self, node: int, name: str) -> Inode:
        """The folder in which the name is free."""
        folder = self._folder(node)
        if not folder.links > 1 and node != ROOT:
            raise OSError(errno.ENOENT, "the folder was removed")
        demand_writable(name)
        if name in folder.entries:
            raise OSError(errno.EEXIST, "the name is taken")
        return folder

    def _path(self, folder: Inode, name: str) -> str:
        above = self.table.path(folder)
        return f"{above}/{name}" if above != "/" else f"/{name}"

    def _may(self, kind: str, path: str, thread: int, size: int = 0) -> None:
        """For calls that succeed or fail as a whole: raises the injected error."""
        outcome = self.choke.ask(kind, path, size, thread)
        if outcome is not None and outcome.errno is not None:
            raise OSError(outcome.errno, "a fault of the plan")

    def _add(self, folder: Inode, name: str, inode: Inode) -> None:
        self.table.add_name(folder, name, inode)
        folder.mtime = folder.ctime = inode.ctime = time.time_ns()

    def _let_go(self, inode: Inode) -> None:
        size = len(inode.data)
        if self.table.let_go(inode):
            self.choke.freed(size)

    def _new_file(self, node: int, name: str, mode: int, thread: int, uid: int, gid: int) -> Inode:
        folder = self._vacant(node, name)
        self._may("open", self._path(folder, name), thread)
        self.choke.record(Create(self.table.next_number(), node, name))
        inode = self.table.new(stat.S_IFREG | stat.S_IMODE(mode), uid, gid, (node, name))
        self._add(folder, name, inode)
        return inode


def fits(name: str) -> bool:
    return len(name.encode("utf-8", "surrogateescape")) <= NAME_BYTES_MAX


def demand_text(text: str) -> None:
    """A trace is JSON: what is no UTF-8 has no place in it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise OSError(errno.EILSEQ, "not UTF-8") from None


def demand_writable(name: str) -> None:
    demand_text(name)
    if not fits(name):
        raise OSError(errno.ENAMETOOLONG, "the name is too long")
