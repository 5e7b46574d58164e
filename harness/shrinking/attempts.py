"""The tries of one shrinking: how many there were, and whether the time ended before nothing smaller was left to try."""

from harness.clock import machine_seconds


class Attempts:
    """`budget_s` are seconds of the machine from now on; once they are over no further try is made."""

    def __init__(self, budget_s: float) -> None:
        self.made = 0
        self.cut_short = False
        self._deadline = machine_seconds() + budget_s

    def another(self) -> bool:
        """Whether one more may be made; it is counted."""
        if machine_seconds() > self._deadline:
            self.cut_short = True
            return False
        self.made += 1
        return True
