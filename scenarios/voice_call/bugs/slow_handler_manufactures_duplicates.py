"""The webhook does the slow work before it answers: it plays the first message, then writes the event down.

The provider does not wait that long and delivers again; the second delivery finds nothing written and does the same work
once more. Source: openclaw/openclaw#16763, #78186; watt-mind/factory#1163; mic1on/onestep#104; jamiepine/voicebox#1043.
"""

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.events import CallEvent
from scenarios.voice_call.manager.lifecycle import said
from scenarios.voice_call.manager.webhook import Webhook


class AnswersWhenDone(Webhook):
    """Greets within the request that says that somebody answered."""

    async def apply_one(self, event: CallEvent) -> None:
        record = self.rules.find(event)
        if event.type == "call.answered" and record is not None and record.greeting == "queued":
            message = str(record.metadata["initialMessage"])
            await self.client.play(str(record.provider_call_id), message, key=f"greeting:{record.call_id}")
            current = self.rules.find(event)
            if current is not None and current.greeting == "queued":
                now = self.journal.now()
                self.journal.commit(current, said(replace(current, greeting="done"), "bot", message, now), "greeted")
        await super().apply_one(event)


BUG = SeededBug(
    id="slow-handler-manufactures-duplicates",
    number=57,
    group="webhook",
    source="openclaw/openclaw#16763, #78186; watt-mind/factory#1163; mic1on/onestep#104; jamiepine/voicebox#1043",
    trigger="a first message that takes longer to play than the provider waits for an answer",
    expected="side-effect-repeated",
    build=with_parts(webhook=AnswersWhenDone),
    workloads=("slow-greeting",),
)
