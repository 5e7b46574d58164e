"""HTTP answers are marks, in their exact place: also that of a server which answers first and syncs afterwards."""

import socket
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.anyprogram.checker import checker
from harness.anyprogram.fault_sweep import Request, sweep
from harness.cli import main
from harness.frontends.mounted.recording import Recorded, Run, record
from harness.frontends.mounted.requirements import MountError
from harness.trace import Fsync, Mark, Write

h11 = pytest.importorskip("h11", reason="h11 is missing: pip install h11")

SERVER = """
import http.client, http.server, os, sys, threading
front, back, order = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
log = open(os.environ["HARNESS_ROOT"] + "/log", "ab", buffering=0)

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        log.write(body)
        if order == "sync-first":
            os.fsync(log.fileno())
        self.send_response(503 if b"bad" in body else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
        if order == "answer-first":
            os.fsync(log.fileno())
    def log_message(self, *words):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", back), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = http.client.HTTPConnection("127.0.0.1", front)
for n in range(20):
    client.request("POST", f"/events/{n}", body=b"%d" % n if n != 5 else b"bad")
    answer = client.getresponse()
    assert answer.read() == b"ok", answer.status
os._exit(0)
"""


MANY = (
    SERVER.partition("client = ")[0]
    + """
def ask(first):
    for n in range(first, first + 10):
        client = http.client.HTTPConnection("127.0.0.1", front, timeout=20)
        client.request("POST", f"/events/{n}", body=b"%d" % n * 30_000, headers={"Connection": "close"})
        assert client.getresponse().read() == b"ok"
        client.close()

threads = [threading.Thread(target=ask, args=(first,)) for first in (0, 10, 20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
os._exit(0)
"""
)


def free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def served(root: Path, order: str, source: str = SERVER) -> Recorded:
    front, back = free_ports()
    words = (sys.executable, "-S", "-c", source, str(front), str(back), order)
    recorded = record(Run(root, words, time_limit_s=60, http=((front, back),)))
    assert recorded.ended.exit_code == 0, recorded.ended.errors
    return recorded


def kinds(recorded: Recorded) -> list[str]:
    return [item.kind if isinstance(item, Mark) else type(item).__name__ for item in recorded.trace.items[1:]]


@pytest.mark.fuse
@pytest.mark.parametrize("order", ["sync-first", "answer-first"])
def test_a_connection_for_each_request_and_many_at_once(root: Path, order: str) -> None:
    found = kinds(served(root, order, MANY))
    assert [found.count(kind) for kind in ("attempted", "Write", "Fsync", "acknowledged", "refused")] == [
        30,
        30,
        30,
        30,
        0,
    ]


@pytest.mark.fuse
def test_a_server_that_syncs_first_answers_after_the_sync(root: Path) -> None:
    recorded = served(root, "sync-first")
    good = ["attempted", "Write", "Fsync", "acknowledged"]
    assert kinds(recorded) == [*good * 5, "attempted", "Write", "Fsync", "refused", *good * 14]
    marks = recorded.trace.marks()
    assert marks[:2] == [
        Mark("attempted", "POST /events/0 0"),
        Mark("acknowledged", "POST /events/0 0", {"status": 200}),
    ]
    assert marks[11] == Mark("refused", "POST /events/5 bad", {"status": 503})


@pytest.mark.fuse
def test_a_server_that_answers_first_is_seen_to(root: Path) -> None:
    """Each time: its next call is recorded after what it had sent, whatever the client was doing."""
    items = served(root, "answer-first").trace.items
    for position, item in enumerate(items):
        if isinstance(item, Write):
            after = items[position + 1 :]
            sync = next(at for at, one in enumerate(after) if isinstance(one, Fsync))
            answer = next(at for at, one in enumerate(after) if isinstance(one, Mark) and one.kind != "attempted")
            assert answer < sync


@pytest.mark.fuse
def test_a_refused_request_tells_the_fault(root: Path) -> None:
    """The server answers 500 when it cannot write: nothing is swallowed, and the run is not one without faults."""
    front, back = free_ports()
    text = SERVER.replace("log.write(body)", "try: log.write(body); fine = True\n        except OSError: fine = False")
    text = text.replace('503 if b"bad" in body', "500 if not fine").replace("range(20)", "range(2)")
    run = Run(root, (sys.executable, "-S", "-c", text, str(front), str(back), "sync-first"), http=((front, back),))
    request = Request(run, checker("true"), ("process",), calls=(2,))
    swept = sweep(request)
    written = {
        fault.plan.faults[0].errno: made.behaviour for fault, made in swept.made if fault.plan.faults[0].lasts == 1
    }
    assert written["ENOSPC"] == written["EIO"] == "told"


@pytest.mark.fuse
def test_what_is_no_http_is_passed_on_without_marks(root: Path) -> None:
    front, back = free_ports()
    text = """
import socket, sys, threading
front, back = int(sys.argv[1]), int(sys.argv[2])
server = socket.create_server(("127.0.0.1", back))
def echo():
    line, _ = server.accept()
    while data := line.recv(65536):
        line.sendall(data)
    line.close()
threading.Thread(target=echo).start()
client = socket.create_connection(("127.0.0.1", front))
sent = bytes(range(256)) * 4096
threading.Thread(target=lambda: (client.sendall(sent), client.shutdown(socket.SHUT_WR))).start()
got = b""
while len(got) < len(sent) and (data := client.recv(65536)):
    got += data
print(got == sent, flush=True)
import os; os._exit(0)
"""
    words = (sys.executable, "-S", "-c", text, str(front), str(back))
    recorded = record(Run(root, words, time_limit_s=30, http=((front, back),)))
    assert [mark.event for mark in recorded.trace.marks()] == ["True"], recorded.ended.errors


@pytest.mark.fuse
def test_a_port_that_is_taken_is_one_sentence(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(MountError, match="is not to be had"):
        record(Run(root, ("true",), http=((taken.getsockname()[1], 1),)))


@pytest.mark.parametrize("text", ["8080", "8080:8080", "a:b", "0:80", "1:70000"])
def test_what_is_no_pair_of_ports_is_refused(tmp_path: Path, text: str) -> None:
    result = CliRunner().invoke(main, ["record", "--root", "r", "-o", str(tmp_path / "t"), "--http", text, "true"])
    assert result.exit_code == 2
    assert f"--http {text} is no pair of different ports" in result.output
