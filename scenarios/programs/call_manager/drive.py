"""Two phone calls, delivered to the manager over HTTP: one event a request, one request twice, one with two events.

    python -m scenarios.programs.call_manager.drive FOLDER PORT

Each event whose request was answered with 200 is printed, as JSON, once the answer is there.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from scenarios.programs.call_manager.manager_process import ask, manager


def event(call: str, number: int, kind: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"{call}/{number}",
        "type": f"call.{kind}",
        "providerCallId": call,
        "timestamp": int(time.time() * 1000),
        "direction": "inbound",
        "from": "+15551112222",
        **more,
    }


REQUESTS = [
    [event("line-1", 0, "ringing")],
    [event("line-1", 1, "answered")],
    [event("line-1", 2, "speech", transcript="good morning", isFinal=True)],
    [event("line-1", 2, "speech", transcript="good morning", isFinal=True)],
    [event("line-2", 0, "ringing"), event("line-2", 1, "answered")],
    [event("line-1", 3, "ended", reason="hangup-user")],
]


def main(folder: str, port: str) -> None:
    with manager(Path(folder) / "store", int(port)):
        for events in REQUESTS:
            status, _ = ask(int(port), "POST", "/voice/webhook", {"events": events})
            if status != 200:
                raise SystemExit(f"{status} for {events}")
            for accepted in events:
                print(json.dumps(accepted), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
