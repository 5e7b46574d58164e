"""From a path to a place: which folder, which name, which inode.

Follows POSIX path resolution (path_resolution(7)): `.`, `..`, symbolic links (at most 40), trailing slashes. Not
modelled: permissions on the way, mount points other than the volatile `/tmp`.
"""

import errno
import os
from typing import TYPE_CHECKING, Final, TypeAlias

from harness.disk import Folder, SymbolicLink
from harness.frontends.simulated import real_files
from harness.frontends.simulated.endings import OutsideImage
from harness.trace import ROOT

if TYPE_CHECKING:
    from harness.frontends.simulated.inode_table import InodeTable

Place: TypeAlias = tuple[int, str, int | None]
"""(the folder's inode, the last name, the inode there or None). The root is (ROOT, ".", ROOT)."""

LINKS_MAX: Final = 40
NAME_BYTES_MAX: Final = 255
PATH_BYTES_MAX: Final = 4095

VOLATILE: Final = 2**40
"""Inodes from here on live in memory: `/tmp`, where the image has none. Nothing about them is recorded."""


def os_error(number: int, path: object = None, other: object = None) -> OSError:
    """The OSError (of the fitting subclass) that the interpreter raises for `number`."""
    if other is not None:
        return OSError(number, os.strerror(number), path, None, other)
    if path is not None:
        return OSError(number, os.strerror(number), path)
    return OSError(number, os.strerror(number))


def resolve(table: "InodeTable", path: str, follow: bool, start: int) -> Place:
    """Where `path` leads, from folder `start` if relative; a final symbolic link is followed for `follow`.

    Raises the OSError of the first thing that is wrong, with `path` as its file name, and `OutsideImage` where the
    image lacks the path's first name and the real machine has the path.
    """
    if not path:
        raise os_error(errno.ENOENT, path)
    if "\0" in path:
        raise ValueError("embedded null byte")
    if len(path) > PATH_BYTES_MAX // 4 and len(os.fsencode(path)) > PATH_BYTES_MAX:
        raise os_error(errno.ENAMETOOLONG, path)
    nodes = table.nodes
    ancestors = [ROOT if path[0] == "/" else start]
    stripped = path.rstrip("/")
    wants_folder = len(stripped) != len(path)
    names = stripped.split("/")
    names.reverse()
    links = 0
    place: Place = (ancestors[0], ".", ancestors[0])
    while names:
        name = names.pop()
        if not name:
            continue
        here = ancestors[-1]
        folder = nodes[here]
        if not isinstance(folder, Folder):
            raise os_error(errno.ENOTDIR, path)
        if name == ".":
            place = (here, ".", here)
            continue
        if name == "..":
            if len(ancestors) > 1:
                ancestors.pop()
            else:
                ancestors[0] = table.parent_of(here)
            place = (ancestors[-1], "..", ancestors[-1])
            continue
        if len(name) > NAME_BYTES_MAX // 4 and len(os.fsencode(name)) > NAME_BYTES_MAX:
            raise os_error(errno.ENAMETOOLONG, path)
        ino = folder.entries.get(name)
        if ino is None and here == ROOT:
            ino = _beside_the_image(table, name, names)
        if ino is None:
            if any(names):
                raise os_error(errno.ENOENT, path)
            return here, name, None
        node = nodes[ino]
        if isinstance(node, SymbolicLink) and (names or follow or wants_folder):
            links += 1
            if links > LINKS_MAX:
                raise os_error(errno.ELOOP, path)
            target = node.target
            if not target:
                raise os_error(errno.ENOENT, path)
            if target[0] == "/":
                ancestors = [ROOT]
            if target[-1] == "/" and not names:
                wants_folder = True
            place = (ancestors[-1], ".", ancestors[-1])
            names.extend(reversed(target.split("/")))
            continue
        place = (here, name, ino)
        if names:
            ancestors.append(ino)
    found = place[2]
    if wants_folder and found is not None and not isinstance(nodes[found], Folder):
        raise os_error(errno.ENOTDIR, path)
    return place


def _beside_the_image(table: "InodeTable", name: str, rest: list[str]) -> int | None:
    """What `/name` is where the image has no such entry: the volatile `/tmp`, the real machine's, or nothing."""
    real = os.path.normpath("/".join(("", name, *(part for part in reversed(rest) if part))))
    if name == "tmp":
        if rest and real_files.is_readable(real):  # a checkout or an environment that lies in the machine's /tmp
            raise OutsideImage(real)
        return table.volatile_folder()
    if real_files.exists(real) or real_files.exists("/" + name):
        raise OutsideImage(real)
    return None
