"""Observable states: only those that recovery can tell apart, each once, and how many legal ones each stands for.

Recovery is deterministic: what it has not read cannot matter. So a pending unit is decided when a run first looks at what
it changes, and only there the states branch: a file that recovery never opens costs one state, not 2**12; one of which it
asks the size costs a state for each size; one whose first sectors it reads, a state for each content of those
(durability.md, section 5, "read sets").

Why that is exact. Call a run's questions its looks at the contents of files, in order; the names are the same in all disks
of one shape. Let a run on disk A ask q1, q2, … and let disk B have the shape of A and the same answers. By induction B's
run asks the same: its first question depends on nothing but the shape, clock, seed and ledger, which are equal; and if the
first n answers were equal, so is all that the run knows, hence the next question and what it writes. So it does the same
to the end, and its verdict is the same. (A last restart, on the disk that the first one left, is part of the run: what it
reads at an offset is what the run wrote there, or what A and B hold there.) The questions form a tree, and every legal
disk of a shape goes down one path of it; those that end at one leaf are one observable state. What comes out here is one
disk for each leaf: the walk splits what is legal by the answers that it may give (`sights`), which share nothing and leave
nothing out, and runs once where no run has been.

Not covered: a run that decides by the numbers of inodes, in which disks of one shape may differ.

A run that asks for more than it needs to know splits finer than necessary, which is exact as well; looks are rounded to
sectors, so it is what happens.

Beyond the bound a look is answered by representatives first (everything there, as little as may be, all sectors but one,
one only), then by random ones of the seed, each answer once; `exhaustive` turns False. Too many name trees to list are
sampled as `KillPoint.states` does it: prefixes, all but one, only one, one for each group of source lines.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from harness.disk import SECTOR
from harness.durability.looks import Look, Span, answer
from harness.durability.readings import Observed, Reading
from harness.durability.rows import Version
from harness.durability.scenes import Scene, file_at
from harness.durability.sights import Sight
from harness.durability.state import CrashState, State
from harness.durability.trees import CrashImage
from harness.durability.versions import FileVersions

if TYPE_CHECKING:
    from harness.durability.kill_point import KillPoint

Decided: TypeAlias = dict[int, Version | Sight]
"""Inode -> what was decided about its content."""

_Branch: TypeAlias = tuple[Decided, Reading]


class ObservableStates:
    """Iterate, run recovery on each image, and say what it read before asking for the next:

        for state, image in states:
            states.read(recover(image))

    `exhaustive`, after the end: every legal state was covered, modulo contents that recovery never read.
    """

    def __init__(self, point: "KillPoint", bound: int, observed: Observed | None = None) -> None:
        self._point: Final = point
        self._bound: Final = bound
        self._observed: Final = Observed() if observed is None else observed
        self._looks: tuple[int | Look, ...] | None = None
        self.yielded = 0
        self.exhaustive = True

    def read(self, looks: Iterable[int | Look]) -> None:
        """What the run on the last image looked at, in this order; the number of an inode is a look at all of it."""
        self._looks = looks if isinstance(looks, tuple) else tuple(looks)

    def __iter__(self) -> Iterator[State]:
        scenes = self._point.scenes()
        thinned = False
        if scenes is None:
            self.exhaustive = False
            states = self._point.states()
        else:
            for scene in scenes:
                yield from self._in_scene(scene)
            states = self._point.extra_states()
            thinned = self._point.thinned
        find, learn = self._observed.find, self._observed.learn
        for state, image in states:
            if find(image).known:
                continue
            self.exhaustive &= not thinned
            # As `_run`, without a generator for each of what may be a million byte cuts.
            if self.yielded >= self._bound:
                self.exhaustive = False
                return
            self.yielded += 1
            self._looks = None
            yield state, image
            learn(image, self._told())

    def stand_for(self) -> list[tuple[CrashState, int]]:
        """(a state, how many legal ones recovery cannot tell from it, itself among them) for each observable state.

        After the end of the iteration. Their sum is `KillPoint.legal`. ValueError where states were left out.
        """
        scenes = self._point.scenes()
        if not self.exhaustive or scenes is None:
            raise ValueError(f"{self.yielded} states were run and others left out: nobody knows what they stand for")
        names: dict[Reading, CrashState] = {}
        counts: dict[Reading, int] = {}
        for scene in scenes:
            for decided, leaf in self._leaves(scene):
                if leaf not in names:
                    names[leaf] = self._point.state_in(scene, decided)[0]
                counts[leaf] = counts.get(leaf, 0) + scene.ways(decided)
        for (state, image), count in self._point.counted_extras():
            leaf = self._observed.find(image)
            names.setdefault(leaf, state)
            counts[leaf] = counts.get(leaf, 0) + count
        return [(names[leaf], count) for leaf, count in counts.items()]

    def _run(self, state: CrashState, image: CrashImage) -> Iterator[State]:
        if self.yielded >= self._bound:
            self.exhaustive = False
            return
        self.yielded += 1
        self._looks = None
        yield state, image
        self._observed.learn(image, self._told())

    def _told(self) -> tuple[int | Look, ...]:
        if self._looks is None:
            raise RuntimeError("say what the run looked at, `read(looks)`, before taking the next state")
        return self._looks

    def _in_scene(self, scene: Scene) -> Iterator[State]:
        for decided, reading in self._leaves(scene):
            if not reading.known:
                before = self.yielded
                state, image = self._point.state_in(scene, decided)
                yield from self._run(state, image)
                if not reading.known and self.yielded > before:
                    raise RuntimeError(f"{state}: the disk answers a look otherwise than the walk that led to it")
                if not reading.known:
                    return  # the bound was reached

    def _leaves(self, scene: Scene) -> Iterator[_Branch]:
        """The ends of all known ways through this scene. An unknown one that is known when the reader comes back is
        followed further."""
        files = scene.tree.files
        root: Iterator[_Branch] = iter([({}, self._observed.root(scene.tree.shape))])
        stack = [root]  # iterators, so that of many versions only those in hand take memory
        while stack:
            branch = next(stack[-1], None)
            if branch is None:
                stack.pop()
                continue
            decided, reading = branch
            if not reading.known or reading.next is None:
                yield branch
            if reading.next is not None:
                ino, span = files[reading.next.file], reading.next.span
                stack.append(self._branches(scene, decided, reading, ino, span))

    def _branches(self, scene: Scene, decided: Decided, reading: Reading, ino: int, span: Span) -> Iterator[_Branch]:
        versions = scene.open.get(ino)
        if versions is None:
            yield decided, reading.answer(answer(file_at(scene.nodes, ino), span))
            return
        now = decided.get(ino)
        if isinstance(now, Version):
            yield decided, reading.answer(answer(now.file(), span))
            return
        if now is None and span.first == 0 and versions.largest() <= span.last * SECTOR:
            for version in self._whole(versions):
                yield {**decided, ino: version}, reading.answer(version.key)
            return
        sight = Sight.of(versions) if now is None else now
        complete, sights = sight.split(span, self._bound, self._point.chance())
        self.exhaustive &= complete
        for key, seen in sights:
            yield {**decided, ino: seen}, reading.answer(key)

    def _whole(self, versions: FileVersions) -> Iterable[Version]:
        if versions.at_most() <= self._bound:
            return versions.versions()
        self.exhaustive = False
        return versions.spread(self._bound, self._point.chance())
