"""Source lines: which line of the program asked for an operation, where its language can tell.

Node: a file loaded before the program tells each call of `fs` on a named pipe right before making it (node_lines.cjs);
the operation gets the last line told for its process, kind and path. Two calls of one kind on one path that are under way
at the same time cannot be told apart. Python: py-spy reads the stack of the thread, which waits in its call; tens of
milliseconds for each operation. Other programs: none, their calls are named by their place.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from harness.frontends.mounted.requirements import MountError
from harness.trace import Process

NODE_LINES: Final = Path(__file__).with_name("node_lines.cjs")
PATIENCE_S: Final = 5.0
"""How long py-spy may look at one stack."""

_FIELDS: Final = 6


class Line(NamedTuple):
    """A line of a program."""

    file: str
    line: int
    function: str


class SourceLines:
    """Looks lines up while programs run. A context manager: its named pipe exists inside."""

    def __init__(self) -> None:
        self._told: dict[tuple[int, str, str], Line] = {}
        self._rest = b""
        self._folder = ""
        self._pipe = -1
        self._py_spy: str | None = None

    def __enter__(self) -> Self:
        # beside this interpreter first: that is where pip puts it
        beside = Path(sys.executable).with_name("py-spy")
        self._py_spy = str(beside) if beside.exists() else shutil.which("py-spy")
        self._folder = tempfile.mkdtemp(prefix="harness-lines-")
        path = os.path.join(self._folder, "pipe")
        os.mkfifo(path)
        self._pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)  # our own end keeps it from ending
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._pipe)
        shutil.rmtree(self._folder, ignore_errors=True)

    def environment(self, given: Mapping[str, str]) -> dict[str, str]:
        """The variables with which a program tells its lines."""
        options = f"{given.get('NODE_OPTIONS', '')} --require {json.dumps(str(NODE_LINES))}".strip()
        return {**given, "NODE_OPTIONS": options, "HARNESS_LINES": os.path.join(self._folder, "pipe")}

    def of(self, process: Process, kind: str, path: str) -> Line | None:
        """The line of this process that asks for this; None where nobody can tell."""
        if process.program.startswith("python"):
            return self._of_python(process)
        self._listen()
        return self._told.get((process.pid, kind, path))

    def _listen(self) -> None:
        while True:
            try:
                read = os.read(self._pipe, 65_536)
            except BlockingIOError:
                return
            *lines, self._rest = (self._rest + read).split(b"\n")
            for text in lines:
                fields = text.decode("utf-8", "replace").split("\t")
                if len(fields) == _FIELDS and fields[0].isdigit() and fields[4].isdigit():
                    for kind in fields[1].split(","):
                        self._told[int(fields[0]), kind, fields[2]] = Line(fields[3], int(fields[4]), fields[5])

    def _of_python(self, process: Process) -> Line | None:
        if self._py_spy is None:
            raise MountError("--stacks needs py-spy for a Python program: `pip install py-spy`")
        words = [self._py_spy, "dump", "--json", "--nonblocking", "--pid", str(process.pid)]
        try:
            dumped = subprocess.run(words, capture_output=True, timeout=PATIENCE_S, check=True).stdout
            threads: list[dict[str, Any]] = json.loads(dumped)
        except (subprocess.SubprocessError, OSError, ValueError):
            return None
        for thread in threads:
            if thread.get("os_thread_id") == process.thread:
                return own_frame(thread.get("frames") or [])
        return None


def own_frame(frames: list[dict[str, Any]]) -> Line | None:
    """The innermost frame that is not of the standard library or of what is installed, else the innermost one."""
    lines = [Line(str(one["filename"]), int(one["line"]), str(one["name"])) for one in frames if one.get("line")]
    return next((line for line in lines if not _is_library(line.file)), lines[0] if lines else None)


def _is_library(file: str) -> bool:
    if file.startswith("<frozen"):
        return True
    folder = f"/lib/python{sys.version_info.major}."
    return folder in file or file.startswith(sysconfig.get_paths()["stdlib"])
