"""Ctrl-C: the first one asks a run to end between two states, with all it has found; the second one ends it at once.

A KeyboardInterrupt raised wherever the run happens to be would run through the subject, which may catch it and do
something that no death does. So a signal only leaves a note here, and the sweeps look at it after each state. SIGTERM
(a CI job that is cancelled) is taken in the same way, so that workers are never left behind. Where no state comes to
its end (a long enumeration), an alarm does what a second signal does.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final

from harness.clock import machine_seconds

HURRY_S: Final = 1.2
"""From the first signal: how long workers may take to hand over what they have."""

ALARM_S: Final = 1.6
"""From the first signal to the end of what is still under way, wherever it is."""

SAME_S: Final = 0.5
"""Signals this close are one wish: `timeout` and a terminal's process group deliver it more than once."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

_asked = False
_asked_at = 0.0
_hurried = False


def asked() -> bool:
    """Whether somebody wants this process to come to an end."""
    return _asked


def hurried() -> bool:
    """Whether what was under way was cut off: a state that was being judged then says nothing."""
    return _hurried


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM ask; a second one raises KeyboardInterrupt. Does nothing outside the main thread."""
    global _asked, _hurried
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _asked = _hurried = False
    before = {number: signal.signal(number, _ask) for number in _SIGNALS}
    before[signal.SIGALRM] = signal.getsignal(signal.SIGALRM)  # replaced only once somebody asks
    try:
        yield
    finally:
        if _asked:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _ask(number: int, frame: FrameType | None) -> None:
    global _asked, _asked_at
    now = machine_seconds()
    if _asked:
        if now - _asked_at >= SAME_S:
            _cut_off(number, frame)
        return
    _asked, _asked_at = True, now
    signal.signal(signal.SIGALRM, _cut_off)
    signal.setitimer(signal.ITIMER_REAL, ALARM_S, ALARM_S)


def _cut_off(number: int, frame: FrameType | None) -> None:
    global _hurried
    _hurried = True
    raise KeyboardInterrupt


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Processes started inside begin with SIGINT and SIGTERM blocked, until `listen_in_worker`."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def listen_in_worker() -> None:
    """In a worker process: signals only ask, however often they come; the owner decides when it is over."""
    for number in _SIGNALS:
        signal.signal(number, _ask_again)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _ask_again(number: int, frame: FrameType | None) -> None:
    global _asked
    _asked = True
