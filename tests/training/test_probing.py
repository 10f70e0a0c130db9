"""Bits per byte are taken at rows that no interruption moves, and the alarm watches the source."""

import math
from collections.abc import Sequence
from copy import deepcopy

import pytest

from loanword.errors import UserError
from loanword.recipe import StepsConfig, WatchConfig
from loanword.records import CurvePoint
from loanword.tokens.probe import ProbeRows, probe_rows
from loanword.tokens.rows import Row
from loanword.training.probing import Probe
from loanword.training.state import Position
from tests.tokens.fakes import Characters

STEPS = StepsConfig(peak_learning_rate=1e-3, row_tokens=32, batch_tokens=128)
ROWS = STEPS.batch_rows


def text(language: str, words: str) -> ProbeRows:
    return probe_rows([words], Characters(), language, row_tokens=32, probe_bytes=10**6)


TEXTS = (text("sw", "habari ya asubuhi, dunia"), text("en", "good morning"))


def probe(every_tokens: int = 300, **watch) -> Probe:
    return Probe(TEXTS, "en", WatchConfig(every_tokens=every_tokens, **watch), STEPS)


def advance(position: Position) -> None:
    rows = position.next_row + ROWS
    point = CurvePoint(
        step=position.next_row // ROWS, rows=rows, tokens=rows, learning_rate=1.0, nats_per_token=1.0, gradient_norm=1.0
    )
    position.advance(point)


def nats_after(position: Position):
    """A model that loses a nat a byte of English, and gains on Swahili, with every row."""

    def nats_of(rows: Sequence[Row]) -> float:
        language = next(each for each in TEXTS if each.rows is rows)
        return language.num_bytes * (position.next_row if language.language == "en" else 1 / (1 + position.next_row))

    return nats_of


def walk(position: Position, last_row: int, watched: Probe) -> Position:
    while True:
        watched.take(position, last_row, nats_after(position))
        if position.next_row >= last_row:
            return position
        advance(position)


def test_points_are_taken_at_the_start_every_so_many_tokens_in_whole_steps_and_at_the_end() -> None:
    # 300 tokens are two and a half steps of 128.
    points = walk(Position(0), 10 * ROWS, probe()).probes
    assert [(one.rows // ROWS, one.language) for one in points] == [
        (step, language) for step in (0, 3, 6, 9, 10) for language in ("sw", "en")
    ]
    assert [one.tokens for one in points if one.language == "en"] == [0, 12, 24, 36, 40]


def test_a_point_is_nats_in_bits_over_the_bytes_of_its_text() -> None:
    position = Position(0)
    sw, en = probe().take(position, 100, lambda rows: 24.0 if rows is TEXTS[0].rows else 6.0)
    assert (TEXTS[0].num_bytes, TEXTS[1].num_bytes) == (24, 12)
    assert sw.bits_per_byte == pytest.approx(1 / math.log(2))
    assert en.bits_per_byte == pytest.approx(0.5 / math.log(2))
    assert position.probes == [sw, en]


def test_a_position_that_has_its_points_is_not_measured_again() -> None:
    position = walk(Position(0), 6 * ROWS, probe())
    again = deepcopy(position)
    assert probe().take(again, 6 * ROWS, nats_after(again)) == ()
    assert again == position


@pytest.mark.parametrize("cut", [4, 6])
def test_a_cut_that_goes_on_from_a_smaller_one_has_the_points_of_one_from_the_start(cut: int) -> None:
    smaller = walk(Position(0), cut * ROWS, probe())
    larger = Position(cut * ROWS, smaller.curve, probes=probe().carried(smaller.probes))
    assert walk(larger, 11 * ROWS, probe()).probes == walk(Position(0), 11 * ROWS, probe()).probes


def test_a_loss_that_is_not_finite_is_the_start_s_fault_at_the_start() -> None:
    with pytest.raises(UserError, match=r"held-out text of sw - a loss of nan nats at row 0(?s:.*)check the weights"):
        probe().take(Position(0), 100, lambda rows: math.nan)


def said_of(bits: Sequence[float], watched: Probe) -> list[str]:
    """What is said where the source costs these bits per byte, one point every three steps."""
    said: list[str] = []
    position = Position(0)
    while position.next_row < 3 * ROWS * len(bits):
        now = bits[position.next_row // (3 * ROWS)]
        watched.take(position, 10**6, lambda rows, now=now: now * math.log(2) * TEXTS[rows is TEXTS[1].rows].num_bytes)
        watched.alarm(position, said.append)
        advance(position)
    return said


def test_an_alarm_is_said_once_per_crossing() -> None:
    watched = probe(retention_budget_bits=0.1)
    said = said_of([1.0, 1.05, 1.2, 1.3, 1.05, 1.11], watched)
    assert len(said) == 2
    assert "held-out text of en costs 1.2000 bits per byte after 24 rows" in said[0]
    assert "0.2000 more than at the start; the budget is 0.1" in said[0]


def test_no_budget_and_no_loss_raise_no_alarm() -> None:
    assert said_of([1.0, 9.0], probe()) == []
    assert said_of([1.0, 0.5, 1.09], probe(retention_budget_bits=0.1, alarm="stop")) == []


def test_an_alarm_that_stops_says_how_far_it_got_and_what_to_do() -> None:
    watched = probe(retention_budget_bits=0.1, alarm="stop")
    with pytest.raises(UserError) as caught:
        said_of([1.0, 1.05, 1.2], watched)
    for part in ("1.2000 bits per byte after 24 rows", "at most 0.1 more", "pretraining.replay", 'alarm = "warn"'):
        assert part in str(caught.value)


def test_a_run_that_was_killed_at_its_alarm_does_not_go_on_past_it() -> None:
    watched = probe(retention_budget_bits=0.1, alarm="stop")
    position = Position(0)
    watched.take(position, 100, lambda rows: 1.0)
    position.next_row = 3 * ROWS
    watched.take(position, 100, lambda rows: 99.0)
    with pytest.raises(UserError, match="retention alarm"):
        watched.alarm(deepcopy(position), lambda sentence: None)
