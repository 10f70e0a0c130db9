"""Shapes of published models, known without a download."""

import pytest

from loanword.model.shape import KNOWN, PIECES_OF_ADAPTERS, shape_on_hub


@pytest.mark.parametrize(
    ("model", "adapters", "num_pieces", "millions"),
    [
        ("huggyllama/llama-7b", (), 32_000, 6_738),
        ("huggyllama/llama-13b", (), 32_000, 13_015),
        ("meta-llama/Llama-2-7b-hf@main", (), 32_000, 6_738),
        ("huggyllama/llama-7b", ("hfl/chinese-llama-plus-lora-7b",), 49_953, 6_885),
        ("hfl/chinese-llama-2-7b", (), 55_296, 6_929),
        ("openlmlab/open-chinese-llama-7b-patch", (), 32_000, 6_738),
    ],
)
def test_bases_of_the_paper_have_the_sizes_that_are_published(
    model: str, adapters: tuple[str, ...], num_pieces: int, millions: int
):
    shape = shape_on_hub(model, adapters)
    assert shape is not None
    assert (shape.num_pieces, shape.num_parameters // 10**6) == (num_pieces, millions)


def test_what_is_not_known_is_not_guessed():
    assert shape_on_hub("org/other") is None
    assert shape_on_hub("huggyllama/llama-7b", ("org/other-adapter",)) is None
    assert all(pieces > KNOWN["LLaMA 7B"].num_pieces for pieces in PIECES_OF_ADAPTERS.values())
