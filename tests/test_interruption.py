"""A signal is noted, a second Ctrl-C acts, and nothing stays behind."""

import os
import signal
import threading
from collections.abc import Generator

import pytest

from loanword.interruption import REQUEUE, noticed

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Acted(Exception):
    """What the handler does that was there before."""


@pytest.fixture(autouse=True)
def before() -> Generator[None]:
    """Handlers that raise, so that a test sees them."""

    def act(number, frame):
        raise Acted

    old = {number: signal.signal(number, act) for number in SIGNALS}
    yield
    for number, handler in old.items():
        signal.signal(number, handler)


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_and_does_not_act(number: signal.Signals) -> None:
    with noticed() as stop:
        assert not stop.asked
        send(number)
        assert stop.asked


@pytest.mark.parametrize("first", SIGNALS)
def test_ctrl_c_acts_at_once_when_a_stop_was_asked_for(first: signal.Signals) -> None:
    with noticed() as stop:
        send(first)
        with pytest.raises(Acted):
            send(signal.SIGINT)
        assert stop.asked


@pytest.mark.parametrize("first", SIGNALS)
def test_sigterm_may_come_from_several_sides(first: signal.Signals) -> None:
    with noticed() as stop:
        for number in (first, signal.SIGTERM, signal.SIGTERM):
            send(number)
        assert stop.asked


@pytest.mark.parametrize("number", SIGNALS)
def test_afterwards_a_signal_acts_as_before(number: signal.Signals) -> None:
    with pytest.raises(ZeroDivisionError), noticed():
        raise ZeroDivisionError
    with pytest.raises(Acted):
        send(number)


def test_what_was_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with noticed() as stop:
        send(signal.SIGINT)
        assert not stop.asked
        send(signal.SIGTERM)
        assert stop.asked
        send(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_another_thread_leaves_the_handlers_alone() -> None:
    handlers = [signal.getsignal(number) for number in SIGNALS]
    seen = []

    def look() -> None:
        with noticed() as stop:
            seen.append(([signal.getsignal(number) for number in SIGNALS], stop.asked))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [(handlers, False)]


def test_schedulers_know_the_exit_code() -> None:
    assert REQUEUE == os.EX_TEMPFAIL
