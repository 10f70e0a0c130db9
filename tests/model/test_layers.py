"""Finding a decoder's layers, whatever its family calls them."""

import pytest
from transformers import AlbertConfig, AlbertModel, GPT2Config, GPT2LMHeadModel, MixtralConfig, MixtralForCausalLM

from loanword.errors import UserError
from loanword.model.layers import decoder_layers
from tests.model.families import FAMILIES, small_model


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layer_is_found_once_and_in_order(family: str) -> None:
    layers = decoder_layers(small_model(family))
    assert [layer.get_submodule("self_attn").layer_idx for layer in layers] == [0, 1]


def test_layers_of_older_families_have_other_names() -> None:
    model = GPT2LMHeadModel(GPT2Config(n_embd=8, n_layer=3, n_head=2, vocab_size=11))
    assert decoder_layers(model) == list(model.transformer.h)


def test_lists_inside_layers_are_not_taken_for_them() -> None:
    config = MixtralConfig(
        vocab_size=11,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        num_local_experts=2,
    )
    model = MixtralForCausalLM(config)
    assert decoder_layers(model) == list(model.model.layers)


def test_layers_that_share_their_weights_are_refused() -> None:
    config = AlbertConfig(
        vocab_size=11, embedding_size=8, hidden_size=8, intermediate_size=8, num_hidden_layers=3, num_attention_heads=2
    )
    with pytest.raises(UserError, match="AlbertModel - no list of 3 layers"):
        decoder_layers(AlbertModel(config))
