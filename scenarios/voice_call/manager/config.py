"""Settings of the call manager, and the log it writes its rare events to. All durations are milliseconds."""

import ipaddress
from typing import Literal, Protocol
from urllib.parse import urlsplit

import msgspec

InboundPolicy = Literal["disabled", "open", "allowlist", "pairing"]


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may choose. Defaults follow catalogue sections 8.5 to 8.8.

    `redelivery_horizon_ms` is how long a provider may redeliver an event after its first delivery; ended
    calls, and with them their event ids, are kept at least that long. 72 hours is the longest documented
    horizon of the catalogue's section 6.

    `public_url` is what stands before the paths where providers reach this manager (`https://HOST`, perhaps with a
    prefix). `from_number` may be missing only with the mock. Signatures may be skipped only on loopback: anything else
    raises ValueError here, before there is a manager.
    """

    store_dir: str
    from_number: str | None = None
    inbound_policy: InboundPolicy = "disabled"
    allow_from: tuple[str, ...] = ()
    inbound_greeting: str = "Hello! How can I help you today?"
    max_concurrent_calls: int = 1
    max_dials_per_destination: int = 60
    dial_window_ms: int = 3_600_000
    max_duration_ms: int = 300_000
    unanswered_ms: int = 120_000
    transcript_wait_ms: int = 180_000
    notify_hang_up_delay_ms: int = 3_000
    ring_timeout_ms: int = 30_000
    poll_interval_ms: int = 30_000
    provider_timeout_ms: int = 10_000
    retry_base_ms: int = 1_000
    retry_max_ms: int = 60_000
    repeat_greeting_after_crash: bool = False
    bind_host: str = "127.0.0.1"
    public_url: str | None = None
    skip_signature_verification: bool = False
    webhook_path: str = "/voice/webhook"
    in_flight_per_key: int = 8
    streaming: bool = False
    stream_path: str = "/voice/stream"
    stream_start_timeout_ms: int = 5_000
    stream_grace_ms: int = 2_000
    media_inactivity_ms: int = 30_000
    streams_pending: int = 32
    streams_per_address: int = 4
    streams_total: int = 128
    reply_timeout_ms: int = 30_000
    silence_ms: int = 800
    session_bridge: bool = False
    session_lines: int = 1_000
    body_limit: int = 65_536
    body_timeout_ms: int = 5_000
    drain_ms: int = 5_000
    compact_after_lines: int = 1_000
    redelivery_horizon_ms: int = 72 * 3_600_000
    max_event_ids_per_call: int = 500

    def __post_init__(self) -> None:
        if self.skip_signature_verification and not is_loopback(self.bind_host):
            raise ValueError(
                f"skip_signature_verification is set and bind_host is {self.bind_host!r}: anybody could send events; "
                "bind to 127.0.0.1, or verify signatures"
            )
        if not self.store_dir:
            raise ValueError("store_dir is empty; name the directory of the log")
        if self.public_url is not None and not _names_a_host(self.public_url):
            raise ValueError(f"public_url is {self.public_url!r}; write it as https://HOST")


def _names_a_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to a server that is bound to this host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class EventLog(Protocol):
    """Where rare events are told: stable kebab-case names with fields, never bodies of calls."""

    def info(self, event: str, **fields: object) -> None:
        """Something rare and fine."""

    def warning(self, event: str, **fields: object) -> None:
        """Something rare that somebody may want to know."""

    def error(self, event: str, **fields: object) -> None:
        """Something that did not work."""


class SilentLog:
    """Tells nobody: for a caller who has no use for the events."""

    def info(self, event: str, **fields: object) -> None:
        """Drop it."""

    def warning(self, event: str, **fields: object) -> None:
        """Drop it."""

    def error(self, event: str, **fields: object) -> None:
        """Drop it."""
