"""The numbers that both sides know: what the manager is set to, and what the judge may expect of it. Seconds."""

from typing import Final

MAX_DURATION_S: Final = 60.0
RING_S: Final = 30.0
UNANSWERED_S: Final = 45.0
TRANSCRIPT_WAIT_S: Final = 5.0
POLL_S: Final = 30.0

STREAM_GRACE_S: Final = 2.0
MEDIA_INACTIVITY_S: Final = 30.0
REPLY_TIMEOUT_S: Final = 5.0

PROMPTLY_S: Final = 1.0
"""How late a due thing may be noticed while the manager is alive."""

RETRIES_S: Final = 8.0
"""How long the retries of a hang-up may take that failed a few times."""

DOWN_S: Final = 1.0
"""How long the machine is down after a death."""

GREETING: Final = "Welcome."
MOST_CALLS: Final = 2
