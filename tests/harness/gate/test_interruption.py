"""A signal leaves a note; the second one ends it; handlers are put back."""

import os
import signal

import pytest

from harness.gate.interruption import asked, listening


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_one_interrupts(number):
    before = signal.getsignal(number)
    with listening():
        assert not asked()
        os.kill(os.getpid(), number)
        assert asked()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_a_new_run_has_not_been_asked():
    with listening():
        os.kill(os.getpid(), signal.SIGINT)
    with listening():
        assert not asked()
