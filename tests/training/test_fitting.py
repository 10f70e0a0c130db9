"""A micro-batch that an Execution leaves open follows from the estimate, and is kept."""

from pathlib import Path

import pytest

from loanword.model.memory import Place, estimate
from loanword.model.shape import DecoderShape, published_shape
from loanword.protocols import Work
from loanword.records import Execution
from loanword.training.fitting import _chosen, fitted
from tests.training.small import ROW_TOKENS, STEPS, small_model

CPU = Place("cpu")


def shape() -> DecoderShape:
    made = published_shape(small_model().config.to_dict())
    assert made is not None
    return made


def test_what_is_left_open_is_chosen_and_kept(tmp_path: Path) -> None:
    kept: list[int] = []
    on = fitted(small_model(), STEPS, Work({}, tmp_path, 0, Execution(), resize=kept.append), 1)
    assert (on.micro_batch_tokens, on.activations) == (STEPS.batch_tokens, "keep")
    assert kept == [STEPS.batch_tokens]


def test_what_is_given_stays(tmp_path: Path) -> None:
    kept: list[int] = []
    given = Execution(micro_batch_tokens=64, activations="recompute")
    assert fitted(small_model(), STEPS, Work({}, tmp_path, 0, given, resize=kept.append), 1) == given
    assert not kept


@pytest.mark.parametrize("activations", ["keep", "selective", "recompute"])
def test_as_little_is_computed_again_as_memory_allows(activations: str) -> None:
    wanted = 1000 * ROW_TOKENS
    room = estimate(shape(), STEPS, wanted, activations, CPU).total_bytes  # type: ignore[arg-type]
    assert _chosen(shape(), STEPS, Execution(), wanted, room, CPU) == (wanted, activations)


def test_a_row_is_tried_where_not_even_a_row_fits() -> None:
    assert _chosen(shape(), STEPS, Execution(), 1000 * ROW_TOKENS, 1.0, CPU) == (ROW_TOKENS, "recompute")
