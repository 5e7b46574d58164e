"""Random small recoveries: they look at some files, in part or whole, stop where they have seen enough, and judge.

What such a checker looks at next depends on what it has seen, as with a real one; its verdict is any function of that.
"""

import zlib
from typing import NamedTuple

from hypothesis import strategies as st

from harness.disk import DiskImage, File, Folder, SymbolicLink
from harness.durability.looks import Look

PATHS = ("/data/a", "/data/b", "/data/c", "/data/below/a", "/data/below/b", "/data/below/c", "/data/c/a", "/data/a/b")


class Step(NamedTuple):
    """`what`: size, whole, or `length` bytes from `start` on; the run ends here where a sum of all that was seen is 0 modulo
    `stops`."""

    what: str
    path: str
    start: int
    length: int
    stops: int


class Checked(NamedTuple):
    """What a checker looked at (as the engine wants to hear it), what it saw, and what it said."""

    looks: tuple[int | Look, ...]
    seen: tuple[object, ...]
    verdict: str


NEVER = 1_000_003
"""A modulus that is as good as never met."""

steps = st.builds(
    Step,
    st.sampled_from(("size", "whole", "bytes", "bytes")),
    st.sampled_from(PATHS),
    st.sampled_from((0, 0, 100, 512, 600, 1_024)),
    st.sampled_from((1, 100, 512, 700, 2_000)),
    st.sampled_from((2, 3, NEVER)),
)
checkers = st.lists(steps, min_size=1, max_size=4).map(tuple)


def check(image: DiskImage, checker: tuple[Step, ...]) -> Checked:
    """Run it on a disk: names are free to look at (they are part of the shape), contents are noted."""
    inode_of = {path: ino for path, ino, _ in image.walk()}
    looks: list[int | Look] = []
    seen: list[object] = [tuple(inode_of)]
    for step in checker:
        node = image.lookup(step.path)
        match node:
            case File(size=size):
                ino, end = inode_of[step.path], step.start + step.length
                if step.what == "size":
                    looks.append((ino, -1, -1))
                    seen.append(size)
                elif step.what == "whole":
                    looks.append(ino)
                    seen.append(node.data)
                else:
                    looks.append((ino, step.start, end))
                    seen.append(node.data[step.start : end])
            case Folder(entries=entries):
                seen.append(tuple(sorted(entries)))
            case SymbolicLink(target=target):
                seen.append(target)
            case None:
                seen.append(None)
        if zlib.crc32(repr(seen).encode()) % step.stops == 0:
            break
    return Checked(tuple(looks), tuple(seen), ("held", "lost", "torn")[zlib.crc32(repr(seen).encode()) % 3])
