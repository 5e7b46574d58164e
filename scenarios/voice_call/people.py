"""The people on the provider's lines, and who else reaches the subject without being asked.

They ring, pick up, talk, press keys and leave; strangers knock. What they do leaves a mark "world", which comes first,
and the change after it. A call that is gone does nothing more.
"""

from collections.abc import Collection
from typing import Any, Final

from scenarios.voice_call.asgi import AT_ONCE, Pace, send_request
from scenarios.voice_call.media import Streams
from scenarios.voice_call.remote import Happening, Plan, RemoteCall

OUR_NUMBER: Final = "+15550000000"
FOREIGN: Final = "+15553333333"
"""Whom others call over the same account."""


class People(Streams):
    """Everybody outside who is no program of the provider's. `Provider` derives from it and obeys the subject."""

    def remote(self, call: str) -> RemoteCall:
        try:
            return self.outer.calls[call]
        except KeyError:
            known = ", ".join(self.outer.calls) or "none"
            raise KeyError(f"no remote call {call!r}: the provider knows {known}") from None

    def ring(
        self,
        from_: str = "+15551111111",
        *,
        to: str = OUR_NUMBER,
        stays: bool = False,
        heard: bool = True,
        without: Collection[str] = (),
    ) -> str:
        """Somebody calls us; the id of the new call. `heard`: an event says so, although not all of it."""
        call = f"in-{sum(one.direction == 'inbound' for one in self.outer.calls.values()) + 1}"
        self.run.mark("world", f"ring:{call}")
        self.outer.calls[call] = RemoteCall(call, "inbound", from_, to, self.run.now(), stays=stays)
        if heard:
            self._happen(call, "call.ringing", without)
        return call

    def pick_up(self, call: str) -> Happening | None:
        """The call is connected: by our side if somebody called us, by the person we called otherwise."""
        remote = self.remote(call)
        if not remote.alive or remote.answered_at is not None:
            return None
        self.run.mark("world", f"answer:{call}")
        remote.answered_at = self.run.now()
        wants: dict[str, Any] = {} if self.outer.media is None else {"wantsStream": True}
        return self._happen(call, "call.answered", **wants)

    def say(self, call: str, text: str, turn_token: str | None = None) -> Happening | None:
        """The person says something; a call that is gone says nothing. `turn_token`: it answers an earlier turn."""
        remote = self.remote(call)
        if not remote.alive:
            return None
        self.run.mark("world", f"say:{call}")
        spoken_in = turn_token or remote.turn_token
        token = {} if spoken_in is None else {"turnToken": spoken_in}
        event = self._event(call, "call.speech", transcript=text, isFinal=True, confidence=0.9, **token)
        if self.outer.media is not None:
            self._utter(event)
        else:
            self._enqueue([event.id], event.at)
        return event

    def press(self, call: str, digits: str) -> Happening | None:
        """The person presses keys."""
        if not self.remote(call).alive:
            return None
        self.run.mark("world", f"press:{call}")
        return self._happen(call, "call.dtmf", digits=digits)

    def rename(self, call: str) -> Happening | None:
        """From now on the provider calls it by another id, and says so with its next event; it answers to both."""
        if not self.remote(call).alive or call in self.outer.renamed.values():
            return None
        self.run.mark("world", f"rename:{call}")
        self.outer.renamed[f"{call}-anew"] = call
        return self._happen(call, "call.active")

    def tell(self, call: str, kind: str, without: Collection[str] = (), **fields: Any) -> Happening:
        """The provider reports something of its own; `without`: what it leaves out."""
        return self._happen(call, kind, without, **fields)

    def foreign(self, call: str, kind: str, **fields: Any) -> None:
        """An event about a call that was made over the same account, and is none of the manager's."""
        self.outer.calls[call] = RemoteCall(call, "", FOREIGN, FOREIGN, self.run.now(), events=self.outer.numbered)
        event = self._event(call, kind, **fields)
        if "direction" not in fields:
            del event.body["direction"]
        del self.outer.calls[call]
        self._enqueue([event.id], event.at)

    def forget_after(self, seconds: float) -> None:
        """From here on the judge knows that a call which ended longer ago need not be remembered."""
        self.outer.horizon_s = seconds
        self._changed()

    def speak_plainly(self) -> None:
        """From now on every end that we ask for is reported as completed."""
        self.outer.plain_ends = True
        self._changed()

    def keep_keys_to_itself(self) -> None:
        """From now on events do not say under which key a call was dialled."""
        self.outer.keys_stay = True
        self._changed()

    def leave(
        self, call: str, reason: str = "hangup-user", *, says: dict[str, Any] | None = None, **fields: Any
    ) -> Happening | None:
        """The person hangs up, or never answers: the call ends with `reason`. `says`: what the report says instead."""
        remote = self.remote(call)
        if not remote.alive:
            return None
        self.run.mark("world", f"end:{call}", reason=reason)
        return self._end(remote, reason, **fields, **(says or {}))

    def plan(self, call: str, action: str, after_s: float, reason: str = "") -> None:
        """What a person will do in a while: "answer", "repeat-answer" or "leave"."""
        self.outer.plans.append(Plan(self.run.now() + after_s, call, action, reason))
        self._changed()

    def repeat_answer(self, call: str) -> Happening | None:
        """The provider reports the same answer once more, under an id of its own and a later time."""
        remote = self.remote(call)
        if not remote.alive or remote.answered_at is None:
            return None
        return self._happen(call, "call.answered")

    def live_calls(self) -> list[RemoteCall]:
        return [remote for remote in self.outer.calls.values() if remote.alive]

    async def knock(
        self,
        name: str,
        path: str,
        body: bytes,
        headers: dict[str, str],
        method: str = "POST",
        pace: Pace = AT_ONCE,
    ) -> None:
        """A stranger sends a request of their own making; events "hostile:<name>" tell how it was answered."""
        self.run.mark("attempted", f"hostile:{name}")
        answer = None
        if self._application is not None:
            answer = await send_request(self._application, path, body, headers, method=method, pace=pace)
        status = 0 if answer is None else answer.status
        accepted = answer is not None and answer.accepted
        self.run.mark("acknowledged" if accepted else "refused", f"hostile:{name}", status=status)
        self.outer.knocks[name] = status
        self._changed()

    def _end(self, remote: RemoteCall, outcome: str, **fields: Any) -> Happening:
        remote.alive = False
        remote.ended_at = self.run.now()
        remote.reason = outcome
        remote.turn_token = None
        self.outer.plans = [plan for plan in self.outer.plans if plan.call != remote.id]
        says = "completed" if self.outer.plain_ends and outcome == "hangup-bot" else outcome
        return self._happen(remote.id, "call.ended", **{"reason": says, **fields})

    # -- what Deliveries asks ----------------------------------------------------------------------------------------

    def _owes(self, event: Happening) -> bool:
        remote = self.outer.calls.get(event.call)
        if remote is None:
            return False
        if event.kind == "call.ended":
            return True
        return remote.alive and remote.given_up_at is None

    def _carry_out(self, call: str, action: str, reason: str) -> None:
        if action == "answer":
            self.pick_up(call)
        elif action == "leave":
            self.leave(call, reason)
        elif action == "ask":
            self._ask_for_stream(call)
        else:
            self.repeat_answer(call)
