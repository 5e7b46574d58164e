"""A repeated request is known as such, and answered with a token of its own, made on the spot.

The provider opens a stream for each token it gets, and whoever answers from a cache and from here is told two things.
Source: openclaw/openclaw#87497, #87498, #29862; craigmccaskill/posthorn#6.
"""

from msgspec.structs import replace

from harness.scenario import SeededBug
from scenarios.voice_call.bugs.base import with_parts
from scenarios.voice_call.manager.events import CallEvent
from scenarios.voice_call.manager.lifecycle import grant_stream, is_live
from scenarios.voice_call.manager.provider_client import StreamGrant
from scenarios.voice_call.manager.webhook import Webhook


class FreshTokens(Webhook):
    """Makes a token whenever one is asked for."""

    def grants(self, events: list[CallEvent]) -> list[StreamGrant]:
        found = []
        for event, grant in zip([one for one in events if one.wants_stream], super().grants(events), strict=False):
            record = self.rules.find(event)
            if record is None or not is_live(record):
                found.append(grant)
                continue
            token = self.rules.issue()
            key = self.rules.dedupe_key(event)
            self.journal.commit(record, grant_stream(record, key, token), "granted")
            found.append(replace(grant, token=token))
        return found


BUG = SeededBug(
    id="replay-answers-differently",
    number=55,
    group="webhook",
    source="openclaw/openclaw#87497, #87498, #29862; craigmccaskill/posthorn#6",
    trigger="the answer to a request gets lost, and the request is repeated",
    expected="diverged",
    build=with_parts(webhook=FreshTokens),
    workloads=("stream-reconnect",),
)
