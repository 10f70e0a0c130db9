"""Rule 1: packed rows equal separate documents, forward and backward."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaForCausalLM, MistralConfig, MistralForCausalLM, PreTrainedModel

from loanword.errors import UserError
from loanword.model.attention import documents_of, packed_attention
from loanword.model.load import new_model
from loanword.recipe import ArchitectureConfig

ROW_TOKENS = 48


def small_model(num_key_value_heads: int = 2) -> LlamaForCausalLM:
    shape = ArchitectureConfig(
        width=32,
        num_layers=2,
        num_heads=4,
        num_key_value_heads=num_key_value_heads,
        feed_forward_width=48,
        context_tokens=64,
    )
    return new_model(shape, 97, 3, bos_id=1, eos_id=2)


def rows_of_ids(num_rows: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, 97, (num_rows, ROW_TOKENS), generator=torch.Generator().manual_seed(seed))


def pieces(ids_BT: torch.Tensor, starts: list[tuple[int, ...]]) -> list[torch.Tensor]:
    return [
        row[begin:end]
        for row, begins in zip(ids_BT, starts, strict=True)
        for begin, end in zip(begins, (*begins[1:], ROW_TOKENS), strict=True)
    ]


def packed_logits(model: PreTrainedModel, ids_BT: torch.Tensor, starts: list[tuple[int, ...]]) -> torch.Tensor:
    documents = documents_of(starts, ROW_TOKENS)
    with packed_attention(model):
        return model(
            input_ids=ids_BT, position_ids=documents.position_ids_BT, use_cache=False, documents=documents
        ).logits


def separate_logits(model: PreTrainedModel, ids_BT: torch.Tensor, starts: list[tuple[int, ...]]) -> torch.Tensor:
    logits = [model(input_ids=document[None], use_cache=False).logits[0] for document in pieces(ids_BT, starts)]
    return torch.cat(logits).view(*ids_BT.shape, -1)


def gradients(model: PreTrainedModel, logits_BTV: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    weights = torch.linspace(-1, 1, logits_BTV.numel()).view_as(logits_BTV).cos()
    (logits_BTV * weights).sum().backward()
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}


starts_of_a_row = st.sets(st.integers(1, ROW_TOKENS - 1), max_size=6).map(lambda inner: (0, *sorted(inner)))


@pytest.mark.parametrize("num_key_value_heads", [4, 2, 1])
@given(starts=st.lists(starts_of_a_row, min_size=1, max_size=3))
@settings(max_examples=8, deadline=None)
def test_packed_rows_equal_separate_documents_forward_and_backward(
    num_key_value_heads: int, starts: list[tuple[int, ...]]
) -> None:
    model = small_model(num_key_value_heads)
    ids_BT = rows_of_ids(len(starts))
    packed, separate = packed_logits(model, ids_BT, starts), separate_logits(model, ids_BT, starts)
    torch.testing.assert_close(packed, separate, rtol=1e-5, atol=1e-5)
    expected = gradients(model, separate)
    for name, gradient in gradients(model, packed).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-5, atol=1e-5 * float(expected[name].abs().max()))


def test_a_document_does_not_see_its_neighbours() -> None:
    model, ids_BT, starts = small_model(), rows_of_ids(1), [(0, 20)]
    others_BT = ids_BT.clone()
    others_BT[0, :20] = (ids_BT[0, :20] + 1) % 97
    with torch.no_grad():
        first, second = packed_logits(model, ids_BT, starts), packed_logits(model, others_BT, starts)
    assert torch.equal(first[0, 20:], second[0, 20:])
    assert not torch.equal(first[0, :20], second[0, :20])


def test_the_way_of_transformers_leaks_across_documents_with_a_cache() -> None:
    # Why we pass documents ourselves. Where this fails, transformers has mended it and the reason is gone.
    model, ids_BT, starts = small_model(), rows_of_ids(1), [(0, 20)]
    documents = documents_of(starts, ROW_TOKENS)
    with torch.no_grad():
        theirs = model(input_ids=ids_BT, position_ids=documents.position_ids_BT).logits
        assert not torch.allclose(theirs, separate_logits(model, ids_BT, starts), atol=1e-3)


def test_plain_attention_is_back_after_the_block_even_after_an_error() -> None:
    model, ids_BT = small_model(), rows_of_ids(1)
    with torch.no_grad():
        before = model(input_ids=ids_BT).logits
        with pytest.raises(RuntimeError, match="stop"), packed_attention(model):
            raise RuntimeError("stop")
        assert torch.equal(model(input_ids=ids_BT).logits, before)
    assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("starts", [(), (1,), (0, 5, 5), (0, ROW_TOKENS)])
def test_documents_that_do_not_cover_their_row_are_refused(starts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="documents must start at 0"):
        documents_of([starts], ROW_TOKENS)


def test_a_window_shorter_than_a_document_is_refused() -> None:
    config = MistralConfig(
        vocab_size=97,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=48,
        sliding_window=16,
    )
    model = MistralForCausalLM(config).eval()
    with pytest.raises(UserError, match="sliding_window = 16"):
        packed_logits(model, rows_of_ids(1), [(0, 20)])
    starts = [(0, 15, 30, 40)]
    packed = packed_logits(model, rows_of_ids(1), starts)
    torch.testing.assert_close(packed, separate_logits(model, rows_of_ids(1), starts), rtol=1e-5, atol=1e-5)
