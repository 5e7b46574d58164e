"""What the outside remembers of media streams and of the assistant: plain records, part of `remote.Outer`.

Times are seconds since the epoch (virtual).
"""

import msgspec


class Stream(msgspec.Struct):
    """One media stream of a call, from the grant in a webhook answer to its end.

    `at` is when the provider opens it. `started_at`: the start frame was sent; `opened_at`: and was not turned away, so
    that the provider relies on it. `silent_since`: from here on nothing gets through, either way, and nobody says so.
    `closes_at`: when the provider gives up a stream that a newer one has replaced. `by` is who closed it: provider,
    manager or death.
    """

    id: str
    call: str
    token: str
    url: str
    at: float
    started_at: float | None = None
    opened_at: float | None = None
    last_frame_at: float | None = None
    silent_since: float | None = None
    closes_at: float | None = None
    closed_at: float | None = None
    by: str = ""
    code: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether the provider holds it for usable."""
        return self.opened_at is not None and self.closed_at is None


class Frame(msgspec.Struct):
    """A transcript on its way over the streams of a call: when it is sent (again), and how often it was."""

    event: str
    call: str
    due: float
    attempt: int = 0


class Mood(msgspec.Struct):
    """What the assistant does the next `times`: `slow` (answers after `delay_s`), `fails` or `says-nothing`."""

    kind: str
    times: int = 1
    delay_s: float = 0.0


class Asked(msgspec.Struct):
    """One question to the assistant, and what came of it: `outcome` is pending, answered, failed or nothing."""

    call: str
    text: str
    at: float
    outcome: str = "pending"
    until: float | None = None


class Media(msgspec.Struct):
    """Media streams as this world has them; a world without them has none of this.

    `reconnects`: a stream that broke without anybody's intention is asked for again, if somebody has said anything yet.
    """

    reconnects: bool = True
    streams: dict[str, Stream] = {}
    frames: list[Frame] = []
    moods: list[Mood] = []
    asked: list[Asked] = []

    def of(self, call: str) -> list[Stream]:
        """The streams of a call, the oldest first."""
        return [stream for stream in self.streams.values() if stream.call == call]

    def current(self, call: str) -> Stream | None:
        """The stream over which a call is heard now."""
        return next((stream for stream in reversed(self.of(call)) if stream.is_open), None)
