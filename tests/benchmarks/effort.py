"""How much work a run of the benchmarks does: enough for stable medians, or the least that runs every line."""

import msgspec


class Effort(msgspec.Struct, frozen=True):
    """`rounds` of each ratio; `cycles` of an append loop; `records` of the writers; `long`: records of the longer log;
    `growth`: records of the short and the long trace; `kills` of one round of the kill loop; `examples` of a state
    machine in one round; `shared_log`: the scenario of `two_workers` that workers divide."""

    rounds: int
    cycles: int
    records: int
    long: int
    growth: tuple[int, int]
    kills: int
    examples: int
    shared_log: str


FULL = Effort(
    rounds=7, cycles=200, records=20, long=100, growth=(100, 1_600), kills=12, examples=40, shared_log="SharedLog"
)
TINY = Effort(rounds=1, cycles=3, records=2, long=5, growth=(2, 4), kills=1, examples=2, shared_log="TinySharedLog")
