"""The program for real: its own process, a socket, `kill -9`, SIGTERM."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[4]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def running(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


def serve(running: list[subprocess.Popen[bytes]], store: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "scenarios.voice_call.manager", "--store", str(store), "--port", str(port)]
    process = subprocess.Popen([*command, "--inbound", "open"], cwd=ROOT, stderr=subprocess.PIPE)
    running.append(process)
    return process


def post(port: int, **event: object) -> int:
    """Post one event, waiting for the listener for as long as a slow machine may need."""
    until = time.monotonic() + 30
    while True:
        try:
            return httpx.post(f"http://127.0.0.1:{port}/voice/webhook", json={"event": event}).status_code
        except httpx.ConnectError:
            assert time.monotonic() < until, "the manager does not listen"


@pytest.mark.slow
def test_acknowledged_event_survives_kill_9_and_the_store_has_one_owner(
    running: list[subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    port = free_port()
    event = {"id": "e1", "type": "call.ringing", "providerCallId": "p1", "direction": "inbound", "from": "+1555"}
    first = serve(running, tmp_path / "store", port)
    assert post(port, **event) == 200
    second = serve(running, tmp_path / "store", free_port())
    assert second.wait(timeout=30) == 3
    assert second.stderr is not None and f"belongs to pid {first.pid}".encode() in second.stderr.read()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    third = serve(running, tmp_path / "store", port)
    assert post(port, **event) == 200
    third.terminate()
    assert third.wait(timeout=30) in (0, -signal.SIGTERM)
    assert third.stderr is not None and b"INFO stopped" in third.stderr.read()
    lines = (tmp_path / "store" / "calls.jsonl").read_bytes().split(b"\n")
    assert len([line for line in lines if b'"processedEventIds":["e1"]' in line]) == 1


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    from scenarios.voice_call.manager.__main__ import main

    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0 and "curl" in capsys.readouterr().out
