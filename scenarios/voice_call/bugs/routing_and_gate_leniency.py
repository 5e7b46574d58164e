"""The webhook serves every path that begins like its own.

Source: openclaw/openclaw#21194, #21197, #25958, #31930.
"""

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.web import Scope
from scenarios.voice_call.manager.webhook import Webhook


class PrefixMatch(Webhook):
    """Takes a look-alike for its path."""

    def path_matches(self, scope: Scope) -> bool:
        return str(scope["path"]).startswith(self.config.webhook_path)


BUG = SeededBug(
    id="routing-and-gate-leniency",
    number=58,
    group="webhook",
    source="openclaw/openclaw#21194, #21197, #25958, #31930",
    trigger="a request to a look-alike path",
    expected="ghost-call",
    build=with_parts(webhook=PrefixMatch),
    workloads=("hostile",),
)
