"""A scenario made of two functions: what `crash_test(workload, recovered)` explores.

`workload(mark)` runs on an empty durable folder `/data`; `mark(x)` says that from here on the world believes x to be
safe. `recovered(marks)` looks at what is left after a death: it returns when all is well and raises (an assertion)
when it is not. Both may be coroutine functions.
"""

import contextlib
import contextvars
import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal, TypeAlias

import _pytest.outcomes
import msgspec

from harness.faults import FaultPlan
from harness.own_lines import innermost, place_of
from harness.scenario import Case, Guarantee, MaybeAwaitable, Phase, Run, Scenario, World, resolved
from harness.verdict import Violation

Marker: TypeAlias = Callable[[Any], None]
Workload: TypeAlias = Callable[[Marker], MaybeAwaitable[None]]
Recovered: TypeAlias = Callable[[list[Any]], MaybeAwaitable[None]]

_SAYS_NO: Final = (Exception, SystemExit, _pytest.outcomes.Failed)
"""How `recovered` objects: any exception; `sys.exit` and `pytest.fail` are none, but mean the same."""

_PLAIN: Final = frozenset({int, str, bytes, float, bool, type(None)})

_SENTENCE = "After a restart, recovered(marks) holds for all that was marked before the death."


class Check(msgspec.Struct, frozen=True):
    """What `recovered(marks)` said: None, or the assertion and its place."""

    complaint: str | None = None


_CONTENT: Final = Check()


class Believer(World):
    """The world of `crash_test`: it remembers what was marked, as the very objects."""

    def __init__(self) -> None:
        self.values: tuple[Any, ...] = ()
        self._changeable = False

    def believe(self, value: Any) -> None:
        """What the workload does to the value later was not promised."""
        self.values = (*self.values, _frozen_copy(value))
        self._changeable = self._changeable or type(value) not in _PLAIN
        self.version += 1

    def believed(self) -> list[Any]:
        """The values, for a reader who may change them. Numbers and texts are not copied: each state reads them all."""
        return [_frozen_copy(value) for value in self.values] if self._changeable else list(self.values)

    def snapshot(self) -> tuple[tuple[Any, ...], bool]:
        return self.values, self._changeable

    def restore(self, snapshot: tuple[tuple[Any, ...], bool]) -> None:
        self.values, self._changeable = snapshot


class CallableScenario(Scenario[Believer, None, Check]):
    """Two functions as a scenario; `recovered` gets the very objects that were marked."""

    observed_alive = False
    has_boot = False

    def __init__(
        self,
        workload: Workload,
        recovered: Recovered,
        *,
        name: str,
        profiles: Sequence[str],
        seed: int = 0,
        faults: bool | Literal["double"] = True,
        budget_s: float | None = None,
        bound: int = 65_536,
        plan: FaultPlan | None = None,
        recovery_depth: int = 1,
    ) -> None:
        self.name = name  # type: ignore[misc]  # one class, a name for each instance
        self.workload = workload
        self.recovered = recovered
        self.profiles = tuple(profiles)
        self.seed = seed
        self.faults = bool(faults)
        self.double_faults = faults == "double"  # type: ignore[misc]  # as the name
        self.budget_s = budget_s
        self.bound = bound
        self._plan = plan
        self.recovery_depth = recovery_depth  # type: ignore[misc]  # as the name

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

    async def _observe_later(self, checking: MaybeAwaitable[object]) -> Check:
        try:
            return _check_of(await resolved(checking))
        except _SAYS_NO as error:
            return Check(complaint(error))

    def observe(self, run: Run, world: Believer, subject: None) -> MaybeAwaitable[Check]:
        try:
            said: object = self.recovered(world.believed())
            if said is not None and inspect.isawaitable(said):
                return self._observe_later(said)
            return _check_of(said)
        except _SAYS_NO as error:
            return Check(complaint(error))

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


def _frozen_copy(value: Any) -> Any:
    """A value that no later change reaches; the very object where it cannot be copied."""
    if type(value) in _PLAIN:
        return value
    try:
        return copy.deepcopy(value)
    except Exception:
        return value


def _check_of(said: object) -> Check:
    """`recovered` must raise; one that answers False has not understood that, and must not count as content."""
    return Check("recovered(marks) returned False: it must raise, use assert") if said is False else _CONTENT


def complaint(error: BaseException) -> str:
    """The user's own assertion in one line: its message (or its source line) and the innermost line of their own."""
    frame = innermost(error)
    text = str(error).strip().splitlines()
    said = text[0] if text else (frame.line if frame is not None and frame.line else "")
    return f"{type(error).__name__}: {said}{place_of(error)}"


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
