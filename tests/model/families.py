"""A tiny random model of every decoder family, of transformers' own classes.

Documents in tests should be longer than WINDOW and rows no longer than CONTEXT_TOKENS.
"""

from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GemmaConfig,
    GemmaForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

NUM_PIECES = 97
CONTEXT_TOKENS = 64
WINDOW = 7

SHAPE: dict[str, Any] = {
    "vocab_size": NUM_PIECES,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "intermediate_size": 48,
    "max_position_embeddings": CONTEXT_TOKENS,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
    "dtype": "float32",
}
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
ALTERNATING = ["sliding_attention", "full_attention"]


def _of(
    config: type[PreTrainedConfig], model: Callable[[Any], PreTrainedModel], **settings: Any
) -> Callable[[], PreTrainedModel]:
    return lambda: model(config(**(SHAPE | settings)))


FAMILIES: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": _of(LlamaConfig, LlamaForCausalLM),
    "llama, one head a key": _of(LlamaConfig, LlamaForCausalLM, num_key_value_heads=4),
    "llama, tied": _of(LlamaConfig, LlamaForCausalLM, tie_word_embeddings=True),
    "llama 3": _of(LlamaConfig, LlamaForCausalLM, rope_parameters=LLAMA3),
    "qwen 2": _of(Qwen2Config, Qwen2ForCausalLM),
    "qwen 2, sliding": _of(
        Qwen2Config, Qwen2ForCausalLM, use_sliding_window=True, sliding_window=WINDOW, max_window_layers=1
    ),
    "qwen 3": _of(Qwen3Config, Qwen3ForCausalLM),
    "mistral, short window": _of(MistralConfig, MistralForCausalLM, sliding_window=WINDOW),
    "mistral, long window": _of(MistralConfig, MistralForCausalLM, sliding_window=CONTEXT_TOKENS),
    "gemma": _of(GemmaConfig, GemmaForCausalLM, num_key_value_heads=1),
    "gemma 2": _of(
        Gemma2Config,
        Gemma2ForCausalLM,
        sliding_window=WINDOW,
        layer_types=ALTERNATING,
        query_pre_attn_scalar=16,
        attn_logit_softcapping=2.0,  # low enough to act on small random scores
        final_logit_softcapping=3.0,
    ),
    "gemma 3": _of(
        Gemma3TextConfig, Gemma3ForCausalLM, sliding_window=WINDOW, layer_types=ALTERNATING, query_pre_attn_scalar=16
    ),
}


def small_model(family: str, seed: int = 0) -> PreTrainedModel:
    """A new model in evaluation mode, whose scores spread widely enough that what is attended to matters."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = FAMILIES[family]().eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape))
    return model
