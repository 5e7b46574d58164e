"""Saying things and asking things. One voice: what is said in a call is said one after the other.

That it is begun is true before it is heard, how it came out afterwards; in between, a death leaves it begun, and the next
manager says that it was interrupted. Nothing is said twice.
"""

import asyncio
from contextlib import suppress

import msgspec

from scenarios.voice_call.ideal import facts
from scenarios.voice_call.ideal.book import Call, Question
from scenarios.voice_call.ideal.desk import Desk
from scenarios.voice_call.ideal.facts import AnyFact
from scenarios.voice_call.manager.provider_client import ProviderRefused, ProviderUnavailable
from scenarios.voice_call.manager.store import StoreUnavailable
from scenarios.voice_call.manager.switchboard import CallEnded, CallNotConnected, CallNotFound, TurnInProgress


class Turn(msgspec.Struct, frozen=True):
    """How a question ended (`outcome`: the phase of `book.Question`), and its answer."""

    outcome: str
    turn_token: str
    text: str | None = None


class Speech:
    """See the module's text."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._voices: dict[str, asyncio.Lock] = {}
        self._awaited: dict[str, tuple[str, asyncio.Future[Turn]]] = {}
        desk.followers.append(self._tell)

    def connected(self, any_name: str) -> Call:
        """The live call of this name. Raises CallNotFound, CallEnded or CallNotConnected."""
        call = self.desk.book.find(any_name)
        if call is None or call.standing != "call":
            raise CallNotFound(f"no call {any_name!r} is known: history() has those that are")
        if not call.live:
            raise CallEnded(f"call {call.name} has ended: {call.reason}")
        if call.remote is None:
            raise CallNotConnected(f"call {call.name} has no name at the provider yet: wait until it rings")
        return call

    async def speak(self, any_name: str, text: str) -> None:
        """Say something. Raises as `connected` does, ProviderRefused, ProviderUnavailable, StoreUnavailable."""
        name = self.connected(any_name).name
        async with self._voice(name):
            self.connected(name)
            await self._say(name, text, f"say/{self.desk.next_number()}")

    async def greet(self, name: str) -> None:
        """Say the first message, if nobody has begun to. A notification ends a little later, heard or not."""
        async with self._voice(name):
            call = self.desk.call(name)
            if not call.staying or call.greeting != "queued" or call.message is None:
                return
            with suppress(ProviderRefused, ProviderUnavailable):
                await self._say(name, call.message, f"greet/{name}", greeting=True)

    async def ask(self, any_name: str, prompt: str) -> Turn:
        """Ask something, and wait for the answer. Raises as `speak` does, and TurnInProgress."""
        call = self.connected(any_name)
        name = call.name
        if call.question is not None and call.question.open:
            raise TurnInProgress(f"call {name} waits for the answer to {call.question.prompt!r}")
        token = f"turn/{self.desk.next_number()}"
        answer: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._awaited[token] = (name, answer)
        try:
            self.desk.commit([facts.Asked(call=name, at=self.desk.now(), token=token, prompt=prompt)])
            await self._question(name, token, prompt)
            turn = await answer
        except BaseException:
            self._drop(name, token, "failed")
            raise
        finally:
            del self._awaited[token]
        await self._stop_listening(name)
        return turn

    async def _question(self, name: str, token: str, prompt: str) -> None:
        async with self._voice(name):
            if self._open(name, token) is None:
                return
            await self._say(name, prompt, token)
        if self._open(name, token) is None:
            return
        now = self.desk.now()
        until = now + self.desk.config.transcript_wait_ms
        self.desk.commit([facts.Listening(call=name, at=now, token=token, until=until)])
        remote = self.desk.call(name).remote
        assert remote is not None
        await self.desk.ask(self.desk.client.listen(remote, turn_token=token))

    async def _stop_listening(self, name: str) -> None:
        """As well as it goes: nobody relies on it."""
        call = self.desk.call(name)
        if call.live and call.remote is not None:
            with suppress(ProviderRefused, ProviderUnavailable):
                await self.desk.ask(self.desk.client.stop_listening(call.remote))

    async def _say(self, name: str, text: str, key: str, *, greeting: bool = False) -> None:
        """The caller has the voice of this call."""
        desk = self.desk
        remote = desk.call(name).remote
        assert remote is not None
        desk.commit([facts.SpeechBegun(call=name, at=desk.now(), key=key, text=text, greeting=greeting)])
        try:
            await desk.ask(desk.client.play(remote, text, key=key))
        except (ProviderRefused, ProviderUnavailable):
            desk.commit([self.over(desk.call(name), "failed")])
            raise
        desk.commit([self.over(desk.call(name), "done")])

    def over(self, call: Call, how: str) -> AnyFact:
        """The fact that what is being said in a call came out so."""
        begun, now = call.mouth, self.desk.now()
        assert begun is not None
        hang_up_at = None
        if begun.greeting and call.mode == "notify":
            hang_up_at = now + self.desk.config.notify_hang_up_delay_ms
        return facts.SpeechOver(
            call=call.name, at=now, key=begun.key, text=begun.text, how=how, greeting=begun.greeting,
            hang_up_at=hang_up_at,
        )  # fmt: skip

    # -- questions that close -------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Nobody will be here for the answers."""
        for token, (name, _) in list(self._awaited.items()):
            self._drop(name, token, "interrupted")

    def _open(self, name: str, token: str) -> Question | None:
        question = self.desk.call(name).question
        return question if question is not None and question.token == token and question.open else None

    def _drop(self, name: str, token: str, how: str) -> None:
        if self._open(name, token) is None:
            return
        try:
            self.desk.commit([facts.Dropped(call=name, at=self.desk.now(), token=token, how=how)])
        except StoreUnavailable as error:
            self.desk.log.warning("question-left-open", call=name, why=str(error))  # the next start closes it

    def _tell(self) -> None:
        """Whoever waits for a question that is closed now."""
        for token, (name, answer) in self._awaited.items():
            question = self.desk.call(name).question
            if question is not None and question.token == token and not question.open and not answer.done():
                answer.set_result(Turn(question.phase, token, question.answer))

    def _voice(self, name: str) -> asyncio.Lock:
        return self._voices.setdefault(name, asyncio.Lock())
