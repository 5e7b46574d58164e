"""Kill-points: the legal states of one death, counted, listed each once, or sampled."""

import itertools
import random
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from harness.disk import DiskImage, Node
from harness.durability.counting import bits_of, count_down_sets
from harness.durability.cuts import ByteCuts
from harness.durability.observable import ObservableStates
from harness.durability.pending import Pending
from harness.durability.readings import Observed
from harness.durability.rows import Version
from harness.durability.scenes import Scene, Scenes, distinct_in, file_at
from harness.durability.sights import Sight
from harness.durability.state import CrashState, State
from harness.durability.tears import cut_bases, cut_lengths, page_prefixes
from harness.durability.trees import CrashImage, StateKey, state_key
from harness.durability.units import UnitId
from harness.durability.versions import version_of
from harness.trace import Item

if TYPE_CHECKING:
    from harness.durability.crash_states import CrashStates


class KillPoint:
    """The legal states of one death. Valid until the walk is fed its next operation."""

    def __init__(self, walk: "CrashStates", inside: Item | None) -> None:
        self.position: Final = walk.position
        self._walk: Final = walk
        self._inside: Final = inside
        self._version: Final = walk.disk.version
        self._factors: Final = Scenes(walk.disk, walk.tree_of, walk.bound)
        self._cuts: list[tuple[CrashState, ByteCuts]] | None = None
        self._legal: int | None = None
        self._distinct: tuple[int, bool] | None = None

    # -- numbers -------------------------------------------------------------------------------------------------

    @property
    def legal(self) -> int:
        """The exact number of legal states: down-sets of the pending units, and byte cuts."""
        if self._legal is None:
            self._demand_current()
            if self._on_page_cache or self._inside is not None:
                self._legal = len(self._page_states())
            else:
                disk = self._walk.disk
                down = {bit: unit.down & disk.pending for bit, unit in disk.units.items()}
                cuts = sum(len(cut_lengths(append)) * len(cut_bases(disk, append)) for append in disk.appends)
                self._legal = count_down_sets(down) + cuts
        return self._legal

    @property
    def legal_exact(self) -> bool:
        return True

    @property
    def distinct(self) -> int:
        """The number of different images, counted without listing them; see `distinct_exact`."""
        return self._count_distinct()[0]

    @property
    def distinct_exact(self) -> bool:
        """False: `distinct` is an upper bound, or, with too many name trees to list, the number of legal states."""
        return self._count_distinct()[1]

    @property
    def exhaustive(self) -> bool:
        """Whether `states` yields every different image; False when the bound cuts it."""
        return not self.thinned and self.distinct <= self._walk.bound and self.scenes() is not None

    # -- states --------------------------------------------------------------------------------------------------

    def states(self) -> Iterator[State]:
        """Every different image once, the plainest first: all survived, only what had to, all but one, only one, …"""
        seen: set[StateKey] = set()
        limit = min(self._walk.bound, self.distinct) if self.distinct_exact else self._walk.bound
        for state in self._candidates():
            key = state[1].state_key
            if key not in seen:
                seen.add(key)
                yield state
                if len(seen) >= limit:
                    return

    def observable(self, observed: Observed | None = None) -> ObservableStates:
        """The states that recovery can tell apart; see there. `observed`: what earlier runs already told."""
        return ObservableStates(self, self._walk.bound, observed)

    def extra_states(self) -> Iterator[State]:
        """The states that are in no scene: writes that stopped inside, and what a killed process leaves."""
        self._demand_current()
        return iter(self._page_states()) if self._on_page_cache or self._inside is not None else self.cuts()

    def counted_extras(self) -> Iterator[tuple[State, int]]:
        """`extra_states`, each with the number of legal states that it stands for: those whose file has no name differ in
        nothing."""
        self._demand_current()
        if self._on_page_cache or self._inside is not None:
            yield from ((state, 1) for state in self._page_states())
            return
        for named, cuts in self._byte_cuts():
            for length in cuts.lengths:
                alike = 1 if len(cuts.lengths) > 1 else len(cut_lengths(cuts.append))
                yield (self._name(named.missing, (cuts.append.position, length)), cuts.image(length)), alike

    def state_in(self, scene: Scene, decided: Mapping[int, Version | Sight]) -> State:
        """The state of `scene` with these contents of files, and of all that is open the one that lost least."""
        key = [scene.tree.shape]
        nodes = dict(scene.nodes)
        missing = scene.missing
        for ino in scene.tree.files:
            versions = scene.open.get(ino)
            if versions is not None:
                found = decided.get(ino)
                version = versions.first() if found is None else found.version() if isinstance(found, Sight) else found
                nodes[ino] = version.file()
                missing += version.missing
                key.append(version.key)
            else:
                key.append(file_at(nodes, ino).key)
        return self._name(missing), CrashImage(nodes, tuple(key), scene.tree.files, scene.tree.places)

    def key_of(self, image: DiskImage) -> StateKey:
        """Equal for two images, of any kill-points, exactly when their `identity` is."""
        return state_key(image)

    def _candidates(self) -> Iterator[State]:
        self._demand_current()
        if self._on_page_cache or self._inside is not None:
            yield from self._page_states()
            return
        disk = self._walk.disk
        if not disk.pending:
            yield self.state_with(0)
            return
        exhaustive = self.exhaustive
        masks = _plainest(disk) if exhaustive and self.distinct < len(disk.units) else self._plain_masks()
        for mask in dict.fromkeys(masks):
            yield self.state_with(mask)
        yield from self.cuts()
        if exhaustive:
            for scene in self.scenes() or ():
                yield from self._states_in(scene)
        else:
            yield from self._samples()

    def state_with(self, survived: int) -> State:
        """The state in which exactly the pending units of the down-set `survived` are."""
        disk = self._walk.disk
        tree = self._walk.tree_of(survived)
        nodes: dict[int, Node] = {**disk.nodes, **tree.folders}
        key = [tree.shape]
        for ino in tree.files:
            history = disk.histories.get(ino)
            if history is not None:
                nodes[ino] = version_of(history, disk.pending, survived).file()
            key.append(file_at(nodes, ino).key)
        missing = tuple([unit.id for bit, unit in disk.units.items() if not bit & survived])
        return self._name(missing), CrashImage(nodes, tuple(key), tree.files, tree.places)

    def _plain_masks(self) -> Iterator[int]:
        disk = self._walk.disk
        pending = disk.pending
        units = list(disk.units.values())
        yield from _plainest(disk)
        for left_out in reversed(units):
            yield sum(unit.bit for unit in units if not unit.down & left_out.bit)
        for only in units:
            yield only.down & pending
        if self.exhaustive:
            return
        prefix = 0
        for unit in units:
            prefix |= unit.bit
            yield prefix
        for group in self._groups():
            yield sum(unit.bit for unit in units if not unit.down & group)
            closed = 0
            for bit in bits_of(group):
                closed |= disk.units[bit].down & pending
            yield closed

    def _groups(self) -> list[int]:
        """The pending units of one source line, or, where no sources are known, of one operation."""
        groups: dict[str, int] = {}
        for bit, unit in self._walk.disk.units.items():
            name = self._walk.sources.get(unit.id.operation, f"#{unit.id.operation}")
            groups[name] = groups.get(name, 0) | bit
        return list(groups.values())

    def _samples(self) -> Iterator[State]:
        """Random states: the reader stops. Ends by itself where nothing new comes any more."""
        chance = self.chance()
        scenes = self.scenes()
        seen: set[StateKey] = set()
        repeats = 0
        while repeats < 1_000:
            if scenes is None:
                state = self.state_with(self._random_down_set(chance))
            else:
                scene = chance.choice(scenes)
                versions = {ino: found.sample(chance) for ino, found in scene.open.items()}
                state = self.state_in(scene, versions)
            repeats = repeats + 1 if state[1].state_key in seen else 0
            seen.add(state[1].state_key)
            yield state

    def chance(self) -> random.Random:
        """The randomness of samples at this kill-point: the same each time it is asked for."""
        return random.Random(f"{self._walk.seed}:{self.position}")

    def _random_down_set(self, chance: random.Random) -> int:
        disk = self._walk.disk
        share = chance.random()
        chosen = 0
        for unit in disk.units.values():
            if chance.random() < share:
                chosen |= unit.down
        return chosen & disk.pending

    def _states_in(self, scene: Scene) -> Iterator[State]:
        tree, files = scene.tree, scene.open
        where = {ino: index + 1 for index, ino in enumerate(tree.files)}
        fixed = [tree.shape, *(0 if ino in files else file_at(scene.nodes, ino).key for ino in tree.files)]
        inodes = [(ino, where[ino]) for ino in files]
        for versions in itertools.product(*(files[ino].versions() for ino in files)):
            missing = scene.missing
            nodes = dict(scene.nodes)
            for (ino, index), version in zip(inodes, versions, strict=True):
                fixed[index] = version.key
                nodes[ino] = version.file()
                missing += version.missing
            yield self._name(missing), CrashImage(nodes, tuple(fixed), tree.files, tree.places)

    def _name(self, missing: tuple[UnitId, ...], cut: tuple[int, int] | None = None) -> CrashState:
        return CrashState(self._walk.profile.name, self.position, missing, cut)

    # -- writes that stopped inside ------------------------------------------------------------------------------

    def scenes(self) -> list[Scene] | None:
        """All legal sets of the spine, the fullest first; None where there are more than the bound."""
        self._demand_current()
        return [] if self._on_page_cache or self._inside is not None else self._factors.scenes()

    def _count_distinct(self) -> tuple[int, bool]:
        if self._distinct is None:
            self._demand_current()
            self._distinct = self._distinct_now()
        return self._distinct

    def _distinct_now(self) -> tuple[int, bool]:
        if self._on_page_cache or self._inside is not None:
            return len(self._page_states()), True
        scenes = self.scenes()
        if scenes is None:
            return self.legal, False
        total, exact = distinct_in(scenes, self._walk.bound)
        if self.thinned:
            return total + sum(len(cuts.lengths) for _, cuts in self._byte_cuts()), False
        return total + self._cuts_in_no_scene(scenes), exact

    def _cuts_in_no_scene(self, scenes: list[Scene]) -> int:
        """How many different images the byte cuts add to those of the scenes."""
        shapes: dict[int, list[Scene]] = {}
        for scene in scenes:
            shapes.setdefault(scene.tree.shape, []).append(scene)
        known: set[StateKey] = set()
        added = 0
        for _, cuts in self._byte_cuts():
            ino, offset = cuts.append.ino, cuts.append.offset
            sizes = {size for scene in scenes if ino in scene.open for size in scene.open[ino].sizes()}
            for length, key in zip(cuts.lengths, cuts.keys(), strict=True):
                if key in known:
                    continue
                known.add(key)
                # Only a file whose size may be found without a cut needs a closer look.
                may_be = offset + length in sizes or len(cuts.lengths) == 1
                image = cuts.image(length) if may_be else None
                added += image is None or not any(scene.holds(image) for scene in shapes.get(key[0], ()))
        return added

    def cuts(self) -> Iterator[State]:
        """Byte cuts (`cuts.py`); of more than the bound, those near the ends of each append and some between."""
        groups = self._byte_cuts()
        most = self._walk.bound // max(1, len(groups)) if self.thinned else self._walk.bound
        for named, whole in groups:
            cuts = whole.thinned(most)
            for length, image in cuts.images():
                yield self._name(named.missing, (cuts.append.position, length)), image

    def holds_cut(self, image: CrashImage) -> bool:
        """Is `image` a byte cut, one of those that `cuts` leaves out included?"""
        return any(cuts.holds(image) for _, cuts in self._byte_cuts())

    @property
    def thinned(self) -> bool:
        """Whether there are more byte cuts than the bound, so that `cuts` leaves some out."""
        return sum(len(cuts.lengths) for _, cuts in self._byte_cuts()) > self._walk.bound

    def _byte_cuts(self) -> list[tuple[CrashState, ByteCuts]]:
        if self._cuts is None:
            self._demand_current()
            self._cuts = []
            for append in self._walk.disk.appends:
                lengths = cut_lengths(append)
                for base in cut_bases(self._walk.disk, append) if lengths else ():
                    named, image = self.state_with(base)
                    self._cuts.append((named, ByteCuts(append, self._walk.tree_of(base), image, lengths)))
        return self._cuts

    @property
    def _on_page_cache(self) -> bool:
        return self._walk.profile.medium == "page-cache"

    def _page_states(self) -> list[State]:
        if not self._on_page_cache:
            return []
        live = DiskImage(dict(self._walk.disk.live))
        if self._inside is None:
            return [(self._name(()), CrashImage.of(live))]
        states: list[State] = []
        for prefix in page_prefixes(self._inside):
            image = live.apply(prefix)
            states.append((self._name((), (self.position, len(prefix.data))), CrashImage.of(image)))
        return states

    def _demand_current(self) -> None:
        if self._version != self._walk.disk.version:
            raise RuntimeError(
                f"kill-point {self.position} was asked after its walk went on to {self._walk.position}: "
                "read its states before feeding the next operation"
            )


def _plainest(disk: Pending) -> tuple[int, int]:
    """Everything survived; only what had to."""
    return disk.pending, 0
