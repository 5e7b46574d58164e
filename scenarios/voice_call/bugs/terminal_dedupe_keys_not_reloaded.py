"""On start the ids of processed events are collected from live calls only; those of ended calls vanish.

A redelivery after the restart then counts once more. Source: the loader before pull request 18852;
openclaw/openclaw#130059, #130145, #133811 (and #102991, which argues that it is harmless).
"""

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.records import CallRecord
from scenarios.voice_call.manager.states import is_terminal
from scenarios.voice_call.manager.store import Store


class ForgetsEndedCalls(Store):
    """Remembers the events of calls that go on."""

    def reload_ids(self, record: CallRecord) -> CallRecord:
        if is_terminal(record.state):
            return replace(record, processed_event_ids=(), processed_event_times=())
        return record


BUG = SeededBug(
    id="terminal-dedupe-keys-not-reloaded",
    number=7,
    group="call-manager",
    source="openclaw/openclaw#130059, #130145, #133811, #102991",
    trigger="a call ends, the process restarts, the provider redelivers an earlier event",
    expected="double-applied",
    build=with_parts(store=ForgetsEndedCalls),
    workloads=("batches",),
)
