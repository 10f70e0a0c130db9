"""Shapes of decoders, as far as they decide parameters, work and memory; no torch is needed to know them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

from loanword.recipe import ArchitectureConfig

NOT_GATED = frozenset({"gpt_bigcode", "gpt_neox", "nemotron", "phi", "starcoder2"})
TIED_UNLESS_SAID = frozenset({"gemma", "gemma2", "gemma3", "gemma3_text", "cohere", "cohere2"})


@dataclass(frozen=True)
class DecoderShape:
    """A decoder with rotary positions and norms before attention and feed-forward; biases are left out."""

    width: int
    num_layers: int
    num_heads: int
    num_key_value_heads: int
    head_width: int
    feed_forward_width: int
    num_pieces: int
    tied: bool = False
    gated: bool = True

    @property
    def query_width(self) -> int:
        """Width of all query heads together."""
        return self.num_heads * self.head_width

    @property
    def key_width(self) -> int:
        """Width of all key heads together; values have the same."""
        return self.num_key_value_heads * self.head_width

    @property
    def matrices(self) -> dict[str, tuple[int, int]]:
        """Widths in and out of every matrix of one layer, by the names that LLaMA gives them."""
        attention = {
            "q_proj": (self.width, self.query_width),
            "k_proj": (self.width, self.key_width),
            "v_proj": (self.width, self.key_width),
            "o_proj": (self.query_width, self.width),
        }
        gate = {"gate_proj": (self.width, self.feed_forward_width)} if self.gated else {}
        rest = {"up_proj": (self.width, self.feed_forward_width), "down_proj": (self.feed_forward_width, self.width)}
        return attention | gate | rest

    @cached_property
    def layer_parameters(self) -> int:
        """Parameters of the matrices of one layer."""
        return sum(wide * high for wide, high in self.matrices.values())

    @property
    def norm_parameters(self) -> int:
        """Parameters of all norms."""
        return (2 * self.num_layers + 1) * self.width

    @property
    def row_parameters(self) -> int:
        """Parameters that one piece has: a row of the input table, and one of an untied head."""
        return self.width * (1 if self.tied else 2)

    @cached_property
    def num_parameters(self) -> int:
        """All parameters, tied ones counted once."""
        return self.num_layers * self.layer_parameters + self.norm_parameters + self.num_pieces * self.row_parameters

    @cached_property
    def multiplied_parameters(self) -> int:
        """Parameters that a token is multiplied with: input embeddings only where they are the head too."""
        return self.num_parameters - (0 if self.tied else self.num_pieces * self.width)

    def extended(self, num_new_pieces: int) -> "DecoderShape":
        """The same decoder with rows for more pieces."""
        return replace(self, num_pieces=self.num_pieces + num_new_pieces)


KNOWN = {
    "LLaMA 1B": DecoderShape(2048, 16, 32, 8, 64, 8192, 128_256, tied=True),
    "LLaMA 7B": DecoderShape(4096, 32, 32, 32, 128, 11_008, 32_000),
    "LLaMA 8B": DecoderShape(4096, 32, 32, 8, 128, 14_336, 128_256),
    "LLaMA 13B": DecoderShape(5120, 40, 40, 40, 128, 13_824, 32_000),
}
"""Published shapes by size. Source: config.json of Llama-3.2-1B, Llama-2-7b-hf, Meta-Llama-3-8B, Llama-2-13b-hf."""

ON_HUB = {
    "huggyllama/llama-7b": KNOWN["LLaMA 7B"],
    "huggyllama/llama-13b": KNOWN["LLaMA 13B"],
    "meta-llama/Llama-2-7b-hf": KNOWN["LLaMA 7B"],
    "meta-llama/Llama-2-13b-hf": KNOWN["LLaMA 13B"],
    "hfl/chinese-llama-2-7b": replace(KNOWN["LLaMA 7B"], num_pieces=55_296),
    "openlmlab/open-chinese-llama-7b-patch": KNOWN["LLaMA 7B"],
    "meta-llama/Llama-3.2-1B": KNOWN["LLaMA 1B"],
    "meta-llama/Meta-Llama-3-8B": KNOWN["LLaMA 8B"],
    "meta-llama/Llama-3.1-8B": KNOWN["LLaMA 8B"],
}
"""Shapes of models by Hub id, so that a plan needs no download. Source: their config.json and model cards."""

PIECES_OF_ADAPTERS = {"hfl/chinese-llama-plus-lora-7b": 49_953, "hfl/chinese-llama-lora-7b": 49_953}
"""Pieces of a base once an adapter that has tables of its own is merged into it. Source: Cui et al. 2304.08177."""


def architecture_shape(config: ArchitectureConfig, num_pieces: int) -> DecoderShape:
    """Shape of a decoder that a study trains itself."""
    return DecoderShape(
        width=config.width,
        num_layers=config.num_layers,
        num_heads=config.num_heads,
        num_key_value_heads=config.num_key_value_heads,
        head_width=config.width // config.num_heads,
        feed_forward_width=config.feed_forward_width,
        num_pieces=num_pieces,
        tied=config.tied_embeddings,
    )


def shape_on_hub(model: str, adapters: Sequence[str] = ()) -> DecoderShape | None:
    """Published shape of a model by its Hub id (`id` or `id@revision`) and those of its adapters; None if not known."""
    shape = ON_HUB.get(model.partition("@")[0])
    pieces = [PIECES_OF_ADAPTERS.get(adapter.partition("@")[0]) for adapter in adapters]
    if shape is None or None in pieces:
        return None
    return replace(shape, num_pieces=max([shape.num_pieces, *(number for number in pieces if number)]))


def published_context(config: Mapping[str, Any]) -> int | None:
    """Tokens that a model can see at once by its config.json; None where it does not say."""
    text = _of_text(config)
    said = text.get("max_position_embeddings") or text.get("n_positions")
    return said if isinstance(said, int) and said > 0 else None


def published_shape(config: Mapping[str, Any]) -> DecoderShape | None:
    """Shape of a decoder by its config.json; None where it has not the usual fields, or has experts."""
    text = _of_text(config)
    if any(text.get(name) for name in ("num_local_experts", "num_experts", "n_routed_experts")):
        return None
    kind = str(text.get("model_type", ""))
    try:
        num_heads, width = int(text["num_attention_heads"]), int(text["hidden_size"])
        shape = DecoderShape(
            width=width,
            num_layers=int(text["num_hidden_layers"]),
            num_heads=num_heads,
            num_key_value_heads=int(text.get("num_key_value_heads") or num_heads),
            head_width=int(text.get("head_dim") or width // num_heads),
            feed_forward_width=int(text["intermediate_size"]),
            num_pieces=int(text["vocab_size"]),
            tied=bool(text.get("tie_word_embeddings", config.get("tie_word_embeddings", kind in TIED_UNLESS_SAID))),
            gated=kind not in NOT_GATED,
        )
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None
    return shape if all(size > 0 for size in _sizes(shape)) else None


def _of_text(config: Mapping[str, Any]) -> Mapping[str, Any]:
    text: Any = config.get("text_config")
    return cast(Mapping[str, Any], text) if text and isinstance(text, Mapping) else config


def _sizes(shape: DecoderShape) -> tuple[int, ...]:
    return (*shape.matrices["q_proj"], *shape.matrices["k_proj"], shape.num_layers, shape.num_heads,
            shape.num_key_value_heads, shape.feed_forward_width, shape.num_pieces)  # fmt: skip
