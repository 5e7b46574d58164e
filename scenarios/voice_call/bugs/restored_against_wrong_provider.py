"""After a restart every call is verified with the provider that is configured now, also one that belongs to another.

That one knows no such call, so the record is closed, and nobody owns the line any more. Source: derived.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.provider_line import ProviderLine
from scenarios.voice_call.manager.records import CallRecord


class OneProviderForAll(ProviderLine):
    """Ids are ids."""

    def _same_provider(self, record: CallRecord) -> None:
        return None


BUG = SeededBug(
    id="restored-against-wrong-provider",
    group="extras",
    source="derived from the restore of openclaw 2026.3.13",
    trigger="a restart with another provider in the configuration while a call is live",
    expected="orphan-remote",
    build=with_parts(line=OneProviderForAll),
    workloads=("wrong-provider",),
)
