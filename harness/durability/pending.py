"""Pending: what has not reached the disk for certain, as a trace is walked.

Holds the durable tree, the pending units with their order, and each file's history; knows what a sync takes along
(durability.md, section 1 and rules 8 and 9; Pillai et al., OSDI'14; kernel measurements named in `profiles`) and what a
failed one leaves behind (section 4; Rebello et al., ATC'20, table 1). What was read of the disk after a failure is known
to be there: bytes that the cache dropped and the reader did not find survive no crash.

An inode whose last name is durably gone, and that no pending unit names again, does not exist after any crash: its
units leave the model. Not modelled: a further link to such an inode through an open descriptor.
"""

from typing import Final

import msgspec

from harness.disk import SECTOR, DiskImage, File, Folder, Node, SymbolicLink, apply_to
from harness.durability.contents import FileHistory
from harness.durability.order import Order
from harness.durability.profiles import Profile
from harness.durability.units import DataUnit, EntryUnit, SizeUnit, Unit, units_of
from harness.durability.versions import version_of
from harness.trace import (
    Create,
    Evict,
    FailedSync,
    Fdatasync,
    Fsync,
    Item,
    Mark,
    Mkdir,
    Rename,
    Revert,
    Symlink,
    SyncAll,
    Truncate,
    Write,
)

_SHIFT_FROM: Final = 256
"""Masks are made shorter when so many of their lowest bits are durable."""


class UnmodelledPolicy(ValueError):
    """A sync failed in a way that this profile's file system does not show; the message names both policies."""


class Append(msgspec.Struct, frozen=True):
    """A pending write that started at the end of its file: where a byte cut may fall.

    `units`: its bits; `after`: the file as it was right after the write.
    """

    position: int
    ino: int
    offset: int
    length: int
    units: int
    after: File


class Pending:
    """The disk while it runs: feed it the items of a trace in order.

    `pending`: mask of the units that may or may not have survived; `spine`: those of them that tie files and names to
    each other, so that the contents of two files are independent once the spine is decided. `given_up`: units that
    a failed sync kept off the disk for good.
    """

    def __init__(self, base: DiskImage, profile: Profile) -> None:
        self.profile: Final = profile
        self.live: dict[int, Node] = dict(base.nodes)
        self.nodes: dict[int, Node] = dict(base.nodes)
        self.pending = 0
        self.spine = 0
        self.units: dict[int, Unit] = {}
        self.histories: dict[int, FileHistory] = {}
        self.appends: list[Append] = []
        self.given_up: list[DataUnit | SizeUnit] = []
        self.version = 0
        self.tree_version = 0
        self._order = Order(profile)
        self._next_bit = 1
        self._dropped = 0
        self._entries: dict[int, EntryUnit] = {}
        self._links: dict[int, int] = {}
        for node in base.nodes.values():
            if isinstance(node, Folder):
                for ino in node.entries.values():
                    self._links[ino] = self._links.get(ino, 0) + 1
        self.couples: Final = profile.safe_rename or profile.commit_together or profile.append != "free"
        """Whether what survived of the spine decides anything about the contents of files."""

    def feed(self, position: int, item: Item) -> None:
        """The item at trace `position` happened."""
        if item.__class__ is Mark:
            return
        self.version += 1
        if self.profile.medium == "page-cache":
            apply_to(self.live, item)
            return
        match item:
            case Fsync(ino=ino, begun=begun):
                self._sync(ino, position if begun is None else begun, data_only=False)
            case Fdatasync(ino=ino, begun=begun):
                self._sync(ino, position if begun is None else begun, data_only=True)
            case SyncAll(begun=begun):
                limit = position if begun is None else begun
                self._make_durable([unit for unit in self.units.values() if unit.id.operation < limit])
            case FailedSync():
                self._sync_failed(item)
            case Evict():
                self._evict(item)
            case Revert():
                self._revert(item)
            case _:
                self._change(position, item)

    # -- changes -------------------------------------------------------------------------------------------------

    def _change(self, position: int, item: Item) -> None:
        size = 0
        before: Node | None = None
        of_folder = False
        match item:
            case Write(ino=ino) | Truncate(ino=ino):
                before = self.live[ino]
                assert isinstance(before, File)
                size = before.size
            case Rename(ino=ino, replaced=replaced, exchanged=exchanged):
                of_folder = isinstance(self.live[ino], Folder)
                if exchanged and replaced is not None:
                    of_folder = of_folder or isinstance(self.live[replaced], Folder)
            case Create(ino=ino):
                self.nodes[ino] = File(b"")
            case Mkdir(ino=ino):
                self.nodes[ino] = Folder()
            case Symlink(ino=ino, target=target):
                self.nodes[ino] = SymbolicLink(target)
        apply_to(self.live, item)
        if before is not None and ino not in self.nodes:
            return  # written through a descriptor, its names durably gone
        units = units_of(item, position, self.profile, size, of_folder)
        if not units:
            return
        if isinstance(item, Write | Truncate):
            self._admit_content(item, units, size)
        else:
            for unit in units:
                self._admit(unit, None)

    def _admit_content(self, item: Write | Truncate, units: list[Unit], size: int) -> None:
        history = self.histories.get(item.ino)
        if history is None:
            base = self.nodes[item.ino]
            assert isinstance(base, File)
            history = self.histories[item.ino] = FileHistory(base)
        mask = 0
        for unit in units:
            self._admit(unit, history)
            mask |= unit.bit
        live = self.live[item.ino]
        assert isinstance(live, File)
        history.live = live
        if isinstance(item, Truncate) and item.size < size:
            history.appended = False
        elif isinstance(item, Write):
            if item.offset < size:
                history.appended = False
            elif item.offset == size and self.profile.tear == "byte" and len(item.data) > 1:
                self.appends.append(Append(units[0].id.operation, item.ino, item.offset, len(item.data), mask, live))

    def _admit(self, unit: Unit, history: FileHistory | None) -> None:
        unit.bit = self._next_bit
        self._next_bit <<= 1
        self._order.admit(unit, history.sectors if history is not None else {})
        self.units[unit.bit] = unit
        self.pending |= unit.bit
        profile = self.profile
        in_spine = profile.append == "total"
        match unit:
            case DataUnit(sector=sector):
                assert history is not None
                history.sectors.setdefault(sector, []).append(unit)
            case SizeUnit():
                assert history is not None
                history.sizes.append(unit)
                in_spine |= profile.commit_together if unit.shrinks else profile.append == "ordered"
            case EntryUnit():
                self._entries[unit.bit] = unit
                in_spine = True
        if in_spine:
            self.spine |= unit.bit

    # -- syncs ---------------------------------------------------------------------------------------------------

    def _sync(self, ino: int, begun: int, *, data_only: bool) -> None:
        if not self.profile.sync_persists or not self.pending:
            return
        covered: list[Unit] = []
        if isinstance(self.live.get(ino), Folder):
            covered += [unit for unit in self._entries.values() if any(edit[0] == ino for edit in unit.edits)]
        else:
            history = self.histories.get(ino)
            if history is not None:
                covered += [unit for unit in history.units() if unit.bit & self.pending & ~self._dropped]
            covered += self._implied_entries(ino, covered, data_only=data_only)
        covered = [unit for unit in covered if unit.id.operation < begun]
        if self.profile.commit_together and any(not isinstance(unit, DataUnit) for unit in covered):
            covered += [unit for unit in self.units.values() if unit.id.operation < begun and _in_journal(unit)]
        self._make_durable(covered)

    def _implied_entries(self, ino: int, covered: list[Unit], *, data_only: bool) -> list[EntryUnit]:
        """Rule 8: the units that name the file, and those that made its new ancestors; not their later renames."""
        rule = self.profile.implied_dirent
        if rule == "no" or not self._entries:
            return []
        if rule != "always" and data_only and not any(isinstance(unit, SizeUnit) for unit in covered):
            return []
        made = {unit.edits[0][2]: unit for unit in self._entries.values() if unit.makes_folder}
        naming = [unit for unit in self._entries.values() if any(edit[2] == ino for edit in unit.edits)]
        if made:
            for folder in self._ancestors(ino):
                if folder in made:
                    naming.append(made[folder])
        return naming

    def _ancestors(self, ino: int) -> set[int]:
        """The folders above `ino` in the running system."""
        parents: dict[int, list[int]] = {}
        for folder, node in self.live.items():
            if isinstance(node, Folder):
                for child in node.entries.values():
                    parents.setdefault(child, []).append(folder)
        found: set[int] = set()
        frontier = [ino]
        while frontier:
            for parent in parents.get(frontier.pop(), ()):
                if parent not in found:
                    found.add(parent)
                    frontier.append(parent)
        return found

    def _make_durable(self, covered: list[Unit]) -> None:
        if not self.profile.sync_persists:
            return
        durable = 0
        for unit in covered:
            if not unit.bit & self._dropped:
                durable |= unit.down
        durable &= self.pending
        if not durable:
            return
        self.pending &= ~durable
        touched: set[int] = set()
        edits: list[EntryUnit] = []
        for bit in [bit for bit in self.units if bit & durable]:
            unit = self.units.pop(bit)
            if isinstance(unit, EntryUnit):
                del self._entries[bit]
                edits.append(unit)
            else:
                touched.add(unit.ino)
        for ino in touched:
            self._settle_file(ino)
        if edits:
            self._settle_names(edits)
        self._forget_durable()

    def _settle_file(self, ino: int) -> None:
        history = self.histories[ino]
        if not any(unit.bit & self.pending for unit in history.units()):
            self.nodes[ino] = history.live
            del self.histories[ino]
        elif history.sizes and not any(unit.bit & self.pending for unit in history.sizes):
            history.fold(version_of(history, self.pending, 0).file(), self.pending)
            self.nodes[ino] = history.base

    def _settle_names(self, units: list[EntryUnit]) -> None:
        self.tree_version += 1
        changed: dict[int, Folder] = {}
        unnamed: set[int] = set()
        for unit in units:
            for directory, name, ino in unit.edits:
                folder = changed.get(directory)
                if folder is None:
                    node = self.nodes[directory]
                    assert isinstance(node, Folder)
                    folder = changed[directory] = Folder(dict(node.entries))
                before = folder.entries.pop(name, None)
                if before is not None:
                    self._links[before] -= 1
                    unnamed.add(before)
                if ino is not None:
                    folder.entries[name] = ino
                    self._links[ino] = self._links.get(ino, 0) + 1
        self.nodes.update(changed)
        unnamed = {ino for ino in unnamed if self._links[ino] == 0 and isinstance(self.nodes[ino], File)}
        if unnamed:
            unnamed -= {edit[2] for unit in self._entries.values() for edit in unit.edits if edit[2] is not None}
            for ino in unnamed:
                self._forget_file(ino)

    def _forget_file(self, ino: int) -> None:
        del self.nodes[ino]
        del self._links[ino]
        history = self.histories.pop(ino, None)
        self.given_up = [unit for unit in self.given_up if unit.ino != ino]
        if history is not None:
            for unit in history.units():
                self.units.pop(unit.bit, None)
                self.pending &= ~unit.bit

    def _forget_durable(self) -> None:
        self.spine &= self.pending
        self._dropped &= self.pending
        self.appends = [append for append in self.appends if append.units & ~self.pending == 0]
        if not self.pending:
            self._order.forget()
            self._next_bit = 1
            return
        low = (self.pending & -self.pending).bit_length() - 1
        if low >= _SHIFT_FROM:
            self._shift(low)

    def _shift(self, bits: int) -> None:
        self._order.shift(bits)
        self.pending >>= bits
        self.spine >>= bits
        self._dropped >>= bits
        self._next_bit >>= bits
        for history in self.histories.values():
            for kept in history.units():
                if not kept.bit >> bits & self.pending:
                    kept.bit, kept.down = 0, kept.down >> bits
        for unit in self.units.values():
            unit.bit >>= bits
            unit.down >>= bits
        self.units = {unit.bit: unit for unit in self.units.values()}
        self._entries = {unit.bit: unit for unit in self._entries.values()}
        self.appends = [
            Append(one.position, one.ino, one.offset, one.length, one.units >> bits, one.after) for one in self.appends
        ]

    # -- syncs that fail -----------------------------------------------------------------------------------------

    def _sync_failed(self, item: FailedSync) -> None:
        if item.cache not in (self.profile.failed_sync, "untouched"):
            raise UnmodelledPolicy(
                f"profile {self.profile.name!r}: the run has a failed sync that leaves {item.cache!r}, here it would "
                f"leave {self.profile.failed_sync!r}; give the fault cache={self.profile.failed_sync!r}, or choose "
                "another profile"
            )
        if item.cache in ("drop-clean", "late-report"):
            self._drop(item.ino)

    def _drop(self, ino: int) -> None:
        """The pending data of `ino` is clean in the cache and never written again."""
        history = self.histories.get(ino)
        if history is None:
            return
        dropped = 0
        beside: dict[int, int] = {}
        for sector, chain in history.sectors.items():
            beside[sector] = sum(data.bit for data in chain) & self.pending
            dropped |= beside[sector]
        if not dropped:
            return
        self._dropped |= dropped
        self._order.let_go(dropped)
        for unit in self.units.values():
            kept = beside[unit.sector] if isinstance(unit, DataUnit) and unit.ino == ino else 0
            unit.down &= ~dropped | kept
        self.appends = [append for append in self.appends if not append.units & dropped]

    def _evict(self, item: Evict) -> None:
        """Dropped data was looked for on the disk and is not there."""
        apply_to(self.live, item)
        history = self.histories.get(item.ino)
        if history is None:
            return
        gone = 0
        for offset, _ in item.pieces:
            sector = offset // SECTOR
            absent = sum(unit.bit for unit in history.sectors.get(sector, ())) & self.pending
            if absent and not absent & ~self._dropped:
                gone |= absent
                history.leave(sector, absent)
        live = self.live[item.ino]
        assert isinstance(live, File)
        history.live, history.appended = live, False
        self._give_up(gone)
        self._settle_file(item.ino)
        self._forget_durable()

    def _revert(self, item: Revert) -> None:
        """The file is what was durable of it, and nothing of it is pending."""
        apply_to(self.live, item)
        history = self.histories.pop(item.ino, None)
        if item.ino not in self.nodes:
            return
        self.nodes[item.ino] = self.live[item.ino]
        if history is not None:
            self._give_up(sum(unit.bit for unit in history.units()) & self.pending)
        self._forget_durable()

    def _give_up(self, gone: int) -> None:
        """These units of files survive no crash; what had to come after them need not wait."""
        self.pending &= ~gone
        for bit in [bit for bit in self.units if bit & gone]:
            unit = self.units.pop(bit)
            assert not isinstance(unit, EntryUnit)
            self.given_up.append(unit)


def _in_journal(unit: Unit) -> bool:
    return isinstance(unit, EntryUnit) or (isinstance(unit, SizeUnit) and unit.shrinks)
