"""A signal leaves a note; the second one ends it; handlers are put back."""

import os
import signal

import pytest

from harness.gate import interruption
from harness.gate.interruption import asked, hurried, listening


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_one_interrupts(number, monkeypatch):
    monkeypatch.setattr(interruption, "SAME_S", 0.0)
    before = signal.getsignal(number)
    with listening():
        assert not asked()
        os.kill(os.getpid(), number)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_one_wish_may_be_delivered_twice():
    with listening():
        os.kill(os.getpid(), signal.SIGTERM)  # `timeout` signals its child, and then the whole process group
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked() and not hurried()


def test_what_never_comes_to_a_state_is_cut_off(monkeypatch):
    monkeypatch.setattr(interruption, "ALARM_S", 0.02)
    before = signal.getsignal(signal.SIGALRM)
    with listening():
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            while True:  # a long enumeration
                pass
        assert hurried()
    assert signal.getsignal(signal.SIGALRM) is before and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_new_run_has_not_been_asked():
    with listening():
        os.kill(os.getpid(), signal.SIGINT)
    with listening():
        assert not asked()
