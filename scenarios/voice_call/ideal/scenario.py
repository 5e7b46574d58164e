"""The voice call scenario with the second manager in it: same world, same stories, same contract."""

from collections.abc import Sequence
from typing import ClassVar, Final, cast

from harness.scenario import Run, SeededBug
from scenarios.voice_call.ideal.disk import IdealProvider
from scenarios.voice_call.ideal.manager import IdealManager
from scenarios.voice_call.manager.call_manager import CallManager
from scenarios.voice_call.provider import Provider
from scenarios.voice_call.scenario import SETTINGS, ProbeLog, VoiceCall
from scenarios.voice_call.stage import Workload
from scenarios.voice_call.workloads import WORKLOADS

HONOURED: Final = frozenset(
    {
        "allow_from",
        "compact_after_lines",  # an ideal disk never fills up: honoured by doing nothing
        "inbound_greeting",
        "inbound_policy",
        "max_concurrent_calls",
        "max_duration_ms",
        "notify_hang_up_delay_ms",
        "poll_interval_ms",
        "ring_timeout_ms",
        "transcript_wait_ms",
        "unanswered_ms",
    }
)
"""The settings that a workload may change: those that this manager knows."""

PROBES: Final = frozenset(
    {
        "dial-settled",
        "errand-failed",
        "found-gone",
        "hang-up-confirmed",
        "initiate-refused",
        "question-was-interrupted",
        "speech-was-interrupted",
        "time-is-up",
    }
)
"""Rare events of this manager that a sweep of all its workloads meets."""


def suits(one: Workload) -> bool:
    """Whether a workload means something to a manager without a disk that can fail, or parts it does not have."""
    special = one.plan is not None or one.touches_log or one.media or one.sets_clock or one.reference_only
    return not special and set(one.settings) <= HONOURED


class IdealVoiceCall(VoiceCall):
    """See the module's text."""

    name: ClassVar[str] = "ideal_voice_call"
    probes: ClassVar[frozenset[str]] = PROBES

    def workloads(self) -> Sequence[str]:
        return tuple(name for name in super().workloads() if suits(WORKLOADS[name]))

    def rehearsals(self) -> Sequence[str]:
        return tuple(name for name in super().rehearsals() if suits(WORKLOADS[name]))

    def fault_workloads(self) -> Sequence[str]:
        """No call of this subject can fail."""
        return ()

    def history_workloads(self) -> Sequence[str]:
        return tuple(name for name in super().history_workloads() if suits(WORKLOADS[name]))

    def world(self, run: Run, workload: str) -> Provider:
        chosen = WORKLOADS.get(workload)
        if chosen is None:
            return IdealProvider(workload=workload)
        made = IdealProvider(chosen.policy, chosen.callee, workload)
        made.outer.cap_s = chosen.settings.get("max_duration_ms", SETTINGS["max_duration_ms"]) / 1000
        return made

    def make_manager(self, run: Run, world: Provider) -> CallManager:
        assert isinstance(world, IdealProvider)
        manager = IdealManager(self.config(world), world, world.disk, now=run.now, log=ProbeLog(run))
        return cast(CallManager, manager)  # it has the same public face, which is all that the scenario uses

    def bugs(self) -> Sequence[SeededBug]:
        """Seeded bugs are variants of the other manager."""
        return ()
