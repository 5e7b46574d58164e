"""Every record that is not terminal comes back as an active call: nobody asks the provider, nobody looks at its age.

One missed end and one restart, and the slot is taken for good. Source: openclaw/openclaw#6721, #9707, #2810, #9760,
#4325; signalwire/freeswitch#2389; kamailio/kamailio#545.
"""

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.log_reading import LoadedLog
from scenarios.voice_call.manager.obligations import Obligations
from scenarios.voice_call.manager.restore import Restore


class BelievesTheLog(Restore):
    """Takes calls as they stand in the log; their timers went with the old process."""

    async def run(self, loaded: LoadedLog) -> None:
        for record in self.desk.book.live():
            self.desk.journal.commit(record, replace(record, deadlines={}), "restored")


class NeverPolls(Obligations):
    """Knows of an end only what an event tells."""

    async def poll(self, call_id: str) -> None:
        return None


BUG = SeededBug(
    id="stale-restored-calls-wedge",
    number=17,
    group="call-manager",
    source="openclaw/openclaw#6721, #9707, #2810, #9760, #4325; signalwire/freeswitch#2389; kamailio/kamailio#545",
    trigger="an end event that got lost, and a restart",
    expected="stale-active",
    build=with_parts(restore=BelievesTheLog, obligations=NeverPolls),
    workloads=("inbound@at-most-once",),
)
