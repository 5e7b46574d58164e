"""Speaking, asking and greeting. Audio is preceded by a durable attempt and followed by a durable result.

The guarantee for audio is at most once: after a crash between attempt and result nobody knows whether it was
heard, and it is not repeated (`repeat_greeting_after_crash` chooses otherwise for the greeting). A question
is a turn with a token of its own; only speech that carries the token answers it.
"""

import asyncio

import msgspec
from msgspec.structs import replace

from scenarios.voice_call.manager.lifecycle import (
    NOTIFY_HANG_UP,
    TRANSCRIPT,
    close_turn,
    is_live,
    move,
    said,
    said_once,
    silent,
    with_deadline,
)
from scenarios.voice_call.manager.provider_client import ProviderRefused, ProviderUnavailable
from scenarios.voice_call.manager.records import CallRecord, TranscriptLine, Turn
from scenarios.voice_call.manager.switchboard import Switchboard, TurnInProgress
from scenarios.voice_call.manager.unwritten import Unwritten


class TurnResult(msgspec.Struct, frozen=True):
    """`outcome`: answered, timed-out, ended, failed or interrupted. `text` is the answer."""

    outcome: str
    turn_token: str
    text: str | None = None


class Speaking:
    """Speak, continue, greet."""

    def __init__(self, desk: Switchboard) -> None:
        self.desk = desk
        self.unwritten = Unwritten(desk)
        self._waiters: dict[str, tuple[str, asyncio.Future[TurnResult]]] = {}
        self._heard: dict[str, str] = {}

    # --- speak ---------------------------------------------------------------------------------------------------

    async def speak(self, any_id: str, text: str) -> None:
        """Say something. Raises CallNotFound, CallEnded, CallNotConnected, Provider*, StoreUnavailable."""
        self.desk.journal.ensure_writable()
        record = self.desk.connected(any_id)
        key = f"speak:{record.call_id}:{self.desk.new_id()}"
        after = replace(move(record, "speaking"), playing=key)
        self.desk.journal.commit(record, after, "speak-started")
        await self.play(record.call_id, text, key)

    async def play(self, call_id: str, text: str, key: str) -> CallRecord:
        """Play under a durable attempt, and write down what was said.

        A failure gives the line back to the caller.
        """
        record = self.desk.again(call_id)
        try:
            await self.desk.line.play(record, text, key)
        except (ProviderRefused, ProviderUnavailable):
            self.play_failed(call_id, key)
            raise
        return self.played(call_id, text, key)

    def played(self, call_id: str, text: str, key: str) -> CallRecord:
        """What was said is in the record, and the call listens; if it ended meanwhile, it was said nevertheless."""
        since = len(self.desk.again(call_id).transcript)
        line = TranscriptLine(self.desk.journal.now(), "bot", text)
        return self.unwritten.write(call_id, lambda record: silent(said_once(record, line, since), key), "spoken")

    def play_failed(self, call_id: str, key: str) -> None:
        """Back to listening: a call does not stay in `speaking` when nothing is spoken."""
        token = key.removeprefix("turn:")
        self.unwritten.write(call_id, lambda record: abandoned(silent(record, key), token), "speak-failed")

    # --- continue ------------------------------------------------------------------------------------------------

    async def continue_call(self, any_id: str, prompt: str) -> TurnResult:
        """Ask, and wait for the answer. Raises as `speak` does, and TurnInProgress."""
        self.desk.journal.ensure_writable()
        record = self.desk.connected(any_id)
        if record.turn is not None and record.turn.open:
            raise TurnInProgress(f"call {record.call_id} has an open question; wait for its answer or end the call")
        token = self.desk.new_id()
        turn = Turn(token, "asking", prompt, self.desk.journal.now())
        waiter: asyncio.Future[TurnResult] = asyncio.get_running_loop().create_future()
        self._waiters[record.call_id] = (token, waiter)
        try:
            asking = replace(move(record, "speaking"), turn=turn, playing=f"turn:{token}")
            self.desk.journal.commit(record, asking, "turn-asking")
            await self.ask(record.call_id, token, prompt)
            result = await waiter
            await self.hush(record.call_id)
            return result
        finally:
            if self._waiters.get(record.call_id, ("", None))[0] == token:
                del self._waiters[record.call_id]
            self.abandon(record.call_id, token)

    async def ask(self, call_id: str, token: str, prompt: str) -> None:
        """Play the question, then listen. A question that could not be played is not waited for."""
        record = await self.play(call_id, prompt, f"turn:{token}")
        if record.turn is None or record.turn.token != token or not record.turn.open:
            return
        now = self.desk.journal.now()
        turn = replace(record.turn, phase="listening", listening_at=now)
        listening = replace(move(record, "listening"), turn=turn)
        due = now + self.desk.config.transcript_wait_ms
        record = self.desk.journal.commit(record, with_deadline(listening, TRANSCRIPT, due), "turn-listening")
        await self.desk.line.listen(record, token)

    def abandon(self, call_id: str, token: str) -> None:
        """Close a turn whose asker went away with an error: nobody waits for it."""
        current = self.desk.book.get(call_id)
        if current is None or current.turn is None or current.turn.token != token or not current.turn.open:
            return
        try:
            self.unwritten.write(call_id, lambda record: abandoned(record, token), "turn-failed")
        except Exception as error:
            # It is written later, or the next start closes it.
            self.desk.log.warning("turn-left-open", call=call_id, why=str(error))

    async def hush(self, call_id: str) -> None:
        """Stop listening, as well as it goes."""
        record = self.desk.book.get(call_id)
        if record is None or not is_live(record):
            return
        try:
            await self.desk.line.stop_listening(record)
        except (ProviderRefused, ProviderUnavailable) as error:
            self.desk.log.info("stop-listening-failed", call=call_id, why=str(error))

    async def turn_timed_out(self, call_id: str) -> None:
        """The transcript deadline of a turn."""
        record = self.desk.book.get(call_id)
        if record is not None:
            self.desk.log.info("turn-timed-out", call=call_id)
            self.desk.journal.commit(record, close_turn(record, "timed-out"), "turn-timed-out")

    def follow(self, record: CallRecord) -> None:
        """Tell the waiter, once the end of its turn is durable."""
        waiting = self._waiters.get(record.call_id)
        if waiting is None or record.turn is None or record.turn.token != waiting[0] or record.turn.open:
            return
        if not waiting[1].done():
            waiting[1].set_result(TurnResult(record.turn.phase, record.turn.token, record.turn.answer))

    def interrupt_all(self) -> None:
        """Answer every open turn as interrupted: this process will not be there for the answer."""
        for call_id, (token, waiter) in list(self._waiters.items()):
            record = self.desk.book.get(call_id)
            try:
                if record is not None and record.turn is not None and record.turn.token == token:
                    self.desk.journal.commit(record, close_turn(record, "interrupted"), "turn-interrupted")
                    self.desk.log.info("turn-interrupted", call=call_id)
            except Exception as error:
                self.desk.log.warning("turn-left-open", call=call_id, why=str(error))
            if not waiter.done():
                waiter.set_result(TurnResult("interrupted", token))

    # --- greeting ------------------------------------------------------------------------------------------------

    async def greet(self, call_id: str) -> None:
        """Play the first message: whoever moves the phase from queued to started owns it."""
        record = self.desk.book.get(call_id)
        if record is None or not is_live(record) or record.greeting not in ("queued", "started"):
            return
        if record.greeting == "queued":
            key = f"greeting:{call_id}"
            started = replace(move(record, "speaking"), greeting="started", playing=key)
            record = self.desk.journal.commit(record, started, "greeting-started")
            self._heard[call_id] = await self.attempt_greeting(record, key)
        # Reached again by the timer's retry when only the writing of the result failed: it is not played again.
        self.greeted(call_id, self._heard.get(call_id, "interrupted"))
        if self._heard.pop(call_id, None) == "done":
            await self.listen_after_greeting(call_id)

    async def attempt_greeting(self, record: CallRecord, key: str) -> str:
        """Play it; the phase that says how it went."""
        try:
            await self.desk.line.play(record, str(record.metadata.get("initialMessage", "")), key)
        except (ProviderRefused, ProviderUnavailable) as error:
            self.desk.log.warning("greeting-failed", call=record.call_id, why=str(error))
            return "failed"
        return "done"

    def greeted(self, call_id: str, phase: str) -> None:
        """The attempt is over; a notification hangs up a little later, heard or not."""
        current = self.desk.again(call_id)
        if current.greeting != "started":
            return
        after = replace(current, greeting=phase)
        if phase == "done":
            after = said(after, "bot", str(current.metadata.get("initialMessage", "")), self.desk.journal.now())
        if after.playing == f"greeting:{call_id}":
            after = replace(after, playing=None)
        self.desk.journal.commit(current, self.after_greeting(after), f"greeting-{phase}")

    async def listen_after_greeting(self, call_id: str) -> None:
        """A conversation of ours goes on with what the other side says; over a media stream it is heard anyway.

        As well as it goes: no question is open, so nobody waits for an answer.
        """
        record = self.desk.book.get(call_id)
        if record is None or not is_live(record) or record.ending is not None or record.direction != "outbound":
            return
        if record.metadata.get("mode") != "conversation" or (record.media is not None and record.media.stream):
            return
        if record.turn is not None and record.turn.open:
            return
        try:
            await self.desk.line.listen(record, f"greeting:{call_id}")
        except (ProviderRefused, ProviderUnavailable) as error:
            self.desk.log.info("listen-failed", call=call_id, why=str(error))

    def after_greeting(self, record: CallRecord) -> CallRecord:
        """What follows the first message: `notify` hangs up, `conversation` listens."""
        if not is_live(record):
            return record
        if record.metadata.get("mode") == "notify":
            due = self.desk.journal.now() + self.desk.config.notify_hang_up_delay_ms
            return with_deadline(record, NOTIFY_HANG_UP, due)
        return move(record, "listening") if record.state == "speaking" else record


def abandoned(record: CallRecord, token: str) -> CallRecord:
    """The record with this question given up, if it is still open."""
    return close_turn(record, "failed") if record.turn is not None and record.turn.token == token else record
