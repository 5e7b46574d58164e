"""How far a run is, for whoever shows it."""

from collections.abc import Callable

import msgspec

from harness.clock import machine_seconds


class Progress(msgspec.Struct):
    """What a display needs, updated after each task: counts so far, tasks done and planned, seconds left (or None).

    `resumed` tasks were done by an earlier run.
    """

    scenario: str = ""
    profile: str = ""
    tasks_done: int = 0
    tasks: int = 0
    resumed: int = 0
    checked: int = 0
    under_way: int = 0
    violations: int = 0
    began: float = 0.0
    deadline: float | None = None

    @property
    def elapsed_s(self) -> float:
        return machine_seconds() - self.began

    @property
    def rate(self) -> float:
        """States judged per second."""
        return (self.checked + self.under_way) / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds left, guessed from the tasks done so far; None before there is anything to guess from."""
        if self.deadline is not None:
            return max(0.0, self.deadline - machine_seconds())
        done = self.tasks_done - self.resumed
        if done <= 0:
            return None
        return self.elapsed_s / done * (self.tasks - self.tasks_done)


Listener = Callable[[Progress], None]


def silent(_: Progress) -> None:
    return None
