"""What the manager's own clients ask for: calls and their ends. (What is said in them: `speech`.)"""

import asyncio
from typing import Final

import msgspec

from scenarios.voice_call.ideal import facts
from scenarios.voice_call.ideal.book import OVER, Call
from scenarios.voice_call.ideal.desk import Desk
from scenarios.voice_call.ideal.facts import AnyFact
from scenarios.voice_call.ideal.rounds import Rounds
from scenarios.voice_call.manager.provider_client import ProviderRefused, ProviderUnavailable
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.manager.switchboard import CallNotFound

_NO_NUMBER: Final = "+15550000000"


class Outcome(msgspec.Struct, frozen=True):
    """`outcome` of a dial: created, refused or unknown; of an end: ended or ending."""

    outcome: str
    call_id: str | None
    reason: str | None = None


class Requests:
    """Initiate and end."""

    def __init__(self, desk: Desk, rounds: Rounds) -> None:
        self.desk = desk
        self.rounds = rounds

    async def initiate(
        self, to: str, message: str | None, mode: str, session_key: str | None, key: str | None
    ) -> Outcome:
        """Call somebody. The same key is the same call. Raises StoreUnavailable: then nobody was dialled."""
        desk = self.desk
        if mode not in ("notify", "conversation"):
            raise ValueError(f"mode={mode!r} is no way to call somebody: use 'notify' or 'conversation'")
        known = desk.book.by_key(key)
        if known is not None:
            return self.outcome_of(known)
        refusal = self.refusal(to)
        if refusal is not None:
            desk.log.info("initiate-refused", why=refusal)
            return Outcome("refused", None, refusal)
        own_number = self.own_number()
        assert own_number is not None
        name, now = desk.book.next_name(), desk.now()
        wanted = facts.Wanted(
            call=name,
            at=now,
            key=key or f"dial/{desk.next_number()}",
            to=to,
            own_number=own_number,
            mode=mode,
            message=message,
            session_key=session_key,
            answer_by=now + desk.config.ring_timeout_ms,
            ring_until=now + desk.config.unanswered_ms,
        )
        desk.dialling.add(name)  # before the rounds see it: what became of this dial, we shall be told
        try:
            desk.commit([wanted])
            return await self.dial(wanted)
        finally:
            desk.dialling.discard(name)
            self.rounds.look()

    def own_number(self) -> str | None:
        """The number we call from; a provider without telephones needs none of its own."""
        return self.desk.config.from_number or (_NO_NUMBER if self.desk.client.name == "mock" else None)

    def refusal(self, to: str) -> str | None:
        """Why nobody may be called now."""
        config = self.desk.config
        if self.own_number() is None:
            return "no from_number is configured"
        if len(self.desk.book.occupying()) >= config.max_concurrent_calls:
            return f"all {config.max_concurrent_calls} lines are in use"
        since = self.desk.now() - config.dial_window_ms
        lately = [one for one in self.desk.book.calls.values() if one.key and one.callee == to and one.began > since]
        if len(lately) >= config.max_dials_per_destination:
            return f"this number was dialled {len(lately)} times lately"
        return None

    async def dial(self, wanted: facts.Wanted) -> Outcome:
        """Dial, and write down what is known of it then."""
        desk, name = self.desk, wanted.call
        ring_ms = desk.config.ring_timeout_ms
        try:
            dialled = await desk.ask(
                desk.client.dial(
                    key=wanted.key, to=wanted.to, from_=wanted.own_number, ring_timeout_ms=ring_ms, message=None
                )
            )
            result, reason, remote = "created", None, dialled.provider_call_id
        except ProviderRefused as error:
            result, reason, remote = "refused", str(error), None
        except ProviderUnavailable as error:
            result, reason, remote = "unknown", str(error), None
        try:
            desk.commit(self.dialled(desk.call(name), result, remote))
        except StoreUnavailable as error:  # it may ring: the next manager will find it by its key
            return Outcome("unknown", name, str(error))
        if result == "created":
            return self.outcome_of(desk.call(name))
        return Outcome(result, name, reason)

    def dialled(self, call: Call, result: str, remote: str | None) -> list[AnyFact]:
        """The facts in the answer to a dial; an event may have been faster."""
        now = self.desk.now()
        if call.remote is None:
            named = [] if remote is None else [facts.Named(call=call.name, at=now, remote=remote)]
            return [*named, facts.Dialled(call=call.name, at=now, outcome=result)]
        if remote in (None, call.remote, *call.other_names):
            return []
        assert remote is not None
        return [facts.AlsoNamed(call=call.name, at=now, remote=remote)]

    def outcome_of(self, call: Call) -> Outcome:
        """What somebody is told who asks for this call again."""
        if call.must_be_found:
            return Outcome("unknown", call.name, "the provider has not told yet what became of the dial")
        if call.dial == "refused":
            return Outcome("refused", call.name, call.reason)
        return Outcome("created", call.name)

    async def end(self, any_name: str, reason: str) -> Outcome:
        """End a call. Raises CallNotFound or StoreUnavailable; a call that is over is a success."""
        desk = self.desk
        call = desk.book.find(any_name)
        if call is None or call.standing != "call":
            raise CallNotFound(f"no call {any_name!r} is known: history() has those that are")
        name, now = call.name, desk.now()
        if call.live and call.remote is None:
            desk.commit([facts.Abandoned(call=name, at=now)])
        elif call.staying:
            known = reason if reason in OVER else "hangup-bot"  # a word nobody knows is no state
            desk.commit([facts.Leaving(call=name, at=now, reason=known)])
        errand = self.rounds.of(name, "hang-up")
        if errand is not None:
            await asyncio.wait([errand])
        call = desk.call(name)
        return Outcome("ending" if call.live else "ended", name, call.reason or call.leaving)
