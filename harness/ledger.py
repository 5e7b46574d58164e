"""The ledger: what the outside world knows, a fold over the marks of a history.

The three-state rule (DESIGN, section 4, rule 5). For each event id the world has

- *acknowledged* it: it must be found, exactly once. lost = acknowledged - found;
- *attempted* it without an acknowledgement: it may be found or not; after a redelivery that succeeds, exactly once;
- never attempted it: it must not be found. unexpected = found - attempted.

A refusal alone decides nothing: "503, try again" and a broken connection say that the event is not acknowledged, no
more. Only a refusal that the world took as final (`detail` has `final: true`: "it did not happen", and no retry comes)
forbids that the event is found (`finally_refused`).

Not modelled: when a mark happened (the trace knows), and what it means for one program (the contract knows).
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec
import xxhash

from harness.trace import Mark

_ANSWERS: Final = ("attempted", "acknowledged", "refused")
_LISTS: Final = ("effect", "printed", "told", "observed", "world")


class Seen(msgspec.Struct, frozen=True, gc=False):
    """How often marks of one kind named an event, and the first and last of these marks (counted from 0)."""

    count: int
    first: int
    last: int


class _Fold:
    """The ledger's contents, worked out."""

    __slots__ = ("answers", "deaths", "lists", "restarts", "standing")

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, Seen]] = {kind: {} for kind in _ANSWERS}
        self.lists: dict[str, tuple[Mark, ...]] = dict.fromkeys(_LISTS, ())
        self.standing: dict[str, Mark] = {}
        self.deaths: tuple[int, ...] = ()
        self.restarts: tuple[int, ...] = ()

    def after(self, marks: Iterable[Mark], position: int) -> "_Fold":
        """This fold and further marks, of which the first is number `position`."""
        fold = _Fold()
        fold.answers = {kind: dict(seen) for kind, seen in self.answers.items()}
        fold.standing = dict(self.standing)
        fold.deaths, fold.restarts = self.deaths, self.restarts
        lists: dict[str, list[Mark]] = {kind: [] for kind in _LISTS}
        for at, mark in enumerate(marks, position):
            if mark.kind in fold.answers:
                seen = fold.answers[mark.kind]
                old = seen.get(mark.event)
                seen[mark.event] = Seen(1, at, at) if old is None else Seen(old.count + 1, old.first, at)
                fold.standing[mark.event] = mark
            elif mark.kind in lists:
                lists[mark.kind].append(mark)
            elif mark.kind == "died":
                fold.deaths += (at,)
            elif mark.kind == "restarted":
                fold.restarts += (at,)
        fold.lists = {kind: self.lists[kind] + tuple(new) for kind, new in lists.items()}
        return fold


_encode: Final[Callable[[Mark], bytes]] = msgspec.json.Encoder(order="deterministic").encode
_NOTHING: Final = _Fold()


class Ledger:
    """What is known after a sequence of marks; immutable. `then` costs O(1): contents are worked out when first asked.

    `key` (16 bytes) identifies the sequence of marks: ledgers with equal keys judge alike, so that a (disk, ledger)
    pair is judged once. Ledgers compare and hash by it.
    """

    __slots__ = ("_fold", "_mark", "_older", "key", "size")

    def __init__(self) -> None:
        self._older: Ledger | None = None
        self._mark: Mark | None = None
        self._fold: _Fold | None = _NOTHING
        self.size = 0
        self.key = b""

    @classmethod
    def of(cls, marks: Iterable[Mark]) -> "Ledger":
        ledger = cls()
        for mark in marks:
            ledger = ledger.then(mark)
        return ledger

    def then(self, mark: Mark) -> "Ledger":
        """The ledger after one more mark."""
        ledger = Ledger.__new__(Ledger)
        ledger._older = self
        ledger._mark = mark
        ledger._fold = None
        ledger.size = self.size + 1
        ledger.key = xxhash.xxh3_128_digest(self.key + _encode(mark))
        return ledger

    @property
    def marks(self) -> tuple[Mark, ...]:
        """All of them, in order."""
        return tuple(_since(self, lambda ledger: ledger._older is None)[1])

    @property
    def attempted(self) -> Mapping[str, Seen]:
        """Events handed to the subject, in order of the first attempt."""
        return MappingProxyType(self._worked_out().answers["attempted"])

    @property
    def acknowledged(self) -> Mapping[str, Seen]:
        """Events the subject took over, in order of the first acknowledgement."""
        return MappingProxyType(self._worked_out().answers["acknowledged"])

    @property
    def refused(self) -> Mapping[str, Seen]:
        """Events refused or left without an answer, in order of the first refusal."""
        return MappingProxyType(self._worked_out().answers["refused"])

    @property
    def standing(self) -> Mapping[str, Mark]:
        """The latest attempt, acknowledgement or refusal of each event."""
        return MappingProxyType(self._worked_out().standing)

    @property
    def finally_refused(self) -> tuple[str, ...]:
        """Events never acknowledged whose latest answer is a final refusal: they must not be found."""
        fold = self._worked_out()
        return tuple(
            event
            for event, mark in fold.standing.items()
            if mark.kind == "refused" and mark.detail.get("final") is True and event not in fold.answers["acknowledged"]
        )

    @property
    def effects(self) -> tuple[Mark, ...]:
        """Side effects that reached the world."""
        return self._worked_out().lists["effect"]

    @property
    def printed(self) -> tuple[Mark, ...]:
        return self._worked_out().lists["printed"]

    @property
    def told(self) -> tuple[Mark, ...]:
        """Failures reported by other means than an answer."""
        return self._worked_out().lists["told"]

    @property
    def observed(self) -> tuple[Mark, ...]:
        """States that the world has read and relies on."""
        return self._worked_out().lists["observed"]

    @property
    def world(self) -> tuple[Mark, ...]:
        """What the outside world did by itself."""
        return self._worked_out().lists["world"]

    @property
    def deaths(self) -> tuple[int, ...]:
        """Numbers of the marks at which the process or the power went."""
        return self._worked_out().deaths

    @property
    def restarts(self) -> tuple[int, ...]:
        """Numbers of the marks at which the subject was started again."""
        return self._worked_out().restarts

    def _worked_out(self) -> _Fold:
        if self._fold is None:
            known, marks = _since(self, lambda ledger: ledger._fold is not None)
            assert known._fold is not None
            self._fold = known._fold.after(marks, known.size)
        return self._fold

    def __len__(self) -> int:
        return self.size

    def __bool__(self) -> bool:
        return True  # an empty ledger is a ledger

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Ledger) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __reduce__(self) -> tuple[Any, ...]:
        return Ledger.of, (self.marks,)  # not along the chain: it may be longer than the stack is deep

    def __repr__(self) -> str:
        return (
            f"<Ledger of {self.size} marks: {len(self.attempted)} attempted, {len(self.acknowledged)} acknowledged, "
            f"{len(self.refused)} refused, {len(self.effects)} effects>"
        )


def _since(ledger: Ledger, found: Callable[[Ledger], bool]) -> tuple[Ledger, list[Mark]]:
    """The nearest older ledger that is `found`, and the marks since, in order."""
    marks: list[Mark] = []
    while not found(ledger):
        assert ledger._mark is not None and ledger._older is not None
        marks.append(ledger._mark)
        ledger = ledger._older
    marks.reverse()
    return ledger, marks
