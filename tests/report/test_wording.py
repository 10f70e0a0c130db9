"""Quantities as people read them."""

import pytest

from loanword.report import wording


@pytest.mark.parametrize(
    ("value", "shown"), [(0.12345, "0.123"), (12.345, "12.3"), (1234.5, "1,230"), (999.9, "1,000"), (0, "0")]
)
def test_perplexity_keeps_three_figures(value: float, shown: str):
    assert wording.significant(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(0.0004, "0.000"), (-0.0004, "0.000"), (0.5, "+0.500"), (-0.5, "−0.500")])
def test_a_difference_has_a_sign_unless_it_rounds_to_zero(value: float, shown: str):
    assert wording.signed(value, 3) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (999, "999 B"),
        (999_700, "1 MB"),
        (400_321, "400 kB"),
        (2_000_000, "2 MB"),
        (123_456_789_012, "123 GB"),
    ],
)
def test_text_is_measured_in_the_unit_that_fits(value: int, shown: str):
    assert wording.bytes_text(value).replace(wording.NARROW, " ") == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.42, "0.4 s"), (59.7, "1 min 00 s"), (125, "2 min 05 s"), (3_900, "1 h 05 min")]
)
def test_time_stands_in_its_two_largest_units(seconds: float, shown: str):
    assert wording.duration(seconds).replace(wording.NARROW, " ") == shown


def test_small_p_values_are_bounded_not_written_as_zero():
    assert (wording.p_phrase(1e-9), wording.p_phrase(0.04)) == ("p < 0.001", "p = 0.040")


def test_settings_have_words_units_and_a_phrase_that_stands_alone():
    assert wording.setting_value("pretraining.budget.bytes", 400_000) == f"400{wording.NARROW}kB"
    assert wording.setting_value("target", "zh") == "Chinese (zh)"
    assert wording.setting_phrase("pretraining.replay", 0.2) == f"replay 20{wording.NARROW}%"
    assert wording.setting_phrase("tokenizer.num_new_pieces", 0) == "original vocabulary"
    assert wording.setting_phrase("training.warmup", 3) == "training.warmup 3"
    assert wording.setting_value("anything", None) == wording.NOT_PLANNED
