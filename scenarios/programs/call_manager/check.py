"""The manager is started on the folder and asked: what was acknowledged is there, once; a call that ended is not live.

Then everything acknowledged is delivered once more, which must change nothing.
"""

import json
import os
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from scenarios.programs.call_manager.manager_process import ask, manager


def main() -> str:
    told: list[dict[str, Any]] = [json.loads(line) for line in sys.stdin]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    try:
        with manager(Path(os.environ["HARNESS_ROOT"]) / "store", port):
            wrong = judged(calls(port), told)
            if wrong:
                return wrong
            for event in told:
                if ask(port, "POST", "/voice/webhook", {"event": event})[0] != 200:
                    return f"a second delivery of {event['id']} is refused"
            wrong = judged(calls(port), told)
            return f"after a second delivery: {wrong}" if wrong else ""
    except RuntimeError as error:
        return str(error)


def calls(port: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(port, "GET", "/voice/calls?limit=1000")[1]["calls"]
    return found


def judged(found: list[dict[str, Any]], told: list[dict[str, Any]]) -> str:
    records = {call["providerCallId"]: call for call in found}
    if len(records) < len(found):
        return "a call is there twice"
    for event in told:
        record = records.get(event["providerCallId"])
        if record is None or event["id"] not in record["processedEventIds"]:
            return f"event {event['id']} was acknowledged and is lost"
        if event["type"] == "call.ended" and record["live"]:
            return f"call {event['providerCallId']} has ended and is live"
    for call in found:
        said = Counter(line["text"] for line in call["transcript"] if line["speaker"] == "user")
        if max([*Counter(call["processedEventIds"]).values(), *said.values()], default=0) > 1:
            return f"something of call {call['providerCallId']} is doubled"
    return ""


if __name__ == "__main__":
    sys.exit(main() or None)
