"""The call manager as a program: for real HTTP clients, `kill -9` and mounted disks."""

import argparse
import asyncio
import importlib.util
import os
import sys
from collections.abc import Sequence
from typing import get_args

from scenarios.voice_call.manager.call_manager import CallManager
from scenarios.voice_call.manager.config import Config, InboundPolicy
from scenarios.voice_call.manager.provider_choice import PROVIDERS
from scenarios.voice_call.manager.providers.libraries import LibraryMissing
from scenarios.voice_call.manager.structured_log import log_to_stderr

_PROGRAM = "python -m scenarios.voice_call.manager"
_DIGITS = "0123456789"
_MOST = 1_000_000_000
_YEAR = 31_536_000
_EXAMPLES = f"""examples:
  serve on a port of this machine and let everybody in:
    {_PROGRAM} --store /tmp/calls --port 3334 --inbound open
  let two numbers in, three calls at a time, ten minutes each:
    {_PROGRAM} --store /var/lib/calls --inbound allowlist \\
        --allow-from +15551112222 --allow-from +15553334444 --max-calls 3 --max-duration 600
  ring, as the mock provider would:
    curl -d '{{"event":{{"id":"e1","type":"call.ringing","providerCallId":"p1","direction":"inbound","from":"+1555"}}}}' \\
        http://127.0.0.1:3334/voice/webhook
  look:
    curl http://127.0.0.1:3334/voice/calls
    curl http://127.0.0.1:3334/voice/calls/p1

  receive Twilio's calls through a tunnel to this port:
    TWILIO_ACCOUNT_SID=... TWILIO_AUTH_TOKEN=... {_PROGRAM} --store /var/lib/calls \\
        --provider twilio --public-url https://calls.example.org --from-number +15550000000 --streaming

credentials: TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN; TELNYX_API_KEY, TELNYX_PUBLIC_KEY, TELNYX_CONNECTION_ID;
PLIVO_AUTH_ID, PLIVO_AUTH_TOKEN. In the environment only.
paths: POST /voice/webhook takes the provider's events. GET /voice/calls[?limit=N] and GET /voice/calls/ID answer on
loopback only. With --streaming, /voice/stream takes media streams over WebSocket.

standard error: one JSON object a line with time, level, event and its fields; standard output: nothing.
signals: SIGTERM and SIGINT refuse new work, finish what was admitted, and release the store.
exit status: 0 stopped by a signal, 2 wrong arguments, 3 it could not start (store, port, library)."""


def arguments() -> argparse.ArgumentParser:
    """What may be said on the command line."""
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Serve the reference call manager over HTTP.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    place = parser.add_argument_group("where")
    place.add_argument(
        "--store", type=_directory, required=True, metavar="DIR", help="directory of the log; made if missing"
    )
    place.add_argument("--host", default="127.0.0.1", help="address to bind (default: %(default)s)")
    place.add_argument("--port", type=_port, default=3334, metavar="N", help="0: any free one (default: %(default)s)")
    place.add_argument("--public-url", metavar="URL", help="where the provider reaches this server, https://HOST")
    line = parser.add_argument_group("provider")
    line.add_argument("--provider", choices=sorted(PROVIDERS), default="mock", help="(default: %(default)s)")
    line.add_argument("--from-number", metavar="E164", help="the number calls are made from (mock: may be missing)")
    line.add_argument("--skip-verification", action="store_true", help="believe every request; on loopback only")
    calls = parser.add_argument_group("calls")
    policies = get_args(InboundPolicy)
    calls.add_argument("--inbound", choices=policies, default="disabled", help="who may call (default: %(default)s)")
    calls.add_argument(
        "--allow-from",
        action="append",
        type=_number,
        default=[],
        metavar="E164",
        help="caller let in by allowlist or pairing; repeat",
    )
    calls.add_argument("--greeting", metavar="TEXT", help="said to callers; '' for none (default: a short sentence)")
    calls.add_argument("--max-calls", type=_count, default=1, metavar="N", help="at a time (default: %(default)s)")
    calls.add_argument(
        "--max-duration", type=_seconds, default=300, metavar="S", help="of a call (default: %(default)s)"
    )
    calls.add_argument(
        "--ring-timeout", type=_seconds, default=30, metavar="S", help="of a dial (default: %(default)s)"
    )
    calls.add_argument("--streaming", action="store_true", help="take media streams on /voice/stream")
    calls.add_argument(
        "--sessions",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="bring transcripts into sessions.json in the store (default: yes)",
    )
    life = parser.add_argument_group("life")
    life.add_argument(
        "--drain",
        type=_seconds,
        default=5,
        metavar="S",
        help="longest wait for each part of a stop (default: %(default)s)",
    )
    life.add_argument(
        "--compact-after", type=_count, default=1_000, metavar="N", help="lines of the log (default: %(default)s)"
    )
    life.add_argument(
        "--log-level", choices=["info", "warning", "error"], default="info", help="(default: %(default)s)"
    )
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 5 or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: use 0 to 65535")
    return int(text)


def _directory(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("it is empty; name a directory")
    return text


def _number(text: str) -> str:
    if not any(c in _DIGITS for c in text) or any(c not in _DIGITS + "+ ().-" for c in text):
        raise argparse.ArgumentTypeError(f"{text!r} is no telephone number: write it as +15551112222")
    return text


def _count(text: str) -> int:
    return _bounded(text, _MOST)


def _seconds(text: str) -> int:
    return _bounded(text, _YEAR)


def _bounded(text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 12 or not 0 < int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to {most}")
    return int(text)


def settings(chosen: argparse.Namespace) -> Config:
    """The settings in the arguments. Raises ValueError."""
    if chosen.inbound in ("allowlist", "pairing") and not chosen.allow_from:
        raise ValueError(f"--inbound {chosen.inbound} lets nobody in without --allow-from")
    greeting = {} if chosen.greeting is None else {"inbound_greeting": chosen.greeting}
    return Config(
        store_dir=chosen.store,
        bind_host=chosen.host,
        public_url=chosen.public_url,
        from_number=chosen.from_number,
        skip_signature_verification=chosen.skip_verification,
        inbound_policy=chosen.inbound,
        allow_from=tuple(chosen.allow_from),
        max_concurrent_calls=chosen.max_calls,
        max_duration_ms=chosen.max_duration * 1000,
        ring_timeout_ms=chosen.ring_timeout * 1000,
        streaming=chosen.streaming,
        session_bridge=chosen.sessions,
        drain_ms=chosen.drain * 1000,
        compact_after_lines=chosen.compact_after,
        **greeting,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal: 0. What could not be started is told in one sentence: 3."""
    parser = arguments()
    chosen = parser.parse_args(argv)
    try:
        config = settings(chosen)
        provider = PROVIDERS[chosen.provider](config, os.environ)
        _look_for_libraries(config)
    except LibraryMissing as error:
        return _cannot_start(str(error))
    except ValueError as error:
        parser.error(str(error))
    from scenarios.voice_call.manager.serving import CannotStart, bind, serve

    log = log_to_stderr(chosen.log_level)
    try:
        with bind(chosen.host, chosen.port) as listener:
            asyncio.run(serve(CallManager(config, provider, log=log), listener, log))
    except CannotStart as error:
        return _cannot_start(str(error))
    return 0


def _look_for_libraries(config: Config) -> None:
    # Without websockets uvicorn would answer, and refuse every stream.
    needed = {"uvicorn": "web requests"} | ({"websockets": "media streams"} if config.streaming else {})
    for library, purpose in needed.items():
        if importlib.util.find_spec(library) is None:
            raise LibraryMissing(library, purpose)


def _cannot_start(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return 3


if __name__ == "__main__":
    sys.exit(main())
