"""The call manager as a program: for real HTTP clients, `kill -9` and mounted disks."""

import argparse
import logging
import sys
from collections.abc import Sequence

from scenarios.voice_call.manager.call_manager import CallManager
from scenarios.voice_call.manager.config import Config
from scenarios.voice_call.manager.mock_provider import MockProvider

_EXAMPLE = """example:
  python -m scenarios.voice_call.manager --store /tmp/calls --inbound open &
  curl -d '{"event":{"id":"e1","type":"call.ringing","providerCallId":"p1","direction":"inbound","from":"+1555"}}' \\
       http://127.0.0.1:3334/voice/webhook

SIGTERM and SIGINT refuse new work, finish what was admitted, and release the store."""


class StandardLog:
    """Events as lines of the standard logging module: the name, then its fields."""

    def __init__(self) -> None:
        self._log = logging.getLogger("voice_call.manager")

    def info(self, event: str, **fields: object) -> None:
        """Something rare and fine."""
        self._log.info("%s %s", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Something rare that somebody may want to know."""
        self._log.warning("%s %s", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Something that did not work."""
        self._log.error("%s %s", event, fields)


def arguments() -> argparse.ArgumentParser:
    """What may be said on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m scenarios.voice_call.manager",
        description="Serve the reference call manager over HTTP.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--store", required=True, metavar="DIR", help="the directory of the log; made if missing")
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (default: %(default)s)")
    parser.add_argument("--port", type=int, default=3334, help="port to bind (default: %(default)s)")
    parser.add_argument("--provider", choices=["mock"], default="mock", help="(default: %(default)s)")
    parser.add_argument("--inbound", choices=["disabled", "open"], default="disabled", help="(default: %(default)s)")
    parser.add_argument("--max-calls", type=int, default=1, help="calls at a time (default: %(default)s)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal, then drain; 2 when uvicorn is missing, 3 when the start failed.

    uvicorn raises the signal once more after the drain, so the parent sees a process that died of it.
    """
    chosen = arguments().parse_args(argv)
    try:
        import uvicorn
    except ModuleNotFoundError:
        sys.stderr.write("uvicorn is not installed; run: pip install 'crash-harness[serve]'\n")
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    config = Config(store_dir=chosen.store, inbound_policy=chosen.inbound, max_concurrent_calls=chosen.max_calls)
    manager = CallManager(config, MockProvider(), log=StandardLog())
    server = uvicorn.Server(
        uvicorn.Config(manager.app, host=chosen.host, port=chosen.port, lifespan="on", access_log=False)
    )
    server.run()
    return 0 if server.started else 3


if __name__ == "__main__":
    sys.exit(main())
