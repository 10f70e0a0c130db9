"""New pieces get rows; old rows do not move."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaForCausalLM

from loanword.model.embeddings import extend_embeddings, input_table, output_table
from loanword.model.load import load_model, new_model, save_model
from loanword.recipe import ArchitectureConfig

NUM_BASE = 40
SHAPE = ArchitectureConfig(
    width=16, num_layers=1, num_heads=2, num_key_value_heads=2, feed_forward_width=24, context_tokens=32
)
CONSTITUENTS = [(3, 5), (39,), (0, 1, 2, 1), (7, 8)]


def extended(
    tied: bool, num_rows: int, constituents: list[tuple[int, ...]]
) -> tuple[LlamaForCausalLM, list[torch.Tensor]]:
    shape = SHAPE.model_copy(update={"tied_embeddings": tied})
    model = new_model(shape, num_rows, 1, bos_id=1, eos_id=2)
    before = [input_table(model).clone(), output_table(model).clone()]
    extend_embeddings(model, constituents, NUM_BASE)
    return model, before


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("num_rows", [40, 42, 64], ids=["exact", "some padding", "padding enough"])
@given(constituents=st.lists(st.lists(st.integers(0, NUM_BASE - 1), min_size=1, max_size=4).map(tuple), max_size=6))
@settings(max_examples=10, deadline=None)
def test_new_rows_are_means_and_base_rows_stay_bit_equal(
    tied: bool, num_rows: int, constituents: list[tuple[int, ...]]
) -> None:
    model, before = extended(tied, num_rows, constituents)
    tables = (input_table(model), output_table(model))
    assert (tables[0] is tables[1]) == tied
    for table_VD, old_VD in zip(tables, before, strict=True):
        assert table_VD.shape[0] == max(num_rows, NUM_BASE + len(constituents)) == model.config.vocab_size
        assert torch.equal(table_VD[:NUM_BASE], old_VD[:NUM_BASE])
        left = NUM_BASE + len(constituents)
        assert torch.equal(table_VD[left:num_rows], old_VD[left:num_rows])
        for new_id, ids in enumerate(constituents, start=NUM_BASE):
            torch.testing.assert_close(table_VD[new_id], torch.stack([old_VD[i] for i in ids]).sum(0) / len(ids))


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_an_extended_model_is_saved_and_comes_back(tied: bool, tmp_path: Path) -> None:
    model, _ = extended(tied, NUM_BASE, CONSTITUENTS)
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    ids_BT = torch.tensor([[1, 40, 43, 7]])
    assert torch.equal(loaded(ids_BT).logits, model(ids_BT).logits)
    tables = input_table(loaded), output_table(loaded)
    assert (tables[0] is tables[1]) == tied


def test_extending_is_deterministic_and_draws_nothing() -> None:
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    first, _ = extended(True, NUM_BASE, CONSTITUENTS)
    assert torch.equal(torch.rand(2), expected)
    second, _ = extended(True, NUM_BASE, CONSTITUENTS)
    assert torch.equal(input_table(first), input_table(second))


@pytest.mark.parametrize("constituents", [[()], [(NUM_BASE,)], [(-1,)]])
def test_constituents_must_be_base_pieces(constituents: list[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="constituents must be"):
        extended(True, NUM_BASE, constituents)
