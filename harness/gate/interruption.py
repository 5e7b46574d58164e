"""Ctrl-C: the first one asks a run to end between two states, with all it has found; the second one ends it at once.

A KeyboardInterrupt raised wherever the run happens to be would run through the subject, which may catch it and do
something that no death does. So a signal only leaves a note here, and the sweeps look at it after each state. SIGTERM
(a CI job that is cancelled) is taken in the same way, so that workers are never left behind.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_asked = False


def asked() -> bool:
    """Whether somebody wants this process to come to an end."""
    return _asked


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM ask; a second one raises KeyboardInterrupt. Does nothing outside the main thread."""
    global _asked
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _asked = False
    before = {number: signal.signal(number, _ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _ask(number: int, frame: FrameType | None) -> None:
    global _asked
    if _asked:
        raise KeyboardInterrupt
    _asked = True


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Processes started inside begin with SIGINT blocked, until `listen_in_worker`."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def listen_in_worker() -> None:
    """In a worker process: SIGINT only asks, however often it comes; the parent decides when it is over."""
    signal.signal(signal.SIGINT, _ask_again)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _ask_again(number: int, frame: FrameType | None) -> None:
    global _asked
    _asked = True
