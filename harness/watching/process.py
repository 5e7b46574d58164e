"""One process of a round: started fresh, ended kindly when the sources change under it, killed when it does not end.

It is a process group of its own, so that Ctrl-C in a terminal reaches the watcher alone, which then ends it.
"""

import contextlib
import os
import signal
import subprocess
from types import TracebackType
from typing import Final, Self

from harness.watching.errands import Errand

ENDS_WITHIN_S: Final = 5.0
"""A run that is interrupted saves what it has found: two seconds, and the start of a slow machine."""


class Process:
    """Use it in a `with`: at its end the process is gone."""

    def __init__(self, errand: Errand) -> None:
        where = None if errand.spoken else subprocess.PIPE
        # Compiled modules are known by their time in seconds and their size: an edit right after another one, of the
        # same length, would be taken for the one that was compiled.
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            errand.command,
            stdin=subprocess.DEVNULL,
            stdout=where,
            stderr=subprocess.STDOUT if where else None,
            env=environment,
            process_group=0,
            text=True,
            errors="replace",
        )
        self.said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.communicate(timeout=ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()

    def ended(self, within_s: float) -> int | None:
        """Its exit code, or None where it still runs after `within_s` seconds."""
        try:
            self.said = self._process.communicate(timeout=within_s)[0] or ""
        except subprocess.TimeoutExpired:
            return None
        return self._process.returncode
