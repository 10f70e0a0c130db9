"""New pieces get rows; old rows do not move.

Shapes: V rows, N new pieces, D width.
"""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PhiConfig, PhiForCausalLM, PreTrainedModel

from loanword.model.embeddings import add_rows, input_table, output_table
from loanword.model.load import load_model, new_model, save_model
from loanword.recipe import ArchitectureConfig
from tests.model.families import FAMILIES, NUM_PIECES, small_model

NUM_BASE, WIDTH = 40, 16
SHAPE = ArchitectureConfig(
    width=WIDTH, num_layers=1, num_heads=2, num_key_value_heads=2, feed_forward_width=24, context_tokens=32
)
DTYPES = [torch.float32, torch.bfloat16]


def llama(tied: bool, num_rows: int = NUM_BASE, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    shape = SHAPE.model_copy(update={"tied_embeddings": tied})
    model: PreTrainedModel = new_model(shape, num_rows, 1, bos_id=1, eos_id=2)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    return model


def phi() -> PreTrainedModel:
    """A head with a bias, which is random and not 0."""
    shape = {"vocab_size": NUM_BASE, "hidden_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 2,
             "intermediate_size": 24, "max_position_embeddings": 32, "dtype": "float32"}  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = PhiForCausalLM(PhiConfig(**shape))
        bias_of(model).data.normal_()
    return model


def bias_of(model: PreTrainedModel) -> torch.nn.Parameter:
    bias_V = getattr(model.get_output_embeddings(), "bias", None)
    assert isinstance(bias_V, torch.nn.Parameter)
    return bias_V


def some_rows(num_new: int, seed: int, dtype: torch.dtype = torch.float32, width: int = WIDTH) -> torch.Tensor:
    return torch.randn(num_new, width, generator=torch.Generator().manual_seed(seed)).to(dtype)


def add(model: PreTrainedModel, num_new: int, multiple: int = 1) -> list[torch.Tensor]:
    """Adds rows and gives back what was added to the input table and to the head."""
    tied = input_table(model) is output_table(model)
    dtype, width = input_table(model).dtype, input_table(model).shape[1]
    rows = [some_rows(num_new, 2, dtype, width), some_rows(num_new, 2 if tied else 3, dtype, width)]
    add_rows(model, rows[0], None if tied else rows[1], NUM_BASE, multiple)
    return rows


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "bfloat16"])
@given(num_padding=st.integers(0, 30), num_new=st.integers(0, 20), multiple=st.sampled_from([1, 8, 64]))
@settings(max_examples=20, deadline=None)
def test_new_rows_stand_behind_base_rows_which_stay_bit_equal(
    tied: bool, dtype: torch.dtype, num_padding: int, num_new: int, multiple: int
) -> None:
    model = llama(tied, NUM_BASE + num_padding, dtype)
    old = [input_table(model).detach().clone(), output_table(model).detach().clone()]
    added = add(model, num_new, multiple)
    tables = (input_table(model), output_table(model))
    assert (tables[0] is tables[1]) == tied
    num_pieces, num_old_rows = NUM_BASE + num_new, NUM_BASE + num_padding
    for table_VD, old_VD, new_ND in zip(tables, old, added, strict=True):
        assert table_VD.dtype == dtype
        assert max(num_pieces, num_old_rows) <= len(table_VD) < max(num_pieces, num_old_rows) + multiple
        assert len(table_VD) % multiple == 0
        assert len(table_VD) == model.config.vocab_size
        assert torch.equal(table_VD[:NUM_BASE], old_VD[:NUM_BASE])
        assert torch.equal(table_VD[NUM_BASE:num_pieces], new_ND)
        assert torch.equal(table_VD[num_pieces:num_old_rows], old_VD[num_pieces:])
        padding_VD = table_VD[max(num_pieces, num_old_rows) :]
        mean_D = old_VD[:NUM_BASE].double().mean(0).to(dtype)
        assert torch.equal(padding_VD, mean_D.expand_as(padding_VD))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_base_pieces_the_logits_that_it_gave(family: str) -> None:
    model = small_model(family)
    tied = input_table(model) is output_table(model)
    ids_BT = torch.tensor([[1, 40, 43, 7]])
    with torch.no_grad():
        before_BTV = model(ids_BT, use_cache=False).logits
        rows_ND = some_rows(5, 0, width=32)
        add_rows(model, rows_ND, None if tied else rows_ND, NUM_PIECES, 64)
        after_BTV = model(ids_BT, use_cache=False).logits
    assert after_BTV.shape[-1] == 128
    torch.testing.assert_close(after_BTV[..., :NUM_PIECES], before_BTV)


@pytest.mark.parametrize("make", [lambda: llama(True), lambda: llama(False), phi], ids=["tied", "untied", "with bias"])
def test_a_model_with_new_rows_is_saved_and_comes_back(make, tmp_path: Path) -> None:
    model = make()
    add(model, 4, 8)
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    ids_BT = torch.tensor([[1, 40, 43, 7]])
    assert torch.equal(loaded(ids_BT).logits, model(ids_BT).logits)
    assert (input_table(loaded) is output_table(loaded)) == (input_table(model) is output_table(model))
    assert len(input_table(loaded)) == loaded.config.vocab_size == 48


def test_new_and_padding_rows_of_a_head_with_bias_get_the_mean_of_the_bases() -> None:
    model = phi()
    old_V = bias_of(model).detach().clone()
    add(model, 4, 64)
    bias_V = bias_of(model)
    assert len(bias_V) == 64
    assert torch.equal(bias_V[:NUM_BASE], old_V)
    torch.testing.assert_close(bias_V[NUM_BASE:], old_V.mean().expand(24))


def test_padding_is_never_likelier_than_every_piece() -> None:
    model = phi()
    bias_of(model).data.fill_(-10)  # so that all logits are below 0, as they are in GPT-2
    add(model, 0, 64)
    with torch.no_grad():
        logits_TV = model(torch.arange(32)[None]).logits[0]
    assert logits_TV.shape[1] == 64
    assert (logits_TV[:, NUM_BASE:].amax(1) < logits_TV[:, :NUM_BASE].amax(1)).all()


def test_adding_rows_is_deterministic_and_draws_nothing() -> None:
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    first, second = llama(True), llama(True)
    add(first, 4, 64)
    assert torch.equal(torch.rand(2), expected)
    add(second, 4, 64)
    assert torch.equal(input_table(first), input_table(second))


def test_new_rows_can_be_trained() -> None:
    model = llama(False)
    add(model, 4)
    model(torch.tensor([[1, 41, 42]]), labels=torch.tensor([[1, 41, 42]])).loss.backward()
    for table_VD in (input_table(model), output_table(model)):
        assert table_VD.grad is not None
        assert table_VD.grad[42 if table_VD is output_table(model) else 41].any()


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_a_head_has_rows_of_its_own_if_and_only_if_it_is_not_tied(tied: bool) -> None:
    rows_ND = some_rows(4, 0)
    with pytest.raises(ValueError, match="if and only if the head is not tied"):
        add_rows(llama(tied), rows_ND, rows_ND if tied else None, NUM_BASE)
