"""The program for real: its own process, a socket, signals, and what it says when it cannot start."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from scenarios.voice_call.manager.__main__ import main
from scenarios.voice_call.manager.provider_choice import PROVIDERS

ROOT = Path(__file__).parents[4]
RINGING = {"id": "e1", "type": "call.ringing", "providerCallId": "p1", "direction": "inbound", "from": "+1555"}
Start = Callable[..., subprocess.Popen[bytes]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the program on the store of this test."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(*more: str, store: Path = tmp_path / "store") -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "scenarios.voice_call.manager", "--store", str(store), "--inbound", "open"]
        pipe = subprocess.PIPE
        process = subprocess.Popen([*command, *more], cwd=ROOT, stdout=pipe, stderr=pipe)
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


def url(port: int, path: str = "") -> str:
    return f"http://127.0.0.1:{port}/voice{path}"


def post(port: int, event: dict[str, Any]) -> int:
    """Post one event, waiting for the listener for as long as a slow machine may need."""
    until = time.monotonic() + 30
    while True:
        try:
            return httpx.post(url(port, "/webhook"), json={"event": event}).status_code
        except httpx.ConnectError:
            assert time.monotonic() < until, "the manager does not listen"


def ended(process: subprocess.Popen[bytes]) -> tuple[int, list[str]]:
    """The exit status and what was said on standard error; standard output stays empty."""
    out, said = process.communicate(timeout=30)
    assert out == b""
    return process.returncode, said.decode().splitlines()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_drains_and_is_a_success(start: Start, number: signal.Signals) -> None:
    port = free_port()
    process = start("--port", str(port))
    assert post(port, RINGING) == 200
    process.send_signal(number)
    status, said = ended(process)
    assert status == 0
    lines = [json.loads(line) for line in said]
    assert [line["event"] for line in lines] == ["ready", "listening", "stop-asked", "stopped"]
    assert lines[2]["signal"] == number.name and {line["level"] for line in lines} == {"info"}
    times = [datetime.fromisoformat(line["time"]) for line in lines]
    assert times == sorted(times) and times[0].tzinfo is not None


def test_acknowledged_event_survives_kill_9_and_the_store_has_one_owner(start: Start, tmp_path: Path) -> None:
    port = free_port()
    first = start("--port", str(port))
    assert post(port, RINGING) == 200
    status, said = ended(start("--port", str(free_port())))
    assert status == 3
    owner = f"{tmp_path / 'store'} belongs to pid {first.pid}; stop it first, or use another --store"
    assert said == [owner]
    first.kill()
    first.wait()
    third = start("--port", str(port))
    assert post(port, RINGING) == 200
    third.terminate()
    assert ended(third)[0] == 0
    lines = (tmp_path / "store" / "calls.jsonl").read_bytes().split(b"\n")
    assert len([line for line in lines if b'"processedEventIds":["e1"]' in line]) == 1


def test_port_in_use_is_told_and_the_store_left_alone(start: Start, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, said = ended(start("--port", str(taken.getsockname()[1])))
    assert status == 3 and len(said) == 1 and "Address already in use" in said[0] and "--port" in said[0]
    assert not (tmp_path / "store").exists()


def test_store_that_cannot_be_made_is_told(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    status, said = ended(start("--port", "0", store=tmp_path / "file" / "store"))
    assert status == 3 and len(said) == 1 and "Not a directory" in said[0] and "Traceback" not in said[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere; the next test stands for it")
def test_store_that_may_not_be_written_is_told(start: Start, tmp_path: Path) -> None:
    (tmp_path / "sealed").mkdir(mode=0o500)
    status, said = ended(start("--port", "0", store=tmp_path / "sealed" / "store"))
    assert status == 3 and len(said) == 1 and "Permission denied" in said[0]


def test_log_that_is_a_directory_is_told(start: Start, tmp_path: Path) -> None:
    (tmp_path / "store" / "calls.jsonl").mkdir(parents=True)
    status, said = ended(start("--port", "0"))
    assert status == 3 and len(said) == 1 and "Is a directory" in said[0]


def test_log_that_is_a_pipe_is_told(start: Start, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    os.mkfifo(tmp_path / "store" / "calls.jsonl")
    status, said = ended(start("--port", "0"))
    assert status == 3 and len(said) == 1 and "is no regular file" in said[0]


def test_log_that_is_a_link_to_nothing_is_told(start: Start, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "calls.jsonl").symlink_to(tmp_path / "elsewhere" / "calls.jsonl")
    status, said = ended(start("--port", "0"))
    assert status == 3 and len(said) == 1 and "is a link to nothing" in said[0]


def test_it_says_that_it_listens_when_it_does(start: Start) -> None:
    process = start("--port", "0")
    assert process.stderr is not None
    for line in process.stderr:
        told = json.loads(line)
        if told["event"] == "listening":
            socket.create_connection((told["host"], told["port"])).close()
            return
    pytest.fail("it never listened")


def test_stop_with_clients_that_keep_it_waiting_is_no_error(start: Start) -> None:
    port = free_port()
    process = start("--port", str(port), "--drain", "1", "--streaming")
    assert post(port, RINGING) == 200
    slow = b"POST /voice/webhook HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc"
    stream = (
        b"GET /voice/stream HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(6)]
    for client, request in zip(clients, [slow, slow, stream, stream, slow[:20], b""], strict=True):
        client.sendall(request)
    assert clients[2].recv(12) == b"HTTP/1.1 101"
    process.send_signal(signal.SIGTERM)
    status, said = ended(process)
    assert status == 0
    lines = [json.loads(line) for line in said]
    assert not [line for line in lines if line["level"] == "error" or "traceback" in line]
    assert {"event": "requests-cut-short", "requests": 2}.items() <= lines[-2].items()
    assert [client.recv(12) for client in clients[:2]] == [b"HTTP/1.1 503"] * 2
    for client in clients:
        client.close()


def test_calls_are_read_and_nothing_is_written(start: Start, tmp_path: Path) -> None:
    port = free_port()
    start("--port", str(port), "--greeting", "")
    assert post(port, RINGING) == 200
    before = (tmp_path / "store" / "calls.jsonl").read_bytes()
    calls = httpx.get(url(port, "/calls")).json()["calls"]
    assert [call["providerCallId"] for call in calls] == ["p1"] and calls[0]["processedEventIds"] == ["e1"]
    assert httpx.get(url(port, "/calls/p1")).json() == calls[0]
    assert httpx.get(url(port, f"/calls/{calls[0]['callId']}?x=1")).json() == calls[0]
    assert httpx.get(url(port, "/calls/nobody")).status_code == 404
    assert httpx.get(url(port, "/calls?limit=none")).status_code == 400
    assert httpx.post(url(port, "/calls"), json={}).status_code == 405
    tunnel = {"host": "calls.example.org"}
    assert httpx.get(url(port, "/calls"), headers=tunnel).status_code == 404
    assert httpx.get(url(port, "/calls"), headers={"x-forwarded-for": "203.0.113.9"}).status_code == 404
    assert (tmp_path / "store" / "calls.jsonl").read_bytes() == before


def test_calls_are_not_read_where_others_can_connect(start: Start) -> None:
    port = free_port()
    start("--port", str(port), "--host", "0.0.0.0")
    assert post(port, RINGING) == 200
    assert httpx.get(url(port, "/calls")).status_code == 404


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "--store"),
        (["--store", "x", "--port", "70000"], "'70000' is no port"),
        (["--store", "x", "--inbound", "allowlist"], "--allow-from"),
        (["--store", ""], "--store: it is empty"),
        (["--store", "x", "--port", "9" * 5_000], "is no port"),
        (["--store", "x", "--max-calls", "0"], "'0' is no number from 1 to 1000000000"),
        (["--store", "x", "--max-duration", "9223372036854775"], "is no number from 1 to 31536000"),
        (["--store", "x", "--ring-timeout", "9" * 5_000], "is no number from 1 to 31536000"),
        (["--store", "x", "--drain", "\u0663"], "is no number from 1 to 31536000"),
        (["--store", "x", "--allow-from", "abc"], "'abc' is no telephone number"),
        (["--store", "x", "--allow-from", "+"], "'+' is no telephone number"),
        (["--store", "x", "--public-url", "http://"], "https://HOST"),
        (["--store", "x", "--public-url", "https://:80/x"], "https://HOST"),
        (["--store", "x", "--public-url", "https://host:port"], "https://HOST"),
        (["--store", "x", "--provider", "pigeon"], "pigeon"),
        (["--store", "x", "--public-url", "example.org"], "https://HOST"),
        (["--store", "x", "--host", "0.0.0.0", "--skip-verification"], "127.0.0.1"),
        (["--store", "x", "--provider", "twilio", "--public-url", "https://x"], "TWILIO_AUTH_TOKEN"),
    ],
)
def test_wrong_arguments_are_told(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {})
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2 and told in capsys.readouterr().err


@pytest.mark.parametrize(("library", "more"), [("uvicorn", []), ("websockets", ["--streaming"])])
def test_missing_library_is_told(
    library: str, more: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == library else name)
    assert main(["--store", str(tmp_path / "store"), *more]) == 3
    told = capsys.readouterr().err
    assert library in told and "pip install" in told and not (tmp_path / "store").exists()


def test_help_names_every_option_and_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    told = capsys.readouterr().out
    assert stopped.value.code == 0 and "curl" in told and "exit status" in told
    for option in ("store", "port", "provider", "inbound", "allow-from", "greeting", "max-calls", "max-duration"):
        assert f"--{option}" in told
    assert all(name in told for name in ("TWILIO_AUTH_TOKEN", "TELNYX_PUBLIC_KEY", "PLIVO_AUTH_ID"))
    for option in ("public-url", "from-number", "streaming", "sessions", "drain", "log-level"):
        assert f"--{option}" in told
    assert all(name in told for name in PROVIDERS)
