"""Random small recoveries: they look at some files, in part or whole, stop where they have seen enough, and judge.

What such a checker looks at next depends on what it has seen, as with a real one; its verdict is any function of that.
"""

import zlib
from typing import NamedTuple

from hypothesis import strategies as st

from harness.disk import DiskImage, File, Folder, SymbolicLink

PATHS = ("/data/a", "/data/b", "/data/c", "/data/below/a", "/data/below/b", "/data/below/c", "/data/c/a", "/data/a/b")


class Step(NamedTuple):
    """`what`: list, size, whole, or bytes from `start` to `end`; the run ends here where the sum of all seen is 0 modulo
    `stops`."""

    what: str
    path: str
    start: int
    end: int
    stops: int


class Sight(NamedTuple):
    """One look at the content of inode `ino`: its size (`what` "size"), all of it, or bytes from `start` to `end`."""

    what: str
    ino: int
    start: int
    end: int


class Checked(NamedTuple):
    """What a checker looked at, what it saw, and what it said."""

    looks: tuple[Sight, ...]
    seen: tuple[object, ...]
    verdict: str


steps = st.builds(
    Step,
    st.sampled_from(("size", "whole", "bytes", "bytes")),
    st.sampled_from(PATHS),
    st.sampled_from((0, 0, 100, 512, 600, 1_024)),
    st.sampled_from((1, 100, 512, 700, 2_000)),
    st.sampled_from((2, 3, 1_000_003)),
)
checkers = st.lists(steps, min_size=1, max_size=4).map(tuple)


def check(image: DiskImage, checker: tuple[Step, ...]) -> Checked:
    """Run it on a disk: names are free to look at (they are part of the shape), contents are noted."""
    inode_of = {path: ino for path, ino, _ in image.walk()}
    looks: list[Sight] = []
    seen: list[object] = [tuple(inode_of)]
    for step in checker:
        node = image.lookup(step.path)
        match node:
            case File(size=size):
                looks.append(Sight(step.what, inode_of[step.path], step.start, step.start + step.end))
                if step.what == "size":
                    seen.append(size)
                elif step.what == "whole":
                    seen.append(node.data)
                else:
                    seen.append(node.data[step.start : step.start + step.end])
            case Folder(entries=entries):
                seen.append(tuple(sorted(entries)))
            case SymbolicLink(target=target):
                seen.append(target)
            case None:
                seen.append(None)
        if zlib.crc32(repr(seen).encode()) % step.stops == 0:
            break
    return Checked(tuple(looks), tuple(seen), ("held", "lost", "torn")[zlib.crc32(repr(seen).encode()) % 3])
