"""Bases as others publish them, made into one checkpoint in the Hub's layout.

In:  a checkpoint; a patch on original weights; LoRA adapters with tables and a tokenizer of their own; a tokenizer.
Out: a link to the checkpoint where nothing has to be done; else config.json, safetensors and the tokenizer's files.

A weight is original + patch, then each adapter in order, summed in float32 and rounded once, to the precision of the
original weights (float32 where they have several). Equal parts give equal bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import GenerationConfig, PretrainedConfig

from loanword.errors import UserError
from loanword.model.adapter import BUFFER, read_adapter
from loanword.model.embeddings import input_table, output_table
from loanword.model.hub import local_folder
from loanword.model.load import (
    check_checkpoint,
    check_tokenizer_fits,
    empty_model,
    model_of,
    read_config,
    save_model,
)
from loanword.model.weights import check_finite, read_tensors, weight_files
from loanword.recipe import BaseConfig
from loanword.tokenizer.load import load_tokenizer

TOKENIZERS = ("tokenizer.model", "tokenizer.json", "vocab.json")


@dataclass(frozen=True)
class Parts:
    """Folders that a base is made of; `tokenizer` is None where none comes with it but the model's own."""

    model: Path
    weights: Path
    patch: Path | None
    adapters: tuple[Path, ...]
    tokenizer: Path | None


class _Tables(NamedTuple):
    """Names of the weights with a row for every piece, and whether the config ties them."""

    input: str
    output: str
    tied: bool


def make_base(config: BaseConfig, root: Path, commits: Mapping[str, str], out: Path) -> None:
    """Leaves the checkpoint that a config names at `out`; sources lie below `root` or are fetched from the Hub.

    Raises:
        UserError: parts that are missing, damaged or of different models; weights that are not finite; a tokenizer
            with more pieces than the model has rows.
    """
    parts = _find(config, root, commits)
    if not (parts.model / "config.json").is_file():
        check_checkpoint(parts.model)
    if config.parts or weight_files(parts.model)[0].suffix == ".bin":
        _assemble(parts, out)
        return
    check_finite(read_tensors(parts.model), parts.model)
    pieces = load_tokenizer(parts.model)
    check_tokenizer_fits(empty_model(read_config(parts.model)), pieces.num_pieces, parts.model)
    out.unlink(missing_ok=True)
    out.symlink_to(parts.model)


def _find(config: BaseConfig, root: Path, commits: Mapping[str, str]) -> Parts:
    assert config.model is not None
    model = local_folder(root, config.model, commits, revision=config.revision)
    patch = local_folder(root, config.patch, commits) if config.patch else None
    weights = local_folder(root, config.original_weights, commits) if config.original_weights else model
    adapters = tuple(local_folder(root, adapter, commits) for adapter in config.adapter)
    if config.tokenizer:
        tokenizer = local_folder(root, config.tokenizer, commits, with_weights=False)
    else:
        owners = [folder for folder in (*reversed(adapters), patch) if folder and _has_tokenizer(folder)]
        tokenizer = owners[0] if owners else None
    return Parts(model, weights, patch, adapters, tokenizer)


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in TOKENIZERS)


def _assemble(parts: Parts, out: Path) -> None:
    config = read_config(parts.model)
    tables = _tables(config)
    pieces = load_tokenizer(parts.tokenizer or parts.model)
    weights = _read(parts.weights, tables)
    num_rows = len(weights[tables.input])
    dtype = _precision(weights)
    patch = _read_patch(parts.patch, weights, tables) if parts.patch else {}
    adapters = [read_adapter(folder) for folder in parts.adapters]
    for adapter in adapters:
        adapter.check_targets(weights.keys())
    for name, weight in weights.items():
        if weight.is_floating_point():
            summed = _patched(weight.float(), patch.pop(name, None))
            for adapter in adapters:
                summed = adapter.applied(name, summed, may_grow=name in tables[:2])
            weights[name] = summed.to(dtype)
    _settle_tables(weights, config, tables, num_rows, parts)
    model = model_of(config, weights, dtype, parts.weights)
    check_finite(model.named_parameters(), parts.weights)
    check_tokenizer_fits(model, pieces.num_pieces, parts.tokenizer or parts.model)
    if (parts.model / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(parts.model)
    save_model(model, out)
    pieces.save(out)


def _tables(config: PretrainedConfig) -> _Tables:
    empty = empty_model(config)
    names = {id(parameter): [] for parameter in (input_table(empty), output_table(empty))}
    for name, parameter in empty.named_parameters(remove_duplicate=False):
        names.get(id(parameter), []).append(name)
    named = [name for found in names.values() for name in found]
    return _Tables(named[0], named[-1], tied=len(names) == 1)


def _read(folder: Path, tables: _Tables) -> dict[str, Tensor]:
    """All weights in a folder, the head too where it is tied, which safetensors leave out."""
    weights = {name: tensor for name, tensor in read_tensors(folder) if not name.endswith(BUFFER)}
    check_finite(weights.items(), folder)
    if tables.tied and tables.input in weights:
        weights.setdefault(tables.output, weights[tables.input])
    for name in tables[:2]:
        if name not in weights:
            raise UserError(
                folder,
                f"{name} is not among {len(weights)} weights",
                expected="the weights of the model that config.json describes",
                do="copy the checkpoint again, whole",
            )
    return weights


def _precision(weights: Mapping[str, Tensor]) -> torch.dtype:
    """The one precision that holds all weights exactly."""
    return reduce(torch.promote_types, {weight.dtype for weight in weights.values() if weight.is_floating_point()})


def _read_patch(folder: Path, weights: Mapping[str, Tensor], tables: _Tables) -> dict[str, Tensor]:
    patch = _read(folder, tables)
    expected = "a tensor for every original weight, of its shape; only a table of pieces may be longer"
    do = "name the weights that this patch was made from as base.original_weights"
    if other := sorted(patch.keys() ^ weights.keys()):
        where = "in the patch alone" if other[0] in patch else "not in the patch"
        raise UserError(folder, f"{other[0]} is {where}, and {len(other) - 1} more are", expected=expected, do=do)
    for name, tensor in patch.items():
        shape = weights[name].shape
        longer = name in tables[:2] and tensor.shape[1:] == shape[1:] and len(tensor) > len(weights[name])
        if tensor.shape != shape and not longer:
            what = f"{name} is {list(tensor.shape)} in the patch and {list(shape)} in the original"
            raise UserError(folder, what, expected=expected, do=do)
    return patch


def _patched(weight: Tensor, patch: Tensor | None) -> Tensor:
    """A weight and what a patch adds to it; rows that the patch has besides are the patch's."""
    if patch is None:
        return weight
    summed = patch.float().clone()
    summed[: len(weight)] += weight
    return summed


def _settle_tables(
    weights: dict[str, Tensor], config: PretrainedConfig, tables: _Tables, num_rows: int, parts: Parts
) -> None:
    """Makes the config say how long the tables are now, and whether they are still one."""
    input_VD, output_VD = weights[tables.input], weights[tables.output]
    last = (parts.patch, *parts.adapters)[-1] or parts.weights
    if input_VD.shape != output_VD.shape:
        raise UserError(
            last,
            f"leaves {len(input_VD):,} rows in {tables.input} and {len(output_VD):,} in {tables.output}",
            expected="two tables with the same pieces",
            do="take an adapter that was saved with its embeddings and its head",
        )
    if len(input_VD) != num_rows:
        if parts.tokenizer is None:
            raise UserError(
                last,
                f"adds {len(input_VD) - num_rows:,} pieces to {num_rows:,}, and no tokenizer comes with it",
                expected="the tokenizer that it was trained with",
                do="name its folder or Hub id as base.tokenizer",
            )
        config.get_text_config().vocab_size = len(input_VD)
    if tables.tied and torch.equal(input_VD, output_VD):
        del weights[tables.output]
    elif tables.tied:
        config.tie_word_embeddings = False
