"""The name of one legal state: data, small enough for a repro file."""

from typing import TypeAlias

import msgspec

from harness.durability.trees import CrashImage
from harness.durability.units import UnitId


class CrashState(msgspec.Struct, frozen=True):
    """Which legal state: enough to rebuild its image from the trace (`image_of`).

    The items before `position` happened; `missing` pending units did not survive; `cut`: (position of a write, bytes of
    it that did) for a write that stopped inside.
    """

    profile: str
    position: int
    missing: tuple[UnitId, ...] = ()
    cut: tuple[int, int] | None = None


State: TypeAlias = tuple[CrashState, CrashImage]
