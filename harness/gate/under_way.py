"""What a worker process says: what came of its task, or how far it is."""

import msgspec

from harness.explore.tally import Tally


class UnderWay(msgspec.Struct, frozen=True):
    """What a task has come to so far: told at each new finding, and now and then; its findings are not confirmed yet."""

    tally: Tally


Answer = Tally | str | UnderWay
"""A sentence where there is no tally, saying why."""
