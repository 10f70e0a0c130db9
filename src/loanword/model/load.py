"""Models of transformers' own classes, made new or read from a folder in the Hub's layout, and written back.

Nothing is executed that comes with a checkpoint: weights are read from safetensors only, and classes come from the
installed transformers.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.utils import logging

from loanword.errors import UserError
from loanword.model.embeddings import input_table, output_table
from loanword.recipe import ArchitectureConfig

PICKLES = ("pytorch_model*.bin", "*.bin", "*.pt", "*.pth", "*.ckpt")


def new_model(
    architecture: ArchitectureConfig, num_pieces: int, seed: int, *, bos_id: int, eos_id: int
) -> LlamaForCausalLM:
    """An untrained decoder in float32; the same seed gives the same weights, whatever was drawn before."""
    config = LlamaConfig(
        vocab_size=num_pieces,
        hidden_size=architecture.width,
        num_hidden_layers=architecture.num_layers,
        num_attention_heads=architecture.num_heads,
        num_key_value_heads=architecture.num_key_value_heads,
        intermediate_size=architecture.feed_forward_width,
        max_position_embeddings=architecture.context_tokens,
        tie_word_embeddings=architecture.tied_embeddings,
        rope_parameters={"rope_type": "default", "rope_theta": architecture.rope_theta},
        bos_token_id=bos_id,
        eos_token_id=eos_id,
        dtype="float32",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).eval()


def load_model(checkpoint: Path, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """The model that a folder in the Hub's layout holds, in evaluation mode and with plain attention.

    Raises:
        UserError: no folder, no config.json, no safetensors (pickles are never read), an architecture that this
            transformers does not know, weights that are damaged, missing or of another shape.
    """
    check_checkpoint(checkpoint)
    logging.disable_progress_bar()  # progress is drawn by the command line alone
    attention = _attention(read_config(checkpoint))
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            checkpoint,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation=attention,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
        )
    except SafetensorError as error:
        raise UserError(
            checkpoint, f"damaged weights: {error}", expected="whole safetensors files", do="copy the checkpoint again"
        ) from None
    model, report = loaded
    _check_weights(checkpoint, report)
    return model.to(device).eval()


def empty_model(config: PretrainedConfig) -> PreTrainedModel:
    """The model that a config describes, with shapes and names and no memory behind them."""
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def model_of(
    config: PretrainedConfig, tensors: dict[str, Tensor], dtype: torch.dtype, where: object
) -> PreTrainedModel:
    """The model that a config and weights by name make, in evaluation mode; names that it has no use for are left.

    Raises:
        UserError: weights that are missing or of another shape.
    """
    logging.disable_progress_bar()
    empty = empty_model(config)
    wanted = {name: parameter.shape for name, parameter in empty.named_parameters(remove_duplicate=False)}
    other = {name for name, shape in wanted.items() if name in tensors and tensors[name].shape != shape}
    _check_weights(where, {"mismatched_keys": other})
    attention = _attention(config)
    loaded: Any = type(empty).from_pretrained(
        None, config=config, state_dict=tensors, dtype=dtype, attn_implementation=attention, output_loading_info=True
    )
    model, report = loaded
    _check_weights(where, report)
    return model.eval()


def save_model(model: PreTrainedModel, folder: Path) -> None:
    """Writes config.json, generation_config.json and safetensors in the Hub's layout; equal models give equal bytes."""
    logging.disable_progress_bar()
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)


def check_tokenizer_fits(model: PreTrainedModel, num_pieces: int, where: object) -> None:
    """Nothing, where every piece has its row; more rows than pieces is a padded vocabulary and fits too.

    Raises:
        UserError: a tokenizer with more pieces than the model has embedding rows.
    """
    num_rows = input_table(model).shape[0]
    if num_pieces > num_rows:
        raise UserError(
            where,
            f"the tokenizer has {num_pieces:,} pieces, but the model has {num_rows:,} embedding rows",
            expected="a row for every piece",
            do="use the tokenizer that belongs to this checkpoint",
        )


def context_tokens(model: PreTrainedModel) -> int:
    """Tokens that the model can see at once."""
    return model.config.get_text_config().max_position_embeddings


def count_parameters(model: PreTrainedModel) -> int:
    """Parameters, tied ones counted once."""
    return sum(parameter.numel() for parameter in model.parameters())


def train_flops_per_token(model: PreTrainedModel, attended_tokens: float = 0.0) -> float:
    """FLOPs of one token forward and backward: 6 per parameter that is multiplied with it, and attention.

    Input embeddings are looked up, not multiplied, so they count only where they are the output head too.
    `attended_tokens` is the mean number of tokens that a token attends to: half a document's length where
    attention is causal.

    Source: Chowdhery et al. 2022 (arXiv 2204.02311), appendix B, with the attended length in place of the context.
    """
    config = model.config.get_text_config()
    multiplied = count_parameters(model)
    if output_table(model) is not input_table(model):
        multiplied -= input_table(model).numel()
    head_width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    attention = 12 * config.num_hidden_layers * config.num_attention_heads * head_width * attended_tokens
    return 6.0 * multiplied + attention


def check_checkpoint(checkpoint: Path) -> None:
    """Nothing, where a folder has what `load_model` reads; weights are not opened.

    Raises:
        UserError: no folder, no config.json, no safetensors (pickles are never read).
    """
    layout = "a folder in the Hub's layout: config.json and *.safetensors"
    if not checkpoint.is_dir():
        raise UserError(checkpoint, "no such folder", expected=layout, do="check the path")
    if not (checkpoint / "config.json").is_file():
        raise UserError(checkpoint, "no config.json", expected=layout, do="name the folder that holds the checkpoint")
    if any(checkpoint.glob("*.safetensors")):
        return
    pickle = next((path for pattern in PICKLES for path in sorted(checkpoint.glob(pattern))), None)
    if pickle is not None:
        raise UserError(
            pickle,
            "the weights are a pickle, which can run code when it is read",
            expected="*.safetensors",
            do="convert it where you trust its origin: torch.load(..., weights_only=True), then "
            'safetensors.torch.save_file(tensors, "model.safetensors", {"format": "pt"})',
        )
    raise UserError(checkpoint, "a checkpoint without weights", expected=layout, do="download or copy the weights too")


def read_config(checkpoint: Path) -> PretrainedConfig:
    """The config in a folder, of an architecture that the installed transformers knows by itself.

    Raises:
        UserError: another architecture.
    """
    try:
        return AutoConfig.from_pretrained(checkpoint, local_files_only=True, trust_remote_code=False)
    except (ValueError, OSError) as error:
        raise UserError(
            checkpoint / "config.json",
            f"not a model that transformers knows by itself: {str(error).splitlines()[0]}",
            expected="an architecture of the installed transformers; code from a checkpoint is never run",
            do="use a checkpoint of a known architecture, or a newer transformers",
        ) from None


def _attention(config: PretrainedConfig) -> str:
    """Which of transformers' own kinds of attention a model has: Gemma 2 caps its scores, which `sdpa` cannot."""
    model: Any = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    return "sdpa" if model is None or model._supports_sdpa else "eager"


def _check_weights(where: object, report: dict[str, Any]) -> None:
    for kind, what in (("missing_keys", "missing"), ("mismatched_keys", "of another shape than config.json says")):
        names = sorted(str(name) for name in report.get(kind) or ())
        if names:
            raise UserError(
                where,
                f"{len(names)} weights are {what}, the first is {names[0]}",
                expected="weights and config.json of one model",
                do="copy the checkpoint again, whole",
            )
