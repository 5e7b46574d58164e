"""Judging the living manager in the middle of a story: what holds at any moment is looked at whenever it grows quiet.

A story that is swept is looked at right after each death; one that is only rehearsed would be seen at its end alone,
when its calls are over. What is noticed is kept in the world, and told at the end (`held_all_along`).
"""

from harness.ledger import Ledger
from harness.scenario import Case, Phase, Run
from scenarios.voice_call.contract import CONTRACT
from scenarios.voice_call.manager.call_manager import CallManager
from scenarios.voice_call.observe import CallsObserved, observe
from scenarios.voice_call.provider import Provider
from scenarios.voice_call.remote import Noticed

_AT_ANY_MOMENT = tuple(
    one
    for one in CONTRACT
    if (one.phases == frozenset(Phase) and one.name != "held-all-along") or one.name == "not-lost"
)
"""What was acknowledged is seen at once: so a loss is one at any moment."""


def watch(run: Run, world: Provider, manager: CallManager, *, faulty: bool) -> None:
    """Look at the manager now. `faulty`: faults belong to this story."""
    observed = observe(world, manager, now=run.now())
    if not observed.available and not observed.unreadable:
        return  # it is being started or stopped: the story knows
    nothing: Ledger = Ledger()
    case: Case[Provider, CallsObserved] = Case(
        Phase.RESTARTED, run.ledger, nothing, world, observed, now=run.now(), fault_fired=faulty
    )
    for guarantee in _AT_ANY_MOMENT:
        for told in guarantee.judge(case):
            world.notice(Noticed(told.verdict, told.summary, told.subject))
