"""A question that could not be played is waited for all the same, for as long as any other.

Source: openclaw/openclaw#112584.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.lifecycle import said
from scenarios.voice_call.manager.provider_client import ProviderRefused, ProviderUnavailable
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.speaking import Speaking


class ListensAnyway(Speaking):
    """Takes a prompt that failed for one that was heard."""

    async def play(self, call_id: str, text: str, key: str) -> CallRecord:
        if not key.startswith("turn:"):
            return await super().play(call_id, text, key)
        record = self.desk.again(call_id)
        try:
            await self.desk.line.play(record, text, key)
        except (ProviderRefused, ProviderUnavailable) as error:
            self.desk.log.warning("prompt-failed", call=call_id, why=str(error))
        current = self.desk.again(call_id)
        return self.desk.journal.commit(current, said(current, "bot", text, self.desk.journal.now()), "spoken")


BUG = SeededBug(
    id="failed-prompt-still-listens",
    group="extras",
    source="openclaw/openclaw#112584",
    trigger="a question that the provider refuses to play",
    expected="side-effect-lost",
    build=with_parts(speaking=ListensAnyway),
    workloads=("unplayed-prompts",),
)
