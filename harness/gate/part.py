"""What is known of one scenario in one run: how it began, and what came of its chunks. Data that travels."""

import msgspec

from harness.explore.tally import Tally
from harness.gate.run_key import RunKey
from harness.gate.task import Task


class Piece(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of one chunk: a tally, or the sentence that says why there is none."""

    task: Task
    tally: Tally | None = None
    error: str = ""

    @property
    def finished(self) -> bool:
        """Whether nothing of it is left to do: what failed is tried again by the next run."""
        return self.tally is not None and self.tally.complete


class Opening(msgspec.Struct):
    """What a run knows of a scenario before its first chunk: the same on every machine.

    `errors`, `idle` and `clean` are those of the preflight, `differing` those of the second process. `floor` are all
    chunks that make the run whole, `histories` the first round of random ones, `remark` what keeps it from being that.
    """

    name: str
    probes: tuple[str, ...]
    operations: dict[str, int] = msgspec.field(default_factory=dict)
    clean: Tally = msgspec.field(default_factory=Tally)
    errors: list[str] = msgspec.field(default_factory=list)
    idle: list[str] = msgspec.field(default_factory=list)
    differing: list[str] = msgspec.field(default_factory=list)
    floor: list[Task] = msgspec.field(default_factory=list)
    histories: list[Task] = msgspec.field(default_factory=list)
    remark: str = ""


class Part(msgspec.Struct):
    """One scenario in one run or shard: how it began, and what came of the chunks that it was dealt."""

    key: RunKey
    opening: Opening
    pieces: list[Piece] = msgspec.field(default_factory=list)
    wall_s: float = 0.0
    interrupted: bool = False
