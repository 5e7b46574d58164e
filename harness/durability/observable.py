"""Observable states: only those that recovery can tell apart.

Recovery is deterministic: what it has not read cannot matter. So the contents of a file are decided when a run first
looked at it, and only there the states branch; a temporary file that recovery never opens costs one state, not 2**12
(durability.md, section 5, "read sets").
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from harness.durability.rows import Version
from harness.durability.scenes import Scene
from harness.durability.state import CrashState, State
from harness.durability.trees import CrashImage

if TYPE_CHECKING:
    from harness.durability.crash_states import KillPoint


class _Read:
    """What runs did after the same reads with the same answers: which file they looked at next, by what it held."""

    __slots__ = ("answers", "known", "next")

    def __init__(self) -> None:
        self.known = False
        self.next: int | None = None
        self.answers: dict[int, _Read] = {}

    def answer(self, key: int) -> "_Read":
        found = self.answers.get(key)
        if found is None:
            found = self.answers[key] = _Read()
        return found


class Observed:
    """Reads of earlier runs, by the shape of the tree. Share one between kill-points where nothing else differs
    (same ledger, same clock): what was observed at the first is not yielded at the second."""

    __slots__ = ("shapes",)

    def __init__(self) -> None:
        self.shapes: dict[int, _Read] = {}

    def root(self, shape: int) -> _Read:
        found = self.shapes.get(shape)
        if found is None:
            found = self.shapes[shape] = _Read()
        return found


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
        self._reads: list[int] | None = None
        self._image: CrashImage | None = None
        self.yielded = 0
        self.exhaustive = True

    def read(self, inodes: Iterable[int]) -> None:
        """The run on the last image looked at the contents or sizes of these inodes, in this order."""
        self._reads = list(inodes)

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
        for state, image in states:
            if self._unseen(image):
                self.exhaustive &= not thinned
                yield from self._run(state, image)

    def _run(self, state: CrashState, image: CrashImage) -> Iterator[State]:
        if self.yielded >= self._bound:
            self.exhaustive = False
            return
        self.yielded += 1
        self._reads = None
        yield state, image
        if self._reads is None:
            raise RuntimeError("say what the run looked at, `read(inodes)`, before taking the next state")
        self._learn(image, self._reads)

    def _learn(self, image: CrashImage, reads: Iterable[int]) -> None:
        index_of = {ino: index for index, ino in enumerate(image.files)}
        node = self._observed.root(image.state_key[0])
        for ino in dict.fromkeys(reads):
            index = index_of.get(ino)
            if index is None:
                continue  # made by recovery itself, or a folder: part of the shape
            node.known, node.next = True, index
            node = node.answer(image.state_key[index + 1])
        node.known = True

    def _unseen(self, image: CrashImage) -> bool:
        node = self._observed.root(image.state_key[0])
        while node.known:
            if node.next is None:
                return False
            node = node.answer(image.state_key[node.next + 1])
        return True

    def _in_scene(self, scene: Scene) -> Iterator[State]:
        files = scene.tree.files
        root: Iterator[_Branch] = iter([({}, self._observed.root(scene.tree.shape))])
        stack = [root]  # iterators, so that of many versions only those in hand take memory
        while stack:
            branch = next(stack[-1], None)
            if branch is None:
                stack.pop()
                continue
            decided, node = branch
            if not node.known:
                yield from self._run(*self._point.state_in(scene, decided))
                if not node.known:
                    return  # the bound was reached
            if node.next is None:
                continue
            ino = files[node.next]
            versions = scene.open.get(ino)
            if versions is None:
                stack.append(iter([(decided, node.answer(scene.key_at(ino)))]))
            elif ino in decided:
                stack.append(iter([(decided, node.answer(decided[ino].key))]))
            else:
                stack.append(self._branches(decided, node, ino, self._choices(scene, ino)))

    def _branches(
        self, decided: dict[int, Version], node: _Read, ino: int, choices: Iterable[Version]
    ) -> "Iterator[_Branch]":
        for choice in choices:
            yield {**decided, ino: choice}, node.answer(choice.key)

    def _choices(self, scene: Scene, ino: int) -> Iterable[Version]:
        versions = scene.open[ino]
        if versions.at_most() <= self._bound:
            return versions.versions()
        self.exhaustive = False
        return versions.spread(self._bound, self._point.chance())


_Branch = tuple[dict[int, Version], _Read]
