"""The assistant's answers to what was heard on a stream.

The answer is owed from the record of the utterance on: phases thinking, speaking, then done, failed, timed-out or
interrupted. Audio is at most once, under the key of the utterance. After a restart an answer that was being thought of
is begun anew, because nothing of it was heard; one that was being spoken is interrupted. A newer utterance takes the
place of an answer that is still thought of. Not modelled: cutting off audio when somebody speaks into it.
"""

import asyncio
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from scenarios.voice_call.manager.call_view import call_view
from scenarios.voice_call.manager.lifecycle import break_off_reply, is_live, move, reply_is_open, said_once, silent
from scenarios.voice_call.manager.provider_client import ProviderRefused, ProviderUnavailable
from scenarios.voice_call.manager.records import CallRecord, Reply, TranscriptLine
from scenarios.voice_call.manager.switchboard import Switchboard
from scenarios.voice_call.manager.unwritten import Unwritten


class Assistant(Protocol):
    """Who thinks of answers."""

    async def reply(self, call: dict[str, Any], text: str) -> str | None:
        """What to say to `text`; None or nothing: stay silent. May raise."""


class Thought(msgspec.Struct, frozen=True):
    """What came of thinking: words to speak, or the phase that ends the reply without any."""

    phase: str
    text: str = ""


_CUT_SHORT = Thought("thinking")


class Replies:
    """Thinks, speaks, and writes both down. One run per call at a time, by the timer of kind `reply`."""

    def __init__(self, desk: Switchboard, assistant: Assistant | None, unwritten: Unwritten) -> None:
        self.desk = desk
        self.assistant = assistant
        self.unwritten = unwritten
        self._thinking: dict[str, tuple[str, asyncio.Timeout]] = {}
        self._over = False

    def owe(self, before: CallRecord, after: CallRecord, frame_id: str, text: str) -> CallRecord:
        """The record that owes an answer to what was just heard, where one is wanted.

        A question of ours that is open takes what is said instead.
        """
        if self.assistant is None or not is_live(after) or after.ending is not None or not text.strip():
            return after
        if after.direction != "inbound" and after.metadata.get("mode") != "conversation":
            return after
        if before.turn is not None and before.turn.open:
            return after
        if reply_is_open(before):
            self.desk.log.info("reply-interrupted", call=after.call_id, why="something newer was said")
        return replace(after, reply=Reply(f"reply:{after.call_id}:{frame_id}", text, "thinking"))

    def follow(self, record: CallRecord) -> None:
        """Stop thinking of what nobody waits for any more."""
        thinking = self._thinking.get(record.call_id)
        if thinking is None or (self.is_thinking(record, thinking[0]) and record.ending is None):
            return
        self.cut_short(record.call_id)

    def cut_short(self, call_id: str) -> None:
        """End the thinking about a call at once."""
        _, limit = self._thinking.pop(call_id)
        if not limit.expired():
            limit.reschedule(asyncio.get_running_loop().time())

    def stop(self) -> None:
        """No more answers from here: what is still thought of stays owed, for the next start."""
        self._over = True
        for call_id in list(self._thinking):
            self.cut_short(call_id)

    def is_thinking(self, record: CallRecord, key: str) -> bool:
        """Whether this very answer is still to be thought of."""
        reply = record.reply
        return is_live(record) and reply is not None and reply.key == key and reply.phase == "thinking"

    async def answer(self, call_id: str) -> None:
        """Bring the open answer of a call to its end. Raises StoreUnavailable; then the timer comes again."""
        while not self._over:
            self.unwritten.write_late(call_id)
            record = self.desk.book.get(call_id)
            if record is None or not is_live(record) or record.ending is not None or not reply_is_open(record):
                return
            assert record.reply is not None
            if record.reply.phase == "speaking":
                # Of an attempt of another life: nobody knows whether it was heard.
                self.desk.journal.commit(record, break_off_reply(record), "reply-interrupted")
                return
            thought = await self.think(record, record.reply)
            await self.act(call_id, record.reply, thought)

    async def think(self, record: CallRecord, reply: Reply) -> Thought:
        """Ask the assistant, for as long as the answer is wanted."""
        if self.assistant is None:
            return Thought("failed")
        limit = asyncio.timeout(self.desk.config.reply_timeout_ms / 1000)
        self._thinking[record.call_id] = (reply.key, limit)
        try:
            async with limit:
                text = await self.assistant.reply(call_view(record), reply.heard)
            return Thought("speaking", text) if text and text.strip() else Thought("done")
        except Exception as error:
            if limit.expired():
                return Thought("timed-out") if record.call_id in self._thinking else _CUT_SHORT
            self.desk.log.warning("reply-failed", call=record.call_id, why=type(error).__name__)
            return Thought("failed")
        finally:
            self._thinking.pop(record.call_id, None)

    async def act(self, call_id: str, reply: Reply, thought: Thought) -> None:
        """Speak, or write down why nothing is spoken; nothing of either where the answer is wanted no more."""
        current = self.desk.book.get(call_id)
        if thought is _CUT_SHORT or current is None or not self.is_thinking(current, reply.key):
            return
        if thought.phase == "timed-out":
            self.desk.log.warning("reply-timed-out", call=call_id)
        if thought.phase != "speaking":
            self.desk.journal.commit(
                current, replace(current, reply=replace(reply, phase=thought.phase)), f"reply-{thought.phase}"
            )
        elif current.turn is not None and current.turn.open:
            self.desk.log.info("reply-interrupted", call=call_id, why="a question was asked meanwhile")
            self.desk.journal.commit(current, break_off_reply(current), "reply-interrupted")
        else:
            await self.speak(current, reply, thought.text)

    async def speak(self, record: CallRecord, reply: Reply, text: str) -> None:
        """Play it under a durable attempt."""
        spoken = replace(reply, phase="speaking", text=text)
        speaking = replace(move(record, "speaking"), reply=spoken, playing=reply.key)
        self.desk.journal.commit(record, speaking, "reply-speaking")
        phase = "done"
        try:
            await self.desk.line.play(speaking, text, reply.key)
        except (ProviderRefused, ProviderUnavailable) as error:
            self.desk.log.warning("reply-failed", call=record.call_id, why=str(error))
            phase = "failed"
        self.write_down(record.call_id, reply.key, text, phase)

    def write_down(self, call_id: str, key: str, text: str, phase: str) -> None:
        """The result of an attempt. What was said is in the record, whatever the call has come to meanwhile."""
        since = len(self.desk.again(call_id).transcript)
        line = TranscriptLine(self.desk.journal.now(), "bot", text)

        def over(record: CallRecord) -> CallRecord:
            record = silent(said_once(record, line, since) if phase == "done" else record, key)
            if record.reply is None or record.reply.key != key or record.reply.phase != "speaking":
                return record
            return replace(record, reply=replace(record.reply, phase=phase))

        self.unwritten.write(call_id, over, f"reply-{phase}")
