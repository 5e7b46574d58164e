"""A scenario made of two functions: what `crash_test(workload, recovered)` explores.

`workload(mark)` runs on an empty durable folder `/data`; `mark(x)` says that from here on the world believes x to be
safe. `recovered(marks)` looks at what is left after a death: it returns when all is well and raises (an assertion)
when it is not. Both may be coroutine functions.
"""

import contextlib
import contextvars
import inspect
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec

from harness.faults import FaultPlan
from harness.scenario import Case, Guarantee, MaybeAwaitable, Phase, Run, Scenario, World, resolved
from harness.verdict import Violation

Marker: TypeAlias = Callable[[Any], None]
Workload: TypeAlias = Callable[[Marker], MaybeAwaitable[None]]
Recovered: TypeAlias = Callable[[list[Any]], MaybeAwaitable[None]]

_SENTENCE = "After a restart, recovered(marks) holds for all that was marked before the death."


class Check(msgspec.Struct, frozen=True):
    """What `recovered(marks)` said: None, or the assertion and its place."""

    complaint: str | None = None


class Believer(World):
    """The world of `crash_test`: it remembers what was marked, as the very objects."""

    def __init__(self) -> None:
        self.values: tuple[Any, ...] = ()

    def believe(self, value: Any) -> None:
        self.values = (*self.values, value)
        self.version += 1

    def snapshot(self) -> tuple[Any, ...]:
        return self.values

    def restore(self, snapshot: tuple[Any, ...]) -> None:
        self.values = snapshot


class CallableScenario(Scenario[Believer, None, Check]):
    """Two functions as a scenario; `recovered` gets the very objects that were marked."""

    observed_alive = False

    def __init__(
        self,
        workload: Workload,
        recovered: Recovered,
        *,
        name: str,
        profiles: Sequence[str],
        seed: int = 0,
        faults: bool = True,
        plan: FaultPlan | None = None,
    ) -> None:
        self.name = name  # type: ignore[misc]  # one class, a name for each instance
        self.workload = workload
        self.recovered = recovered
        self.profiles = tuple(profiles)
        self.seed = seed
        self.faults = faults
        self._plan = plan

    def workloads(self) -> Sequence[str]:
        return ("workload",)

    def fault_workloads(self) -> Sequence[str]:
        return ("workload",) if self.faults else ()

    def plan(self, workload: str) -> FaultPlan | None:
        return self._plan

    def world(self, run: Run, workload: str) -> Believer:
        return Believer()

    def boot(self, run: Run, world: Believer) -> None:
        return None

    def steps(self, run: Run, world: Believer, subject: None, workload: str) -> MaybeAwaitable[None]:
        def mark(value: Any = None) -> None:
            run.mark("acknowledged", value if isinstance(value, str) else repr(value), n=len(world.values))
            world.believe(value)

        return self.workload(mark)

    async def _observe_later(self, checking: MaybeAwaitable[None]) -> Check:
        try:
            await resolved(checking)
        except Exception as error:
            return Check(complaint(error))
        return Check()

    def observe(self, run: Run, world: Believer, subject: None) -> MaybeAwaitable[Check]:
        try:
            checking = self.recovered(list(world.values))
            if inspect.isawaitable(checking):
                return self._observe_later(checking)
        except Exception as error:
            return Check(complaint(error))
        return Check()

    def contract(self) -> Sequence[Guarantee]:
        return (
            Guarantee(
                "recovered",
                _SENTENCE,
                judge_check,
                frozenset({Phase.RESTARTED, Phase.AGAIN}),
            ),
        )


def judge_check(case: Case[Believer, Check]) -> list[Violation]:
    """`check-failed`; `swallowed-error` where an injected error was not let out and the world went on believing."""
    if case.observed is None or case.observed.complaint is None:
        return []
    complaint = case.observed.complaint
    if case.phase is Phase.AGAIN:
        if isinstance(case.previous, Check) and case.previous.complaint is not None:
            return []  # told already, when it was seen first
        sentence = "Recovering twice equals recovering once."
        return [Violation("not-idempotent", sentence, f"the second recovery disagrees with the first: {complaint}")]
    if case.fault_fired and not case.ledger.told:
        sentence = "A fault is told: what is not durable was not acknowledged."
        return [Violation("swallowed-error", sentence, f"an error was injected, the workload went on: {complaint}")]
    return [Violation("check-failed", _SENTENCE, complaint)]


def complaint(error: Exception) -> str:
    """The user's own assertion in one line: its message (or its source line) and place."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/harness/callables.py" not in f.filename]
    place = f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})" if frames else ""
    text = str(error).strip().splitlines()
    said = text[0] if text else (frames[-1].line if frames and frames[-1].line else "")
    return f"{type(error).__name__}: {said}{place}"


_collector: contextvars.ContextVar[list[CallableScenario] | None] = contextvars.ContextVar("collector", default=None)


@contextlib.contextmanager
def collecting() -> Iterator[list[Any]]:
    """Inside, `crash_test` calls are collected instead of explored."""
    found: list[CallableScenario] = []
    token = _collector.set(found)
    try:
        yield found
    finally:
        _collector.reset(token)


def collected(scenario: CallableScenario) -> bool:
    """Hand `scenario` to the collector, if one is listening."""
    found = _collector.get()
    if found is None:
        return False
    found.append(scenario)
    return True
