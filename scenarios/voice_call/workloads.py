"""What happens in one recorded run: short stories between people, provider, manager and its client.

Each leaves 6 to 16 log records, because every byte of every record is a crash state. Texts that people say are
different from each other unless the story is about equal ones, so that a judge can tell whose they are.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from harness.faults import Fault, FaultPlan
from harness.scenario import Run
from scenarios.voice_call.client import Client
from scenarios.voice_call.deliveries import SIGNATURE, WEBHOOK_PATH, signature
from scenarios.voice_call.manager.call_manager import CallManager
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.policy import AT_MOST_ONCE, CONNECT_RETRY, LONG_HORIZON, RETRY_NON_2XX, Policy
from scenarios.voice_call.provider import Provider
from scenarios.voice_call.remote import Callee
from scenarios.voice_call.terms import MAX_DURATION_S, POLL_S

FRIEND: Final = "+15551111111"
OTHER_FRIEND: Final = "+15551111112"
STRANGER: Final = "+15559999999"
FAR_AWAY: Final = "+15552222222"
BODY_LIMIT: Final = 65_536
LOG: Final = "*.jsonl"
"""Where the faults of a workload hit."""


@dataclass
class Stage:
    """Who takes part in a story. `reboot` starts another manager on the same store."""

    run: Run
    provider: Provider
    manager: CallManager
    reboot: Callable[[], Awaitable[CallManager]]

    @property
    def client(self) -> Client:
        return Client(self.provider, self.manager)

    async def quiet(self, seconds: float = 1.0) -> None:
        """Until the provider has nothing more to do within this time."""
        await self.provider.run_until_quiet(seconds)

    async def later(self, seconds: float) -> None:
        """This much time passes."""
        end = self.run.now() + seconds
        await self.quiet(seconds)
        await asyncio.sleep(max(0.0, end - self.run.now()))
        await self.quiet(0.0)

    async def restart(self) -> None:
        """An orderly stop and a new start; what is due meanwhile meets a manager that is not ready."""
        self.run.mark("stopping")
        await self.manager.stop()
        self.provider.connect(None)
        await self.provider.deliver_due()
        self.manager = await self.reboot()
        self.run.mark("restarted")


Story = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True)
class Workload:
    """A story, how the provider redelivers in it, how those who are called behave, and the manager's settings."""

    story: Story
    policy: Policy = RETRY_NON_2XX
    callee: Callee = field(default_factory=Callee)
    settings: dict[str, Any] = field(default_factory=dict)
    plan: FaultPlan | None = None
    faults: bool = True


async def inbound(stage: Stage) -> None:
    """Somebody calls, is greeted, talks, says "yes" twice, hangs up; the provider repeats itself."""
    provider = stage.provider
    call = provider.ring(FRIEND)
    await stage.quiet()
    provider.pick_up(call)
    await stage.quiet()
    provider.say(call, "grüß dich\u2028zwei Zeilen 🙂")
    await asyncio.sleep(0.5)
    provider.repeat_answer(call)
    provider.duplicate(f"{call}-3")
    await stage.quiet()
    provider.say(call, "yes")
    await stage.quiet()
    provider.say(call, "yes")
    await stage.quiet()
    provider.leave(call)
    provider.duplicate(f"{call}-1")
    await stage.quiet()


async def notify(stage: Stage) -> None:
    """We call somebody, say our message and hang up a little later."""
    await stage.client.initiate("notify-1", FAR_AWAY, message="your parcel is here")
    await stage.quiet()
    await stage.later(4.0)


async def conversation(stage: Stage) -> None:
    """Three turns: a question that is answered too late, and two that get their own answers."""
    provider, client = stage.provider, stage.client
    call_id = await client.initiate("talk-1", FAR_AWAY, mode="conversation")
    await stage.quiet()
    if call_id is None or "out-1" not in provider.outer.calls:
        return
    first = asyncio.create_task(client.continue_call("ask-1", call_id, "what is your name?"))
    await stage.quiet()
    old = provider.remote("out-1").turn_token
    await first  # nobody says anything until the manager gives up waiting
    second = asyncio.create_task(client.continue_call("ask-2", call_id, "are you there?"))
    await stage.quiet()
    provider.say("out-1", "my name is Ada", turn_token=old)
    await stage.quiet()
    provider.say("out-1", "yes, here I am")
    await stage.quiet()
    await second
    third = asyncio.create_task(client.continue_call("ask-3", call_id, "shall I go on?"))
    await stage.quiet()
    provider.say("out-1", "please do")
    await stage.quiet()
    await third
    await client.end("end-1", call_id)
    await stage.quiet()


async def two_calls(stage: Stage) -> None:
    """A call from outside and one of ours at the same time; a third is one too many."""
    provider, client = stage.provider, stage.client
    here = provider.ring(FRIEND)
    await asyncio.gather(client.initiate("out-a", FAR_AWAY, mode="conversation"), stage.quiet())
    provider.say(here, "yes")
    if "out-1" in provider.outer.calls:
        provider.say("out-1", "yes")
    await stage.quiet()
    await client.initiate("out-b", FAR_AWAY, mode="conversation")
    request = provider.outer.requests["out-a"]
    if request.call is not None:
        await client.speak("speak-1", request.call, "one moment please")
    provider.leave(here)
    await stage.quiet()
    if request.call is not None:
        await client.end("end-a", request.call)
    await stage.quiet()


async def at_once(stage: Stage) -> None:
    """Two requests for the last free line in one moment."""
    client = stage.client
    stage.provider.fail("dial", "slow", times=2, delay_s=1.0)
    await asyncio.gather(
        client.initiate("race-a", FAR_AWAY, mode="conversation"),
        client.initiate("race-b", OTHER_FRIEND, mode="conversation"),
        stage.quiet(),
    )
    await stage.quiet()


async def across_restart(stage: Stage) -> None:
    """The manager is stopped and started in the middle of a call; an event comes while it is away."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(call)
    await stage.quiet()
    provider.say(call, "before")
    await stage.quiet()
    provider.say(call, "meanwhile")
    await stage.restart()
    await stage.quiet(5.0)
    provider.duplicate(f"{call}-3")
    provider.say(call, "after")
    await stage.quiet()
    provider.leave(call)
    await stage.quiet()


async def compaction(stage: Stage) -> None:
    """Several short calls over a log that is replaced by its snapshot again and again."""
    provider = stage.provider
    calls = [provider.ring(FRIEND), provider.ring(OTHER_FRIEND)]
    await stage.quiet()
    for number, call in enumerate(calls):
        provider.say(call, f"call number {number}")
        await stage.quiet()
    provider.leave(calls[0])
    await stage.quiet()
    last = provider.ring(FRIEND)
    await stage.quiet()
    provider.duplicate(f"{calls[0]}-1")
    provider.say(calls[1], "still here")
    await stage.quiet()
    provider.leave(calls[1])
    await stage.quiet()
    provider.leave(last, "no-answer")
    await stage.quiet()


async def full_disk(stage: Stage) -> None:
    """The disk is full for some seconds; the redelivery brings what was refused."""
    provider = stage.provider
    call = provider.ring(FRIEND)
    await stage.quiet()
    provider.pick_up(call)
    await stage.quiet()
    provider.say(call, "is anybody there?")
    await stage.quiet()
    provider.say(call, "hello?")
    await stage.quiet()
    stage.run.lift_faults()
    await stage.later(6.0)
    provider.leave(call)
    await stage.quiet(5.0)


async def full_disk_dial(stage: Stage) -> None:
    """We want to call somebody while the disk takes nothing: nobody is dialled. Later it works."""
    await stage.client.initiate("early-1", OTHER_FRIEND, message="nobody hears this")
    await stage.quiet()
    stage.run.lift_faults()
    await stage.client.initiate("late-1", FAR_AWAY, message="your parcel is here")
    await stage.later(4.0)


async def full_disk_batch(stage: Stage) -> None:
    """Three events in one request; the disk takes the first of them only, until the redelivery."""
    provider = stage.provider
    call = provider.ring(FRIEND)
    provider.pick_up(call)
    provider.say(call, "is this too much at once?")
    provider.batch(3)
    await stage.quiet()
    stage.run.lift_faults()
    await stage.later(6.0)
    provider.leave(call)
    await stage.quiet(5.0)


async def brief_fault(stage: Stage) -> None:
    """The disk refuses once, in the middle of a call; what was refused is delivered again before anything else."""
    provider = stage.provider
    call = provider.ring(FRIEND)
    await stage.quiet()
    provider.pick_up(call)
    await stage.quiet()
    provider.say(call, "can you hear me?")
    await stage.later(3.0)
    provider.say(call, "now I can")
    await stage.quiet()
    provider.leave(call)
    await stage.quiet(5.0)


async def unreadable_log(stage: Stage) -> None:
    """The disk does not answer when the manager starts again; whoever watches over it starts it once more."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(call)
    await stage.quiet()
    try:
        await stage.restart()
    except StoreUnavailable:
        stage.run.lift_faults()
        with contextlib.suppress(StoreUnavailable):
            stage.manager = await stage.reboot()
    provider.say(call, "are you back?")
    await stage.quiet(5.0)
    provider.leave(call)
    await stage.quiet(5.0)


async def overlap(stage: Stage) -> None:
    """A second manager is started while the first one works; it has to leave the store to it."""
    provider, first = stage.provider, stage.manager
    call = provider.ring(FRIEND)
    await stage.quiet()
    try:
        stage.manager = await stage.reboot()
    except StoreUnavailable:
        provider.connect(first.app)
    provider.say(call, "who is there?")
    await stage.quiet()
    await Client(provider, first).initiate("second-line", FAR_AWAY, mode="conversation")
    await stage.quiet()
    provider.leave(call)
    await stage.quiet()


async def successor(stage: Stage) -> None:
    """A call goes on under a manager that was started in the same process, and ends; time passes afterwards."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(call)
    await stage.quiet()
    await stage.restart()
    provider.say(call, "still me")
    await stage.quiet()
    provider.leave(call)
    await stage.later(POLL_S + 2.0)


async def stop_in_flight(stage: Stage) -> None:
    """The manager is stopped just when somebody says something."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(call)
    await stage.quiet()
    provider.say(call, "one last thing")
    delivering = asyncio.create_task(provider.deliver_due())
    await asyncio.sleep(0.005)
    await stage.restart()
    await delivering
    await stage.quiet(5.0)
    provider.leave(call)
    await stage.quiet()


async def cap_is_reached(stage: Stage) -> None:
    """A caller who never hangs up, until the cap ends the call."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(call)
    await stage.later(MAX_DURATION_S + 15.0)


async def notify_while_away(stage: Stage) -> None:
    """The message is played; when it is time to hang up, the manager is not there."""
    await stage.client.initiate("notify-1", FAR_AWAY, message="your parcel is here")
    await stage.quiet()
    await stage.manager.stop()
    stage.provider.connect(None)
    await asyncio.sleep(5.0)
    stage.manager = await stage.reboot()
    await stage.later(2.0)


async def hostile(stage: Stage) -> None:
    """Requests that must be refused, around a call of somebody who may."""
    provider = stage.provider
    call = provider.ring(FRIEND)
    await stage.quiet()
    forged = {"id": "forged-1", "type": "call.ringing", "callId": "forged", "direction": "inbound", "from": FRIEND}
    body = msgspec.json.encode({"event": forged | {"providerCallId": "forged", "timestamp": 1}})
    genuine = {SIGNATURE: signature(body), "content-type": "application/json"}
    end = msgspec.json.encode(
        {"event": {"id": "forged-2", "type": "call.ended", "callId": call, "providerCallId": call, "reason": "error"}}
    )
    large = body[:-1] + b" " * BODY_LIMIT + b"}"
    await provider.knock("path", WEBHOOK_PATH + "s", body, genuine)
    await provider.knock("path-below", WEBHOOK_PATH + "/x", body, genuine)
    await provider.knock("method", WEBHOOK_PATH, body, genuine, method="PUT")
    await provider.knock("size", WEBHOOK_PATH, large, {SIGNATURE: signature(large)})
    await provider.knock("signature", WEBHOOK_PATH, body, {SIGNATURE: signature(b"other")})
    await provider.knock("no-signature", WEBHOOK_PATH, end, {})
    await provider.knock("no-json", WEBHOOK_PATH, b"{", {SIGNATURE: signature(b"{")})
    provider.say(call, "it was me")
    await stage.quiet()
    provider.leave(call)
    await stage.quiet()


HOSTILE_STATUS: Final = {
    "path": 404,
    "path-below": 404,
    "method": 405,
    "size": 413,
    "signature": 401,
    "no-signature": 401,
    "no-json": 400,
}
"""What each hostile request must be answered (catalogue 8.8)."""


async def stranger(stage: Stage) -> None:
    """A caller whom the policy rejects; the first hang-up does not get through, and the provider repeats itself."""
    provider = stage.provider
    provider.fail("hang_up", "unavailable")
    call = provider.ring(STRANGER, stays=True)
    await stage.quiet()
    provider.duplicate(f"{call}-1")
    await stage.later(2.0)
    provider.duplicate(f"{call}-1")
    await stage.quiet()


async def long_call(stage: Stage) -> None:
    """A caller who never hangs up: the cap ends the call, although the first hang-ups do not get through."""
    provider = stage.provider
    call = provider.ring(FRIEND, stays=True)
    await stage.quiet()
    provider.pick_up(call)
    await stage.quiet()
    provider.fail("hang_up", "unavailable", times=2)
    await stage.later(30.0)
    provider.repeat_answer(call)
    await stage.later(36.0)


async def lost_dial(stage: Stage) -> None:
    """The answer to a dial gets lost; the events come nevertheless. Another dial is refused."""
    provider, client = stage.provider, stage.client
    provider.fail("dial", "unanswered")
    await client.initiate("lost-1", FAR_AWAY, message="it is me")
    provider.fail("dial", "refused")
    await client.initiate("no-1", OTHER_FRIEND)
    await stage.quiet()
    await stage.later(3.0)


async def busy(stage: Stage) -> None:
    """The person we call is on the phone; somebody who calls us gives up before we answer."""
    provider = stage.provider
    await stage.client.initiate("busy-1", FAR_AWAY, message="call me back")
    await stage.quiet()
    call = provider.ring(OTHER_FRIEND)
    await stage.quiet()
    provider.leave(call, "no-answer")
    await stage.quiet()


async def lost_end(stage: Stage) -> None:
    """The report of an end gets lost for good: the manager finds out by asking."""
    provider = stage.provider
    call = provider.ring(FRIEND)
    await stage.quiet()
    provider.pick_up(call)
    await stage.quiet()
    provider.leave(call)
    provider.lose()
    await stage.later(POLL_S + 2.0)


async def batches(stage: Stage) -> None:
    """Events travel together, in another order, and answers get lost."""
    provider = stage.provider
    call = provider.ring(FRIEND)
    provider.pick_up(call)
    provider.say(call, "all at once")
    provider.batch(3)
    provider.lose_answers(1)
    await stage.quiet(3.0)
    provider.say(call, "first")
    provider.press(call, "7")
    provider.say(call, "second")
    provider.reorder()
    await stage.quiet()
    provider.say(call, "overtaken by the end")
    provider.leave(call)
    provider.reorder()
    provider.lose_answers(1)
    await stage.quiet(3.0)


WORKLOADS: Final[dict[str, Workload]] = {
    "inbound": Workload(inbound),
    "notify": Workload(notify),
    "conversation": Workload(conversation),
    "two-calls": Workload(two_calls),
    "at-once": Workload(at_once, settings={"max_concurrent_calls": 1}),
    "across-restart": Workload(across_restart),
    "compaction": Workload(compaction, settings={"compact_after_lines": 4, "inbound_greeting": ""}),
    "full-disk": Workload(full_disk, plan=FaultPlan(faults=(), budget=1_700), faults=False),
    "full-disk-dial": Workload(full_disk_dial, plan=FaultPlan(faults=(), budget=300), faults=False),
    "full-disk-batch": Workload(full_disk_batch, plan=FaultPlan(faults=(), budget=700), faults=False),
    "short-write": Workload(
        brief_fault,
        settings={"inbound_greeting": ""},
        plan=FaultPlan((Fault(("write",), LOG, occurrence=3, keep=100, errno="ENOSPC"),)),
        faults=False,
    ),
    "failed-sync": Workload(
        brief_fault,
        settings={"inbound_greeting": ""},
        plan=FaultPlan((Fault(("fsync",), LOG, occurrence=4, errno="EIO"),)),
        faults=False,
    ),
    "unreadable-log": Workload(
        unreadable_log,
        settings={"inbound_greeting": ""},
        plan=FaultPlan((Fault(("read",), LOG, occurrence=2, errno="EIO"),)),
        faults=False,
    ),
    "overlap": Workload(overlap, settings={"inbound_greeting": ""}, faults=False),
    "successor": Workload(successor, settings={"inbound_greeting": ""}, faults=False),
    "stop-in-flight": Workload(stop_in_flight, settings={"inbound_greeting": ""}, faults=False),
    "cap-on-a-bad-disk": Workload(
        cap_is_reached,
        settings={"inbound_greeting": ""},
        plan=FaultPlan((Fault(("write",), LOG, occurrence=3, keep=100, errno="ENOSPC"),)),
        faults=False,
    ),
    "notify-while-away": Workload(notify_while_away, faults=False),
    "hostile": Workload(hostile, settings={"inbound_greeting": ""}),
    "stranger": Workload(stranger),
    "long-call": Workload(long_call),
    "lost-dial": Workload(lost_dial),
    "busy": Workload(busy, callee=Callee("busy")),
    "lost-end": Workload(lost_end, policy=AT_MOST_ONCE, faults=False),
    "batches": Workload(batches, settings={"inbound_greeting": ""}),
    "inbound@at-most-once": Workload(inbound, policy=AT_MOST_ONCE),
    "inbound@connect-retry": Workload(inbound, policy=CONNECT_RETRY, faults=False),
    "inbound@long-horizon": Workload(inbound, policy=LONG_HORIZON, faults=False),
}


def workload(name: str) -> Workload:
    try:
        return WORKLOADS[name]
    except KeyError:
        raise ValueError(f"workload={name!r} is not known: use one of {', '.join(WORKLOADS)}") from None


def plan_for(name: str) -> FaultPlan | None:
    """The faults that belong to a workload itself."""
    return workload(name).plan
