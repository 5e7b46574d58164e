"""How much work a run of the benchmarks does: enough for stable medians, or the least that runs every line."""

import msgspec


class Effort(msgspec.Struct, frozen=True):
    """`rounds` of each ratio; `cycles` of an append loop; `records` of the writers; `growth`: records of the short and
    the long trace; `kills` of one round of the kill loop; `examples` of a state machine in one round."""

    rounds: int
    cycles: int
    records: int
    growth: tuple[int, int]
    kills: int
    examples: int


FULL = Effort(rounds=7, cycles=200, records=20, growth=(100, 400), kills=12, examples=40)
TINY = Effort(rounds=1, cycles=3, records=2, growth=(2, 4), kills=1, examples=2)
