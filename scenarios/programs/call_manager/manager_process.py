"""The reference call manager as a process of its own, on a port of this machine."""

import contextlib
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]
PATIENCE_S = 60.0


@contextlib.contextmanager
def manager(store: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """It listens on `port` inside the block, and has been stopped in order after it. RuntimeError where it does not."""
    words = [sys.executable, "-m", "scenarios.voice_call.manager", "--store", str(store), "--port", str(port)]
    process = subprocess.Popen([*words, "--inbound", "open"], cwd=REPOSITORY, stderr=subprocess.PIPE)
    try:
        until = time.monotonic() + PATIENCE_S
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > until:
                said = process.stderr.read() if process.stderr is not None and process.poll() is not None else b""
                raise RuntimeError(f"the manager does not start: {said.decode(errors='replace').strip()[-200:]}")
            time.sleep(0.01)
        yield process
        process.terminate()
        if process.wait(PATIENCE_S) != 0:
            raise RuntimeError(f"an orderly stop ended with {process.returncode}")
    finally:
        process.kill()
        process.wait()


def ask(port: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """(status, JSON) of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        given = None if body is None else json.dumps(body)
        connection.request(method, path, given, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        return answer.status, json.loads(text) if is_json else None
    finally:
        connection.close()


def _listens(port: int) -> bool:
    try:
        return ask(port, "GET", "/voice/calls/nobody")[0] == 404
    except OSError:
        return False
