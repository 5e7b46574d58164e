"""The rules of durability.md written down once more, slowly: every subset of the pending units is tried.

Shares no code with harness.durability but the profiles, which are data. Units are plain tuples, the order is a relation
between two of them, closed by iteration; images are built by applying every surviving unit in trace order.
"""

from dataclasses import dataclass, field

from harness.disk import DiskImage, File, Folder, Node, SymbolicLink
from harness.durability.profiles import Profile
from harness.trace import (
    Create,
    Evict,
    FailedSync,
    Fdatasync,
    Fsync,
    Item,
    Link,
    Mark,
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


@dataclass(eq=False)
class Part:
    """One unit. `kind`: data, size, shrink, entry."""

    position: int
    kind: str
    ino: int = 0
    start: int = 0
    data: bytes = b""
    previous: int = 0
    size: int = 0
    edits: list[tuple[int, str, int | None]] = field(default_factory=list)
    folder_moves: bool = False
    puts_over: int | None = None
    new_folder: int | None = None
    dropped: bool = False
    before: set["Part"] = field(default_factory=set)

    def __hash__(self) -> int:
        return id(self)


def split(op: Item, position: int, profile: Profile, live: DiskImage) -> list[Part]:
    match op:
        case Write(ino=ino, offset=offset, data=data):
            size = _size(live, ino)
            parts = []
            for sector in range(offset // 512, (offset + len(data) + 511) // 512):
                low, high = max(offset, sector * 512), min(offset + len(data), sector * 512 + 512)
                if low < high:
                    parts.append(Part(position, "data", ino, start=low, data=data[low - offset : high - offset]))
            if data and offset + len(data) > size:
                ends = [n for n in range(max(size, offset) + 1, offset + len(data)) if n % 512 == 0]
                for end in [*ends, offset + len(data)]:
                    parts.append(Part(position, "size", ino, previous=size, size=end))
                    size = end
            return parts
        case Truncate(ino=ino, size=wanted):
            size = _size(live, ino)
            if wanted > size:
                return [Part(position, "size", ino, previous=size, size=wanted)]
            if wanted < size:
                parts = [Part(position, "shrink", ino, previous=size, size=wanted)]
                edge = min(size, (wanted + 511) // 512 * 512)
                if edge > wanted:
                    parts.append(Part(position, "data", ino, start=wanted, data=bytes(edge - wanted)))
                return parts
            return []
        case Create(ino=ino, parent=parent, name=name) | Link(ino=ino, parent=parent, name=name):
            return [Part(position, "entry", edits=[(parent, name, ino)])]
        case Symlink(ino=ino, parent=parent, name=name):
            return [Part(position, "entry", edits=[(parent, name, ino)])]
        case Mkdir(ino=ino, parent=parent, name=name):
            return [Part(position, "entry", edits=[(parent, name, ino)], new_folder=ino)]
        case Unlink(parent=parent, name=name) | Rmdir(parent=parent, name=name):
            return [Part(position, "entry", edits=[(parent, name, None)])]
        case Rename(
            ino=ino, parent=parent, name=name, new_parent=there, new_name=new_name, replaced=replaced, exchanged=swap
        ):
            folder = isinstance(live.nodes[ino], Folder)
            folder = folder or (swap and replaced is not None and isinstance(live.nodes[replaced], Folder))
            leave: tuple[int, str, int | None] = (parent, name, replaced if swap else None)
            arrive: tuple[int, str, int | None] = (there, new_name, ino)
            over = ino if replaced is not None else None
            if profile.atomic_rename == "yes" or (
                (profile.atomic_rename == "same-directory" and (folder or parent == there)) or (swap and folder)
            ):
                return [Part(position, "entry", edits=[leave, arrive], folder_moves=folder, puts_over=over)]
            parts = [
                Part(position, "entry", edits=[leave], folder_moves=folder),
                Part(position, "entry", edits=[arrive], folder_moves=folder, puts_over=over),
            ]
            if profile.atomic_rename == "no" and replaced is not None and not swap:
                parts.insert(0, Part(position, "entry", edits=[(there, new_name, None)], folder_moves=folder))
            return parts
        case _:
            return []


def _size(live: DiskImage, ino: int) -> int:
    node = live.nodes[ino]
    assert isinstance(node, File)
    return node.size


def comes_first(a: Part, b: Part, profile: Profile, parts: list[Part]) -> bool:
    """Whether `a`, which stands before `b` in the trace, must be on the disk before it (section 2)."""
    if profile.append == "total":
        return True
    content = {"size", "shrink"}
    journal = {"entry", "shrink"} if profile.commit_together else {"entry"}
    if a.ino == b.ino and a.kind in content and b.kind in content:
        return True
    if a.kind == b.kind == "data" and a.ino == b.ino and a.start // 512 == b.start // 512:
        return True
    if a.kind == b.kind == "entry":
        if {edit[:2] for edit in a.edits} & {edit[:2] for edit in b.edits}:
            return True
        if profile.dirent_order == "same-directory" and {e[0] for e in a.edits} & {e[0] for e in b.edits}:
            return True
        if a.folder_moves and b.folder_moves:
            return True
    if profile.dirent_order == "all" and a.kind in journal and b.kind in journal:
        return True
    if profile.data_before_size and a.kind == "data" and b.kind == "size" and a.ino == b.ino:
        shrunk = any(cut.kind == "shrink" and cut.ino == a.ino for cut in parts[parts.index(a) + 1 : parts.index(b)])
        if not shrunk and a.start < b.size and a.start + len(a.data) > b.previous:
            return True
    if profile.safe_rename and b.puts_over is not None and a.kind != "entry" and a.ino == b.puts_over:
        return True
    return profile.append == "ordered" and a.kind in {"size", "entry"}


class NaiveDisk:
    def __init__(self, base: DiskImage, profile: Profile) -> None:
        self.base = base
        self.profile = profile
        self.live = base
        self.parts: list[Part] = []
        self.durable: set[Part] = set()
        self.gone: set[Part] = set()
        self.appends: list[tuple[int, Write]] = []

    def pending(self) -> list[Part]:
        return [part for part in self.parts if part not in self.durable and part not in self.gone]

    def feed(self, position: int, op: Item) -> None:
        match op:
            case Mark():
                return
            case Fsync(ino=ino, begun=begun) | Fdatasync(ino=ino, begun=begun):
                self._sync(ino, position if begun is None else begun, isinstance(op, Fdatasync))
            case SyncAll(begun=begun):
                limit = position if begun is None else begun
                self._persist({part for part in self.pending() if part.position < limit})
            case FailedSync(ino=ino, cache=cache):
                for part in self.pending():
                    if part.kind == "data" and part.ino == ino and cache in ("drop-clean", "late-report"):
                        part.dropped = True
                self._relate()
            case Evict(ino=ino, pieces=pieces):
                self.live = self.live.apply(op)
                for offset, _ in pieces:
                    self.gone |= set(self.evictable(ino).get(offset // 512, ()))
            case Revert(ino=ino):
                self.live = self.live.apply(op)
                self.base = self.base.with_files({ino: File(self.live.nodes[ino].data)})
                own = {part for part in self.parts if part.kind != "entry" and part.ino == ino}
                self.durable -= own
                self.gone |= own
            case _:
                exists = not isinstance(op, Write | Truncate) or self._can_be_named(op.ino)
                new = split(op, position, self.profile, self.live)
                if isinstance(op, Write) and op.offset == _size(self.live, op.ino):
                    self.appends.append((position, op))
                self.live = self.live.apply(op)
                self.parts += new
                if not exists:
                    self.gone |= set(new)
                self._relate()

    def evictable(self, ino: int) -> dict[int, list[Part]]:
        """Sectors of `ino` whose pending data was dropped, all of it: clean in the cache, and not on the disk."""
        found: dict[int, list[Part]] = {}
        for part in self.pending():
            if part.kind == "data" and part.ino == ino:
                found.setdefault(part.start // 512, []).append(part)
        return {sector: parts for sector, parts in found.items() if all(part.dropped for part in parts)}

    def old_blocks(self, ino: int) -> list[tuple[int, bytes]]:
        """(offset, bytes) of the evictable sectors as the disk has them, under the sizes of the running system."""
        sectors = self.evictable(ino)
        absent = {part for parts in sectors.values() for part in parts}
        node = self._nodes((self.durable | set(self.pending())) - absent)[ino]
        assert isinstance(node, File)
        blocks = [(sector * 512, node.data[sector * 512 : sector * 512 + 512]) for sector in sorted(sectors)]
        return [(offset, block) for offset, block in blocks if block]

    def durable_content(self, ino: int) -> bytes:
        node = self._nodes(self.durable)[ino]
        assert isinstance(node, File)
        return node.data

    def _relate(self) -> None:
        for index, b in enumerate(self.parts):
            b.before = set()
            for a in self.parts[:index]:
                if not comes_first(a, b, self.profile, self.parts):
                    continue
                beside = b.kind == "data" and b.ino == a.ino and b.start // 512 == a.start // 512
                if a.dropped and not beside:
                    # Clean in the cache: only a later write of the same sector takes the old bytes along.
                    continue
                b.before |= {a} | a.before

    def _sync(self, ino: int, begun: int, data_only: bool) -> None:
        if not self.profile.sync_persists:
            return
        pending = [part for part in self.pending() if part.position < begun]
        if isinstance(self.live.nodes[ino], Folder):
            covered = {part for part in pending if any(edit[0] == ino for edit in part.edits)}
        else:
            covered = {part for part in pending if part.kind != "entry" and part.ino == ino and not part.dropped}
            grown = any(part.kind in {"size", "shrink"} for part in self.pending() if part.ino == ino)
            rule = self.profile.implied_dirent
            if rule == "always" or (rule != "no" and (not data_only or grown)):
                above = self._ancestors(ino)
                covered |= {
                    part for part in pending if any(edit[2] == ino for edit in part.edits) or part.new_folder in above
                }
        if self.profile.commit_together and any(part.kind != "data" for part in covered):
            covered |= {part for part in pending if part.kind in {"entry", "shrink"}}
        self._persist(covered)

    def _ancestors(self, ino: int) -> set[int]:
        found: set[int] = set()
        grew = True
        while grew:
            grew = False
            for folder, node in self.live.nodes.items():
                if isinstance(node, Folder) and folder not in found and set(node.entries.values()) & ({ino} | found):
                    found.add(folder)
                    grew = True
        return found

    def _persist(self, covered: set[Part]) -> None:
        if not self.profile.sync_persists:
            return
        for part in covered:
            if not part.dropped:
                self.durable |= ({part} | part.before) - self.gone
        for part in self.pending():
            if part.kind != "entry" and not self._can_be_named(part.ino):
                self.gone.add(part)

    def _can_be_named(self, ino: int) -> bool:
        """A durable entry, or one that may yet become durable, names the inode."""
        names = {
            child
            for folder in self._nodes(self.durable).values()
            if isinstance(folder, Folder)
            for child in folder.entries.values()
        }
        return ino in names or any(edit[2] == ino for part in self.pending() for edit in part.edits)

    def down_sets(self) -> list[frozenset[Part]]:
        """Every subset of what is pending that holds the predecessors of all its members."""
        pending = self.pending()
        bit_of = {part: 1 << index for index, part in enumerate(pending)}
        needs = [sum(bit_of.get(before, 0) for before in part.before) for part in pending]
        found = []
        for subset in range(1 << len(pending)):
            members = [index for index in range(len(pending)) if subset >> index & 1]
            if all(needs[index] & ~subset == 0 for index in members):
                found.append(frozenset(pending[index] for index in members))
        return found

    def byte_cuts(self) -> list[DiskImage]:
        """Appends that stopped between sector boundaries: on all that came before, and on what had to (section 3)."""
        pending = self.pending()
        found: list[DiskImage] = []
        for position, append in self.appends:
            own = [part for part in self.parts if part.position == position]
            if not own or any(part not in pending or part.dropped for part in own):
                continue
            earlier = frozenset(part for part in pending if part.position < position)
            had_to = frozenset(before for part in own for before in part.before if before in earlier)
            for length in range(1, len(append.data)):
                if (append.offset + length) % 512:
                    for base in {earlier, had_to}:
                        nodes = self._nodes(base | self.durable)
                        found.append(DiskImage(nodes).apply(Write(append.ino, append.offset, append.data[:length])))
        return found

    def image(self, chosen: frozenset[Part]) -> DiskImage:
        return DiskImage(self._nodes(chosen | self.durable))

    def _nodes(self, surviving: frozenset[Part] | set[Part]) -> dict[int, Node]:
        content: dict[int, tuple[bytearray, int]] = {}
        entries: dict[int, dict[str, int]] = {}
        nodes: dict[int, Node] = {}
        sizes = [part.start + len(part.data) for part in self.parts] + [part.size for part in self.parts]
        room = max([4_096, *sizes])
        for ino, node in self.live.nodes.items():
            durable = self.base.nodes.get(ino)
            if isinstance(node, File):
                data = durable.data if isinstance(durable, File) else b""
                content[ino] = (bytearray(data) + bytes(room - len(data)), len(data))
            elif isinstance(node, Folder):
                entries[ino] = dict(durable.entries) if isinstance(durable, Folder) else {}
            elif isinstance(node, SymbolicLink):
                nodes[ino] = node
        for part in self.parts:
            if part not in surviving:
                continue
            if part.kind == "entry":
                for directory, name, child in part.edits:
                    if child is None:
                        entries[directory].pop(name, None)
                    else:
                        entries[directory][name] = child
                continue
            bytes_, size = content[part.ino]
            if part.kind == "data":
                bytes_[part.start : part.start + len(part.data)] = part.data
            else:
                size = part.size
                if part.kind == "shrink":
                    bytes_[size:] = bytes(len(bytes_) - size)
            content[part.ino] = (bytes_, size)
        for ino, (bytes_, size) in content.items():
            nodes[ino] = File(bytes(bytes_[:size]))
        for ino, names in entries.items():
            nodes[ino] = Folder(names)
        return nodes
