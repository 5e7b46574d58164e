"""The outside world as it was at a kill-point, rebuilt from a recording's snapshots."""

from harness.explore.recording import Recording
from harness.ledger import Ledger
from harness.scenario import World
from harness.trace import Scalar


def world_at(recording: Recording, position: int) -> World:
    world = unattached_world(recording)
    world.restore(recording.snapshot_at(position))
    return world


def unattached_world(recording: Recording) -> World:
    """A world of the recording's scenario that belongs to no life yet: restore a snapshot, then attach it."""
    world: World = recording.scenario.world(_Nowhere(recording), recording.workload)
    return world


class _Nowhere:
    """The run of a world that is only restored, never driven."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    @property
    def ledger(self) -> Ledger:
        return self._recording.ledgers[0]

    @property
    def seed(self) -> int:
        return self._recording.seed

    def now(self) -> float:
        return self._recording.started_at

    def mark(self, kind: str, event: str = "", **detail: Scalar) -> None:
        raise RuntimeError(f"mark {kind!r} {event!r} of a world that belongs to no life: attach it first")

    def probe(self, name: str) -> None:
        """Nothing happens outside a life."""

    def note(self, text: str) -> None:
        """Nothing happens outside a life."""

    def lift_faults(self) -> None:
        """There are no faults outside a life."""
