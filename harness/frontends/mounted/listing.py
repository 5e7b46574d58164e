"""Listings: the names in a folder, as `getdents` wants them.

The order is by name, or drawn from a seed: real file systems list in an order of their own (ext4: by hash), and a
program that relies on one has a bug.
"""

import stat
from typing import Final, NamedTuple

import xxhash

from harness.frontends.mounted.inodes import Inode, InodeTable
from harness.frontends.mounted.protocol import DIRENT

_ALIGNED: Final = 8


class Listed(NamedTuple):
    """One line of a listing."""

    ino: int
    name: bytes
    kind: int


def listing(table: InodeTable, folder: Inode, seed: int) -> list[Listed]:
    """All names of the folder as it is now, "." and ".." first. `seed` 0: sorted."""
    above = folder.home[0]
    lines = [Listed(folder.ino, b".", stat.S_IFDIR >> 12), Listed(above, b"..", stat.S_IFDIR >> 12)]
    names = sorted(folder.entries)
    if seed:
        mixed = (seed * 0x9E3779B97F4A7C15 + folder.ino) % 2**64
        names.sort(key=lambda name: xxhash.xxh3_64_intdigest(name.encode("utf-8", "surrogateescape"), seed=mixed))
    for name in names:
        ino = folder.entries[name]
        lines.append(Listed(ino, name.encode("utf-8", "surrogateescape"), stat.S_IFMT(table[ino].mode) >> 12))
    return lines


def entries_from(lines: list[Listed], offset: int, size: int) -> bytes:
    """As many lines from number `offset` on as fit into `size` bytes."""
    packed: list[bytes] = []
    left = size
    for number in range(offset, len(lines)):
        ino, name, kind = lines[number]
        line = DIRENT.pack(ino, number + 1, len(name), kind) + name
        line += bytes(-len(line) % _ALIGNED)
        if len(line) > left:
            break
        left -= len(line)
        packed.append(line)
    return b"".join(packed)
