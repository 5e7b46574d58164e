"""Random traces that fit a disk: all that a program can do to files, names and syncs, in any order.

Drawn by Hypothesis; the naive disk, which follows them, bounds what is pending, so that every subset can be tried. Covered:
overlapping writes, holes, truncations below and above, O_SYNC, renames over open files, unlinked files that are still
written to, hard links, symbolic links, directories made, removed, moved, exchanged and put over empty ones, syncs of
everything and of what has no name, syncs that fail and what a reader then sees.
"""

from collections.abc import Sequence

from hypothesis import strategies as st
from naive_disk import NaiveDisk

from harness.disk import DiskImage, File, Folder
from harness.durability.profiles import Profile
from harness.trace import (
    ROOT,
    Create,
    Evict,
    FailedSync,
    Fdatasync,
    Fsync,
    Item,
    Link,
    Mkdir,
    Rename,
    Revert,
    Rmdir,
    Symlink,
    SyncAll,
    Truncate,
    Unlink,
    Write,
)

DATA, BELOW, OLD, EMPTY = 2, 3, 4, 5
LENGTHS = (1, 100, 300, 512, 700, 1_100)
NAMES = ("a", "b", "c")
KINDS = (
    *("write", "write", "write", "write", "fsync", "fsync", "rename", "rename", "create", "unlink", "truncate"),
    *("truncate", "datasync", "link", "mkdir", "symlink", "failed", "evict", "revert", "sync", "move", "rmdir"),
    *("written through", "exchange", "evict", "move"),
)
AFTER_A_FAILURE = ("evict",) * 8 + ("revert",) * 8 + ("fsync", "write", "truncate") * 2
"""What makes a failed sync interesting."""


def base_image() -> DiskImage:
    image = DiskImage.with_folders("/data", "/data/below")
    image = image.apply(Create(OLD, DATA, "a")).apply(Write(OLD, 0, b"old!" * 175))
    return image.apply(Create(EMPTY, BELOW, "b"))


class _Drawn:
    """What a trace has come to: the disk that runs, and who holds what open."""

    def __init__(self, draw: st.DrawFn, profile: Profile, lengths: Sequence[int]) -> None:
        self.draw = draw
        self.lengths = lengths
        self.profile = profile
        self.disk = NaiveDisk(base_image(), profile)
        self.items: list[Item] = []
        self.next_ino = 6

    def look(self) -> None:
        image = self.image = self.disk.live
        self.folders = sorted(folders_of(image))
        self.named = {(ino, name): child for ino in self.folders for name, child in entries_of(image, ino).items()}
        self.files = sorted({ino for ino in self.named.values() if isinstance(image.nodes[ino], File)})
        self.held = sorted(ino for ino, node in image.nodes.items() if isinstance(node, File))
        self.gone = sorted(
            ino for ino, node in image.nodes.items() if isinstance(node, Folder) and ino not in (ROOT, *self.folders)
        )
        self.free = [(folder, name) for folder in self.folders for name in NAMES if (folder, name) not in self.named]

    def operations(self, kind: str) -> list[Item]:
        """One call of this kind, as operations; none where it does not fit the disk."""
        draw, image, held = self.draw, self.image, self.held
        match kind:
            case "write":
                return [self._write(draw(st.sampled_from(held)))]
            case "written through":
                ino = draw(st.sampled_from(held))
                return [self._write(ino), draw(st.sampled_from((Fsync, Fdatasync)))(ino)]
            case "truncate":
                ino = draw(st.sampled_from(held))
                size = size_of(image, ino)
                return [Truncate(ino, draw(st.sampled_from((0, 100, 512, size // 2, size + 300, size + 1_100))))]
            case "fsync":
                begun = draw(st.sampled_from((None, None, None, max(0, len(self.items) - 1))))
                return [Fsync(draw(st.sampled_from(held + self.folders + self.gone)), begun)]
            case "datasync":
                return [Fdatasync(draw(st.sampled_from(held)))]
            case "sync":
                return [SyncAll()]
            case "failed":
                policy = self.profile.failed_sync
                dirty = sorted({part.ino for part in self.disk.pending() if part.kind == "data"})
                ino = draw(st.sampled_from(dirty or held))
                written: list[Item] = [] if dirty else [self._write(ino)]
                return [*written, FailedSync(ino, 5, draw(st.sampled_from((policy, policy, "untouched"))))]
            case "evict":
                dropped = [ino for ino in held if self.disk.old_blocks(ino)]
                if not dropped:
                    return []
                ino = draw(st.sampled_from(dropped))
                blocks = [block for block in self.disk.old_blocks(ino) if draw(st.sampled_from((True, True, False)))]
                return [Evict(ino, tuple(blocks))] if blocks else []
            case "revert" if self.profile.failed_sync == "revert":
                ino = draw(st.sampled_from(held))
                content = self.disk.durable_content(ino)
                return [Revert(ino, len(content), ((0, content),) if content else ())]
            case _:
                return self._names_change(kind)

    def _write(self, ino: int) -> Write:
        draw, size = self.draw, size_of(self.image, ino)
        offset = draw(st.sampled_from((size, size, size, size // 2, 0, 511, size + 200, size + 1_300)))
        return Write(ino, offset, bytes([65 + len(self.items)]) * draw(st.sampled_from(self.lengths)))

    def _names_change(self, kind: str) -> list[Item]:
        draw, image, named, free = self.draw, self.image, self.named, self.free
        match kind:
            case "create" if free:
                return [Create(self.next_ino, *draw(st.sampled_from(free)))]
            case "symlink" if free:
                return [Symlink(self.next_ino, *draw(st.sampled_from(free)), target="a")]
            case "mkdir" if free:
                return [Mkdir(self.next_ino, *draw(st.sampled_from(free)))]
            case "link" if free and self.files:
                return [Link(draw(st.sampled_from(self.files)), *draw(st.sampled_from(free)))]
            case "unlink":
                places = [place for place, ino in sorted(named.items()) if ino not in self.folders]
                if places:
                    place = draw(st.sampled_from(places))
                    return [Unlink(named[place], *place)]
            case "rmdir":
                places = [place for place, ino in sorted(named.items()) if self._is_empty_folder(ino)]
                if places:
                    place = draw(st.sampled_from(places))
                    return [Rmdir(named[place], *place)]
            case "rename":
                return self._rename([place for place, ino in sorted(named.items()) if ino not in self.folders])
            case "move":
                return self._rename([place for place, ino in sorted(named.items()) if ino in self.folders])
            case "exchange":
                pairs = [
                    (one, other)
                    for one, first in sorted(named.items())
                    for other, second in sorted(named.items())
                    if one != other and other[0] not in below(image, first) and one[0] not in below(image, second)
                ]
                if pairs:
                    one, other = draw(st.sampled_from(pairs))
                    return [Rename(named[one], *one, *other, named[other], True)]
        return []

    def _rename(self, sources: list[tuple[int, str]]) -> list[Item]:
        if not sources:
            return []
        draw, image, named = self.draw, self.image, self.named
        place = draw(st.sampled_from(sources))
        ino = named[place]
        if ino in self.folders:
            targets = [target for target, other in sorted(named.items()) if self._is_empty_folder(other)]
            targets = [target for target in targets + targets + self.free if target[0] not in below(image, ino)]
        else:
            targets = [target for target, other in sorted(named.items()) if other not in self.folders]
            targets = self.free + targets + targets
        targets = [target for target in targets if named.get(target) != ino]
        if not targets:
            return []
        target = draw(st.sampled_from(targets))
        return [Rename(ino, *place, *target, named.get(target))]

    def _is_empty_folder(self, ino: int) -> bool:
        return ino in self.folders and not entries_of(self.image, ino)

    def happen(self, item: Item) -> None:
        if isinstance(item, Create | Mkdir | Symlink):
            self.next_ino += 1
        self.disk.feed(len(self.items), item)
        self.items.append(item)


@st.composite
def traces(
    draw: st.DrawFn, profile: Profile, most: int, *, operations: int = 7, lengths: Sequence[int] = LENGTHS
) -> list[Item]:
    """Up to `operations` operations, at most `most` units of them pending at the end."""
    drawn = _Drawn(draw, profile, lengths)
    for _ in range(draw(st.integers(1, operations))):
        drawn.look()
        before = len(drawn.items)
        failed = bool(drawn.items) and isinstance(drawn.items[-1], FailedSync)
        for item in drawn.operations(draw(st.sampled_from(AFTER_A_FAILURE + KINDS if failed else KINDS))):
            if len(drawn.items) == operations:
                return drawn.items
            drawn.happen(item)
        if len(drawn.disk.pending()) > most:
            return drawn.items[:before]
    return drawn.items


def folders_of(image: DiskImage) -> list[int]:
    """The named folders but for the root."""
    return [ino for _, ino, node in image.walk() if isinstance(node, Folder) and ino != ROOT]


def entries_of(image: DiskImage, ino: int) -> dict[str, int]:
    node = image.nodes[ino]
    assert isinstance(node, Folder)
    return node.entries


def below(image: DiskImage, ino: int) -> set[int]:
    """`ino` and, of a folder, all folders in it."""
    found = {ino}
    if isinstance(image.nodes[ino], Folder):
        for child in entries_of(image, ino).values():
            if isinstance(image.nodes[child], Folder):
                found |= below(image, child)
    return found


def size_of(image: DiskImage, ino: int) -> int:
    node = image.nodes[ino]
    assert isinstance(node, File)
    return node.size
