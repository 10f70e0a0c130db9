import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from loanword.errors import UserError
from loanword.evaluation.calls import MOST_DOUBTFUL, MOST_REFUSED, SideBySide
from loanword.protocols import Refused


@dataclass
class Purse:
    """A budget of so many calls, each of which sets two aside and takes one."""

    limit: int = 1000
    spent: int = 0
    reserved: int = 0
    most: int = 0

    def take(self, call: int) -> UserError | None:
        if self.spent + self.reserved + 2 > self.limit:
            return UserError("limit", "is reached")
        self.reserved += 2
        self.most = max(self.most, self.reserved)
        return None

    def give_back(self, call: int) -> None:
        self.reserved -= 2
        self.spent += 1


@dataclass
class Made:
    """Calls that were made; those that `fails` or `refuses` name raise."""

    fails: Callable[[int], bool] = lambda call: False
    refuses: Callable[[int], bool] = lambda call: False
    calls: list[int] = field(default_factory=list[int])
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, call: int) -> None:
        with self.lock:
            self.calls.append(call)
        if self.fails(call):
            raise UserError("server", f"call {call} fails")
        if self.refuses(call):
            raise Refused("server", f"call {call} is refused")


def nothing(call: int) -> None:
    """Nobody counts."""


@pytest.mark.parametrize("at_once", [1, 4])
def test_every_call_is_made_once(at_once: int):
    made, over = Made(), list[int]()
    assert SideBySide(made, at_once, Purse()).run(range(20), over.append) == []
    assert sorted(made.calls) == sorted(over) == list(range(20))


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_call_that_fails_while_others_are_answered_is_given_back(at_once: int):
    failed = SideBySide(Made(lambda call: call % 5 == 4), at_once, Purse()).run(range(20), nothing)
    assert sorted(call for call, _ in failed) == [4, 9, 14, 19]
    assert {error.what for call, error in failed if call == 9} == {"call 9 fails"}


def test_where_nothing_is_answered_the_first_error_is_raised_and_calls_end():
    made = Made(lambda call: True)
    with pytest.raises(UserError, match="call 0 fails"):
        SideBySide(made, 1, Purse()).run(range(100), nothing)
    assert len(made.calls) == MOST_DOUBTFUL + 1


@pytest.mark.parametrize("at_once", [1, 4])
def test_refusals_end_nothing_where_something_is_answered(at_once: int):
    made = Made(refuses=lambda call: call < 20 or call == 25)
    failed = SideBySide(made, at_once, Purse()).run(range(30), nothing)
    assert sorted(call for call, _ in failed) == [*range(20), 25]
    assert len(made.calls) == 30


def test_where_everything_is_refused_the_refusal_is_raised_after_some_more_tries():
    made = Made(refuses=lambda call: True)
    with pytest.raises(UserError, match="call 0 is refused"):
        SideBySide(made, 1, Purse()).run(range(100), nothing)
    assert len(made.calls) == MOST_REFUSED + 1
    with pytest.raises(UserError, match="call 7 is refused"):
        SideBySide(made, 1, Purse()).run([7], nothing)


def test_refusals_are_no_doubts_about_a_server_that_fails_now_and_then():
    made = Made(lambda call: call in (9, 19), refuses=lambda call: True)
    with pytest.raises(UserError, match="call 0 is refused"):
        SideBySide(made, 1, Purse()).run(range(25), nothing)
    assert len(made.calls) == 25, "neither the failures nor the refusals are too many"


def test_one_call_alone_that_fails_is_its_own_trouble_only_where_others_were_answered_before():
    with pytest.raises(UserError, match="call 7 fails"):
        SideBySide(Made(lambda call: True), 1, Purse()).run([7], nothing)
    known = SideBySide(Made(lambda call: True), 1, Purse(), answered=True)
    assert [call for call, _ in known.run([7], nothing)] == [7]


def test_a_bug_is_no_trouble_of_a_call():
    def make(call: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        SideBySide(make, 4, Purse()).run(range(9), nothing)


@pytest.mark.parametrize("at_once", [1, 4])
def test_what_was_set_aside_and_not_taken_is_used_before_the_limit_is_said_to_be_reached(at_once: int):
    made, purse = Made(), Purse(limit=10)
    with pytest.raises(UserError, match="limit - is reached"):
        SideBySide(made, at_once, purse).run(range(100), nothing)
    assert len(made.calls) == purse.spent == 9
    assert purse.reserved == 0
    assert purse.most <= 2 * at_once


def test_who_stops_gets_what_was_on_its_way():
    made = Made()
    over = list[int]()
    SideBySide(made, 3, Purse()).run(range(100), over.append, lambda: len(made.calls) >= 6)
    assert sorted(over) == sorted(made.calls)
    assert 6 <= len(made.calls) <= 8
