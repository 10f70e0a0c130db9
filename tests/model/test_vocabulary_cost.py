"""Costs of a vocabulary, by hand for LLaMA 7B and against the model that training counts."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig

from loanword.model.load import empty_model, train_flops_per_token
from loanword.model.shape import KNOWN, DecoderShape
from loanword.model.vocabulary_cost import (
    VocabularyCost,
    affordable_pieces,
    moment_bytes,
    outgrown_pieces,
    tokens_saved,
)

SEVEN = KNOWN["LLaMA 7B"]
BEFORE = VocabularyCost(SEVEN, 0.6)
AFTER = VocabularyCost(SEVEN.extended(8_000), 0.3)
SMALL = DecoderShape(64, 2, 4, 2, 16, 128, 1_000)


def test_training_flops_of_llama_7b_are_those_worked_out_by_hand():
    # 32 layers of 4 x 4096^2 + 3 x 4096 x 11008, 65 norms of 4096, and a head of 32,000 x 4096.
    multiplied = 6_476_005_376 + 266_240 + 131_072_000
    assert BEFORE.train_flops_per_byte() == pytest.approx(6 * multiplied * 0.6, rel=1e-12)
    # Every token sees 1,024 others: a score and a sum of 4096 each, multiply and add, forward and twice backward.
    attention = 32 * 1_024 * 4_096 * 2 * 2 * 3
    assert BEFORE.train_flops_per_byte(1_024) == pytest.approx((6 * multiplied + attention) * 0.6, rel=1e-12)


def test_generation_and_context_of_llama_7b_are_those_worked_out_by_hand():
    # Half a mebibyte a token in bf16, as is said of LLaMA 7B everywhere.
    assert BEFORE.key_value_bytes_per_byte() == pytest.approx(0.6 * 524_288)
    assert AFTER.key_value_bytes_per_byte(4) == pytest.approx(0.3 * 1_048_576)
    assert BEFORE.context_bytes(2_048) == pytest.approx(3_413.333, abs=0.001)
    assert AFTER.context_bytes(2_048) == pytest.approx(6_826.667, abs=0.001)


def test_new_rows_of_llama_7b_are_those_worked_out_by_hand():
    # 8,000 rows of 4096, in two tables.
    assert AFTER.shape.num_parameters - SEVEN.num_parameters == 65_536_000
    assert (
        replace(SEVEN, tied=True).extended(8_000).num_parameters - 32_768_000
        == replace(SEVEN, tied=True).num_parameters
    )
    assert moment_bytes(SEVEN, 8_000) == 65_536_000 * 8
    # 131,072,000 of 6,607,343,616, and 163,840,000 of 6,640,111,616.
    assert BEFORE.head_share() == pytest.approx(0.019837, abs=1e-6)
    assert AFTER.head_share() == pytest.approx(0.024674, abs=1e-6)
    assert tokens_saved(0.6, 0.3) == pytest.approx(0.5)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("attended", [0.0, 512.0])
def test_flops_are_those_that_training_counts_on_the_model_itself(tied: bool, attended: float):
    config = LlamaConfig(
        vocab_size=1_000,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=128,
        tie_word_embeddings=tied,
    )
    counted = train_flops_per_token(empty_model(config), attended)
    assert VocabularyCost(replace(SMALL, tied=tied), 1.0).train_flops_per_byte(attended) == pytest.approx(counted)


@given(
    before=st.floats(0.05, 2.0),
    share=st.floats(0.2, 0.99),
    attended=st.sampled_from([0.0, 100.0, 1024.0]),
    tied=st.booleans(),
)
def test_a_head_of_just_the_affordable_size_costs_what_the_base_costs(before, share, attended, tied):
    base = VocabularyCost(replace(SMALL, tied=tied), before)
    pieces = affordable_pieces(base, before * share, attended)
    grown = VocabularyCost(replace(base.shape, num_pieces=base.shape.num_pieces + pieces), before * share)  # type: ignore[arg-type]
    assert grown.train_flops_per_byte(attended) == pytest.approx(base.train_flops_per_byte(attended))


def test_the_head_outgrows_the_savings_where_flops_rise_above_the_base():
    base = VocabularyCost(SMALL, 0.5)
    curve = [(250, 0.35), (500, 0.3), (2_000, 0.28), (8_000, 0.27)]
    outgrown = outgrown_pieces(base, curve)
    flops = [VocabularyCost(SMALL.extended(size), tokens).train_flops_per_byte() for size, tokens in curve]
    cheaper = [size for (size, _), cost in zip(curve, flops, strict=True) if cost < base.train_flops_per_byte()]
    assert outgrown is not None
    assert [size for size, _ in curve if size < outgrown] == cheaper
    assert 0 < len(cheaper) < len(curve)


def test_no_size_outgrows_its_savings_in_a_large_model():
    curve = [(size, 0.6 * 0.9**power) for power, size in enumerate([1_000, 2_000, 4_000, 8_000, 16_000], start=1)]
    assert outgrown_pieces(BEFORE, curve) is None
    bounds = [affordable_pieces(BEFORE, tokens) for _, tokens in curve]
    assert all(smaller < larger for smaller, larger in pairwise(bounds))


def test_pieces_that_save_nothing_are_outgrown_at_once():
    assert outgrown_pieces(BEFORE, [(1_000, 0.6)]) == 0
