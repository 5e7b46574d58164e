"""A stored disk and ledger judged again: the restart of a saved case, without the run that led to it.

The same restart, contract and phases as in a sweep (`judging.judge_restart`). What the living subject showed before the
death is not stored, so that guarantees which compare with it have nothing to compare.
"""

from typing import Any

from harness.disk import DiskImage
from harness.explore.judging import Judged, by_phase, judge_restart
from harness.explore.life import session
from harness.explore.recording import AnyScenario
from harness.ledger import Ledger
from harness.scenario import World
from harness.trace import Scalar


class UnfitWorld(ValueError):
    """The stored memory of the outside world is none of this scenario's; the message says why."""


class _Moment:
    """The run that a world belongs to before its subject restarts: it knows the ledger, and nothing happens in it."""

    def __init__(self, ledger: Ledger, seed: int, at: float) -> None:
        self._ledger = ledger
        self._seed = seed
        self._at = at

    @property
    def ledger(self) -> Ledger:
        return self._ledger

    @property
    def seed(self) -> int:
        return self._seed

    def now(self) -> float:
        return self._at

    def mark(self, kind: str, event: str = "", **detail: Scalar) -> None:
        raise RuntimeError(f"mark {kind!r} {event!r} of a world that belongs to no life: attach it first")

    def probe(self, name: str) -> None:
        """Nothing happens outside a life."""

    def note(self, text: str) -> None:
        """Nothing happens outside a life."""

    def lift_faults(self) -> None:
        """There are no faults outside a life."""


def judge_again(
    scenario: AnyScenario,
    workload: str,
    image: DiskImage,
    ledger: Ledger,
    remembered: Any,
    *,
    at: float,
    seed: int,
    fault_fired: bool,
) -> Judged:
    """Restart the subject on `image` in a world that remembers `remembered`, and judge it.

    UnfitWorld where the world does not take it, or would have to take bytes for data and does not say that it may.
    """
    world: World = scenario.world(_Moment(ledger, seed, at), workload)
    if _holds_bytes(remembered) and not world.stored_bytes_are_data:
        raise UnfitWorld(
            f"the world of {scenario.name} remembers bytes, and {type(world).__name__} does not say that reading them runs "
            "no code (stored_bytes_are_data): use harness replay"
        )
    try:
        world.restore(remembered)
    except Exception as error:
        raise UnfitWorld(
            f"the stored memory does not fit the world of {scenario.name}: {type(error).__name__}: {error}"
        ) from None
    with session():
        return judge_restart(
            scenario,
            by_phase(scenario.contract()),
            world,
            image,
            at=at,
            seed=seed,
            ledger=ledger,
            fault_fired=fault_fired,
        )


def _holds_bytes(value: object) -> bool:
    match value:
        case bytes():
            return True
        case dict():
            return any(_holds_bytes(one) for pair in value.items() for one in pair)
        case list() | tuple() | set() | frozenset():
            return any(_holds_bytes(one) for one in value)
    return False
