"""Printed lines: what a program writes to its standard output, line by line, each a mark.

Read without waiting: a line counts as told once all of it has arrived. What the program still holds in a buffer of its
own (most do when they write to a pipe) nobody has been told yet.
"""

import os
from collections.abc import Callable, Iterator
from typing import Final

from harness.trace import Mark

KEPT_MAX: Final = 2**20
"""Bytes of the output that are kept for whoever asks afterwards: the last ones."""

_CHUNK: Final = 65_536


class PrintedLines:
    """The reading end of a program's pipe. `passed_on` gets the bytes as they come; `all` keeps the last of them."""

    def __init__(self, descriptor: int, passed_on: Callable[[bytes], None] | None = None) -> None:
        self.descriptor = descriptor
        self.ended = False
        self.all = bytearray()
        self._passed_on = passed_on
        self._rest = b""
        os.set_blocking(descriptor, False)

    def marks(self) -> Iterator[Mark]:
        """The lines that have become complete, as marks."""
        while not self.ended:
            try:
                read = os.read(self.descriptor, _CHUNK)
            except BlockingIOError:
                return
            if read:
                self._keep(read)
                *lines, self._rest = (self._rest + read).split(b"\n")
            else:
                self.ended = True
                lines = [self._rest] if self._rest else []
                self._rest = b""
            for line in lines:
                yield Mark("printed", line.decode("utf-8", "backslashreplace"))

    def _keep(self, read: bytes) -> None:
        if self._passed_on is not None:
            self._passed_on(read)
        self.all += read
        if len(self.all) > 2 * KEPT_MAX:
            del self.all[:-KEPT_MAX]
