"""Text that is known to leave its language, and the errors that are counted on it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench._mixed import PIECES, Piece, mixed
from bench._rates import SwitchingExample, error_rates
from loanword.records import SwitchedSpan

OWN = ["Anak itu pergi ke pasar pagi ini dengan ibunya.", "Hujan turun sangat deras di kota kami kemarin."] * 50
OTHER = ["The child went to the market this morning with her mother.", "It rained very hard in our town."] * 50


@given(st.sampled_from(PIECES), st.integers(0, 9))
def test_a_mixed_sentence_holds_a_piece_of_its_translation(piece: Piece, seed: int):
    for own, other, made in zip(OWN, OTHER, mixed(OWN, OTHER, "id", 1.0, [piece], seed), strict=True):
        assert made.place is not None
        start, end = made.place
        assert made.text[start:end] in other
        assert piece == "sentence" or (own.startswith(made.text[:start]) and own.endswith(made.text[end:]))
        if "word" in piece:
            assert len(made.text[start:end].split()) == int(piece[0])
            assert made.text[start:end].islower()
            assert len(made.text.split()) == len(own.split())


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0])
def test_so_many_sentences_are_mixed_as_the_rate_says(rate: float):
    made = list(mixed(OWN * 10, OTHER * 10, "id", rate, PIECES))
    assert sum(each.place is not None for each in made) / len(made) == pytest.approx(rate, abs=0.05)
    assert made == list(mixed(OWN * 10, OTHER * 10, "id", rate, PIECES))


def test_errors_are_counted_by_text_and_by_piece():
    examples = [
        SwitchingExample(id="1", language="zh", text="我 like 你 very much", switched=True, into=("en",),
                         words=("like", "very much")),
        SwitchingExample(id="2", language="zh", text="你好", switched=False),
        SwitchingExample(id="3", language="zh", text="用 km", switched=False),
        SwitchingExample(id="4", language="zh", text="我 run", switched=True, into=("en",), words=("run",)),
    ]  # fmt: skip
    spans = {examples[0].text: (2, 6), examples[2].text: (2, 4)}

    def find(text: str, asked: frozenset[str]) -> list[SwitchedSpan]:
        place = spans.get(text)
        return [SwitchedSpan(start=place[0], end=place[1], level="script", language="en")] if place else []

    rates = error_rates(find, examples)
    assert (rates.num_examples, rates.num_found, rates.num_false, rates.num_missed) == (4, 1, 1, 1)
    assert (rates.num_pieces, rates.num_pieces_found) == (3, 1)
    assert rates.precision == rates.recall == 0.5
