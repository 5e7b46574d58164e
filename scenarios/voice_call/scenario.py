"""The voice call scenario: a call manager, the telephony provider around it, and what it owes.

`VoiceCall` joins the parts: `workloads` (what happens), `provider` (the outside, which survives), `observe` (the
manager's public view in the judge's words), `contract` (the guarantees). A seeded bug derives from it and overrides
`manager_parts` (one part of the manager replaced) or `make_manager` (another manager).
"""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from harness.faults import FaultPlan
from harness.scenario import Action, Guarantee, Run, Scenario, SeededBug
from scenarios.voice_call.assistant import Assistant
from scenarios.voice_call.contract import CONTRACT
from scenarios.voice_call.machine import actions
from scenarios.voice_call.manager.call_manager import CallManager, Parts
from scenarios.voice_call.manager.config import Config
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.observe import CallsObserved, observe
from scenarios.voice_call.other_provider import configured
from scenarios.voice_call.provider import Provider
from scenarios.voice_call.remote_media import Media
from scenarios.voice_call.settling import settle
from scenarios.voice_call.stage import FRIEND, OTHER_FRIEND, Stage
from scenarios.voice_call.terms import (
    DOWN_S,
    GREETING,
    MAX_DURATION_S,
    MEDIA_INACTIVITY_S,
    MOST_CALLS,
    POLL_S,
    REPLY_TIMEOUT_S,
    RING_S,
    STREAM_GRACE_S,
    TRANSCRIPT_WAIT_S,
    UNANSWERED_S,
)
from scenarios.voice_call.watching import watch
from scenarios.voice_call.workloads import WORKLOADS, plan_for, workload

STORE: Final = "/data/calls"

SETTINGS: Final[dict[str, Any]] = {
    "store_dir": STORE,
    "inbound_policy": "allowlist",
    "allow_from": (FRIEND, OTHER_FRIEND),
    "inbound_greeting": GREETING,
    "max_concurrent_calls": MOST_CALLS,
    "max_duration_ms": round(MAX_DURATION_S * 1000),
    "ring_timeout_ms": round(RING_S * 1000),
    "unanswered_ms": round(UNANSWERED_S * 1000),
    "transcript_wait_ms": round(TRANSCRIPT_WAIT_S * 1000),
    "poll_interval_ms": round(POLL_S * 1000),
    "stream_grace_ms": round(STREAM_GRACE_S * 1000),
    "media_inactivity_ms": round(MEDIA_INACTIVITY_S * 1000),
    "reply_timeout_ms": round(REPLY_TIMEOUT_S * 1000),
    "drain_ms": 1_000,
}
"""Short deadlines: settling has to outlive the longest of them at each of many thousand states."""

PROBES: Final = frozenset(
    {
        "append-cut-back",
        "capacity-refused",
        "compaction-done",
        "deadline-expired",
        "dial-reconciled",
        "dial-unknown",
        "duplicate-absorbed",
        "end-before-beginning",
        "ended-at-provider",
        "greeting-interrupted",
        "late-event-absorbed",
        "leftover-removed",
        "obligation-done",
        "obligation-retried",
        "refused-not-ready",
        "rejected-by-policy",
        "reply-failed",
        "reply-interrupted",
        "reply-timed-out",
        "restored-terminal-at-provider",
        "session-bridged",
        "session-reset",
        "session-write-failed",
        "signature-refused",
        "speech-interrupted",
        "stale-turn-recorded",
        "stream-end-not-written",
        "stream-ended",
        "stream-grace-over",
        "stream-lost",
        "stream-refused",
        "stream-regained",
        "stream-silent",
        "stream-superseded",
        "tail-cut",
        "transcript-refused",
        "turn-interrupted",
        "turn-timed-out",
    }
)
"""Rare events of the manager that the rehearsals, or the sweeps under any one durability profile, meet."""


class ProbeLog:
    """The manager's log: each rare event it tells is a probe of the run, and a note for the replayed timeline."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def info(self, event: str, **fields: object) -> None:
        self._tell(event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._tell(event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._tell(event, fields)

    def _tell(self, event: str, fields: dict[str, object]) -> None:
        self._run.probe(event)
        self._run.note(f"{event} {fields}")


class VoiceCall(Scenario[Provider, CallManager, CallsObserved]):
    """See the module's text."""

    name: ClassVar[str] = "voice_call"
    folders: ClassVar[tuple[str, ...]] = ("/data",)
    restart_after_s: ClassVar[float] = DOWN_S
    probes: ClassVar[frozenset[str]] = PROBES
    manager_class: ClassVar[type[CallManager]] = CallManager

    def __init__(self, store: str = STORE) -> None:
        self.store = store

    def workloads(self) -> Sequence[str]:
        return tuple(name for name, one in WORKLOADS.items() if one.swept)

    def rehearsals(self) -> Sequence[str]:
        return tuple(name for name, one in WORKLOADS.items() if not one.swept)

    def fault_workloads(self) -> Sequence[str]:
        """The errno sweep runs under one delivery policy, that of `inbound`."""
        policy = WORKLOADS["inbound"].policy
        return tuple(name for name, one in WORKLOADS.items() if one.faults and one.policy == policy)

    def history_workloads(self) -> Sequence[str]:
        """Random histories happen under every delivery policy; one workload of each lends its world, and some do besides."""
        lenders = {one.policy: name for name, one in reversed(WORKLOADS.items())}
        return (*sorted(lenders.values()), *(name for name, one in WORKLOADS.items() if one.lends))

    def plan(self, workload: str) -> FaultPlan | None:
        return plan_for(workload)

    def world(self, run: Run, workload: str) -> Provider:
        chosen = WORKLOADS.get(workload)
        if chosen is None:
            return Provider(workload=workload)
        made = Provider(chosen.policy, chosen.callee, workload, Media() if chosen.media else None)
        made.outer.cap_s = chosen.settings.get("max_duration_ms", SETTINGS["max_duration_ms"]) / 1000
        made.outer.bridged = bool(chosen.settings.get("session_bridge", False))
        return made

    def manager_parts(self) -> Parts:
        """The classes the manager is made of; a seeded bug replaces one."""
        return Parts()

    def config(self, world: Provider) -> Config:
        chosen = WORKLOADS.get(world.outer.workload)
        special = {} if chosen is None else chosen.settings
        return Config(**{**SETTINGS, **special, "store_dir": self.store})

    def make_manager(self, run: Run, world: Provider) -> CallManager:
        """A manager that was not started yet."""
        return self.manager_class(
            self.config(world),
            configured(world),
            log=ProbeLog(run),
            now=lambda: run.now() + world.outer.clock_off_s,
            new_id=world.fresh_id,
            assistant=None if world.outer.media is None else Assistant(world),
            parts=self.manager_parts(),
        )

    async def boot(self, run: Run, world: Provider) -> CallManager:
        manager = self.make_manager(run, world)
        await self._start(run, world, manager)
        return manager

    async def _start(self, run: Run, world: Provider, manager: CallManager) -> None:
        world.connect(manager.app)
        due = world.next_due()
        if due is None or due > run.now():
            await manager.start()
        else:  # the provider does not wait until the manager has restored its calls
            await asyncio.gather(manager.start(), world.deliver_due())
        world.expect()

    async def steps(self, run: Run, world: Provider, subject: CallManager, workload_name: str) -> CallManager:
        chosen = workload(workload_name)

        async def reboot() -> CallManager:
            manager = self.make_manager(run, world)
            try:
                await self._start(run, world, manager)
            except (StoreUnavailable, OSError):
                raise
            except Exception as error:  # nobody is there from here on, and that is what the world sees
                run.note(f"the manager does not start again: {type(error).__name__}: {error}")
            return manager

        def look() -> None:
            if not chosen.swept:  # a swept story is looked at after each death
                watch(run, world, stage.manager, faulty=chosen.plan is not None)

        stage = Stage(run, world, subject, reboot, look, sound=chosen.plan is None and not chosen.swept)
        await chosen.story(stage)
        return stage.manager

    def observe(self, run: Run, world: Provider, subject: CallManager) -> CallsObserved:
        return observe(world, subject, now=run.now())

    async def settle(self, run: Run, world: Provider, subject: CallManager) -> None:
        run.lift_faults()
        await settle(world, subject)

    async def stop(self, run: Run, world: Provider, subject: CallManager) -> None:
        world.excuse()
        await subject.stop()
        world.connect(None)

    def contract(self) -> Sequence[Guarantee]:
        return CONTRACT

    def actions(self) -> Sequence[Action]:
        return actions()

    def bugs(self) -> Sequence[SeededBug]:
        from scenarios.voice_call.bugs import all_bugs  # they derive from this class

        return all_bugs()
