"""The telephony provider, with the people on its lines: lives outside the process, survives its death, redelivers.

It implements the manager's `ProviderClient` and is the scenario's `World`. All it knows is one tree of records
(`remote.Outer`): a snapshot is one encoding, and a restore finds each request that was in flight broken off.

Each effect leaves a mark "effect" whose event is the idempotency key; what people do leaves a mark "world". A mark
comes first and the change after it, so that a death at the mark is a death before the change.

Modelled: dials that are idempotent by key for ever, hang-ups of calls that are gone, prompts refused by calls that are
gone, answers that get lost, calls that are renamed, media streams (`media`). Not modelled: audio, costs, a provider
that forgets its calls.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from scenarios.voice_call.deliveries import SIGNATURE, signature
from scenarios.voice_call.manager.plain_frames import plain_answer, plain_heard, read_plain_frame
from scenarios.voice_call.manager.provider_client import (
    CallStatus,
    DialResult,
    ProviderRefused,
    ProviderRequest,
    ProviderUnavailable,
    StatusAnswer,
    StreamFrame,
    StreamGrant,
    WebAnswer,
)
from scenarios.voice_call.people import People
from scenarios.voice_call.policy import RETRY_NON_2XX, Policy
from scenarios.voice_call.remote import (
    Callee,
    CommandFault,
    Effect,
    Look,
    Noticed,
    Outer,
    Played,
    RemoteCall,
    Request,
)
from scenarios.voice_call.remote_media import Media

COMMANDS: Final = ("dial", "hang_up", "play", "listen", "stop_listening", "status", "find_by_key")
FAULT_MODES: Final = ("refused", "unavailable", "unanswered", "slow", "late")
_MAY_REFUSE: Final = frozenset({"dial", "play"})


class Provider(People):
    """See the module's text. `policy` is how it redelivers, `callee` how the people it dials behave."""

    name = "mock"

    def __init__(
        self,
        policy: Policy = RETRY_NON_2XX,
        callee: Callee | None = None,
        workload: str = "",
        media: Media | None = None,
    ) -> None:
        super().__init__(Outer(policy=policy, callee=callee or Callee(), workload=workload, media=media))

    # -- what else lives outside -----------------------------------------------------------------------------------

    def remember(self, request: Request) -> None:
        """What the client of the manager's interface knows about one of its requests."""
        self.outer.requests[request.name] = request
        self._changed()

    def saw(self, look: Look) -> None:
        """What a reader of the manager's interface was shown."""
        self.outer.looks.append(look)
        self._changed()

    def notice(self, what: Noticed) -> None:
        """Somebody who watches has seen a promise broken in the middle of a story."""
        if what not in self.outer.noticed:
            self.outer.noticed.append(what)
            self._changed()

    def damaged(self, call: str) -> None:
        """The medium is about to change a record of this call; the promises take it into account."""
        self.outer.damaged.append(call)
        self._changed()

    def on_an_ample_disk(self) -> None:
        """From now on the judge knows that the disk is small, and large enough for what happens."""
        self.outer.ample = True
        self._changed()

    def set_clock(self, off_s: float) -> None:
        """Somebody sets the wall clock of the manager's machine; it is off by this much from now on."""
        self.outer.clock_off_s = off_s
        self._changed()

    def was_alone(self, seconds: float) -> None:
        """For so long there was no manager that anybody could have expected anything of."""
        self.outer.away_s += seconds
        self._changed()

    def configure(self, *, elsewhere: bool) -> None:
        """The operator sets the manager to another provider, or back to this one; it counts from the next start."""
        self.outer.elsewhere = elsewhere
        self._changed()

    def fresh_id(self) -> str:
        """An id that no life of the subject got before: randomness comes from outside, and is never repeated."""
        self.outer.ids += 1
        self._changed()
        return f"id-{self.outer.ids:04d}"

    # -- faults ---------------------------------------------------------------------------------------------------

    def fail(self, command: str, mode: str, times: int = 1, delay_s: float = 0.0) -> None:
        """The next `times` calls of `command` ("*": any) fail; modes as in `remote.CommandFault`."""
        if command != "*" and command not in COMMANDS:
            raise ValueError(f"command={command!r} is no provider command: use one of {', '.join(COMMANDS)} or '*'")
        if mode not in FAULT_MODES:
            raise ValueError(f"mode={mode!r} is no way to fail: use one of {', '.join(FAULT_MODES)}")
        self.outer.faults.append(CommandFault(command, mode, times, delay_s))
        self._changed()

    def lift_faults(self) -> None:
        """From now on every command works and every answer arrives."""
        if self.outer.faults or self.outer.lose_answers:
            self.outer.faults = []
            self.outer.lose_answers = 0
            self._changed()

    # -- ProviderClient: the webhook ---------------------------------------------------------------------------------

    def verify(self, request: ProviderRequest) -> bool:
        return request.headers.get(SIGNATURE) == signature(request.body)

    def parse(self, request: ProviderRequest) -> list[dict[str, Any]]:
        document = json.loads(request.body)  # as lenient as JSON is: what is in it is for the manager to judge
        if not isinstance(document, dict):
            raise ValueError(f"webhook body is a {type(document).__name__}: expected an object with event or events")
        entries = document.get("events", [document["event"]] if "event" in document else [])
        if not isinstance(entries, list):
            raise ValueError(f"webhook events is a {type(entries).__name__}: expected a list")
        return entries

    def is_signed(self, headers: Mapping[str, str]) -> bool:
        return SIGNATURE in headers

    def answer(self, request: ProviderRequest, grants: Sequence[StreamGrant]) -> WebAnswer:
        return plain_answer(grants)

    def read_frame(self, raw: str) -> StreamFrame:
        return read_plain_frame(raw)

    def heard(self, frame_id: str) -> str:
        return plain_heard(frame_id)

    # -- ProviderClient: commands ------------------------------------------------------------------------------------

    async def dial(self, *, key: str, to: str, from_: str, ring_timeout_ms: int, message: str | None) -> DialResult:
        fault = await self._before("dial")
        known = next((one for one in self.outer.calls.values() if one.key == key), None)
        if known is None:
            known = self._dialled(key, to, from_, message)
        await self._after("dial", fault)
        return DialResult(known.id)

    def _dialled(self, key: str, to: str, from_: str, message: str | None) -> RemoteCall:
        call = f"out-{sum(one.direction == 'outbound' for one in self.outer.calls.values()) + 1}"
        callee = self.outer.callee
        self._effect(key, "dial", call, to)
        remote = RemoteCall(call, "outbound", from_, to, self.run.now(), key=key, stays=callee.stays)
        self.outer.calls[call] = remote
        ours = [one for one in self.live_calls() if one.direction == "outbound" and one.given_up_at is None]
        self.outer.most_dialled_at_once = max(self.outer.most_dialled_at_once, len(ours))
        if message is not None:
            remote.played.append(Played(key, message, self.run.now()))
        self._happen(call, "call.ringing")
        if callee.outcome == "answer":
            self.plan(call, "answer", callee.after_s)
        else:
            self.plan(call, "leave", callee.after_s, callee.outcome)
        return remote

    async def hang_up(self, provider_call_id: str, *, key: str) -> bool:
        remote = self._known(provider_call_id)
        if remote is not None and remote.given_up_at is None:
            remote.given_up_at = self.run.now()
            self._changed()
        fault = await self._before("hang_up")
        ended = remote is not None and remote.alive
        if remote is not None and remote.alive:
            self._effect(key, "hangup", remote.id, "")
            self._end(remote, "hangup-bot")
        await self._after("hang_up", fault)
        return ended

    async def play(self, provider_call_id: str, text: str, *, key: str) -> None:
        fault = await self._before("play")
        remote = self._on_the_line(provider_call_id)
        self._effect(key, "play", remote.id, text)
        remote.played.append(Played(key, text, self.run.now()))
        self._changed()
        await self._after("play", fault)

    async def listen(self, provider_call_id: str, *, turn_token: str) -> None:
        fault = await self._before("listen")
        remote = self._on_the_line(provider_call_id)
        remote.turn_token = turn_token
        self._changed()
        await self._after("listen", fault)

    async def stop_listening(self, provider_call_id: str) -> None:
        fault = await self._before("stop_listening")
        remote = self._known(provider_call_id)
        if remote is not None and remote.turn_token is not None:
            remote.turn_token = None
            self._changed()
        await self._after("stop_listening", fault)

    async def status(self, provider_call_id: str) -> StatusAnswer:
        fault = await self._before("status")
        await self._after("status", fault)
        remote = self._known(provider_call_id)
        if remote is None:
            return StatusAnswer(CallStatus.NOT_FOUND)
        if remote.alive:
            return StatusAnswer(CallStatus.IN_PROGRESS)
        return StatusAnswer(CallStatus.ENDED, remote.reason)

    async def find_by_key(self, key: str) -> str | None:
        fault = await self._before("find_by_key")
        await self._after("find_by_key", fault)
        return next((one.id for one in self.outer.calls.values() if one.key == key), None)

    # -- how commands fail -------------------------------------------------------------------------------------------

    async def _before(self, command: str) -> CommandFault | None:
        """The fault that this command meets; raises when it keeps the effect from happening."""
        fault = next((one for one in self.outer.faults if one.command in ("*", command) and one.times > 0), None)
        if fault is None:
            return None
        fault.times -= 1
        self.outer.failed_commands += 1
        if fault.times == 0:
            self.outer.faults.remove(fault)
        self._changed()
        if fault.mode == "refused" and command in _MAY_REFUSE:
            raise ProviderRefused(f"{command}: refused by the provider")
        if fault.mode in ("refused", "unavailable"):
            raise ProviderUnavailable(f"{command}: the provider does not answer")
        if fault.mode == "late":
            await asyncio.sleep(fault.delay_s)
        return fault

    async def _after(self, command: str, fault: CommandFault | None) -> None:
        if fault is None:
            return
        if fault.delay_s > 0 and fault.mode != "late":
            await asyncio.sleep(fault.delay_s)
        if fault.mode == "unanswered":
            raise ProviderUnavailable(f"{command}: the answer got lost")

    def _known(self, call: str) -> RemoteCall | None:
        return self.outer.calls.get(self.outer.renamed.get(call, call))

    def _on_the_line(self, call: str) -> RemoteCall:
        remote = self._known(call)
        if remote is None or not remote.alive:
            raise ProviderRefused(f"call {call} is not in progress")
        return remote

    def _effect(self, key: str, kind: str, call: str, payload: str) -> None:
        self.run.mark("effect", key, what=kind, call=call)
        self.outer.effects.append(Effect(key, kind, call, payload, self.run.now()))
        self._changed()
