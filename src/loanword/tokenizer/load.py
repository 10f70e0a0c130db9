"""Tokenizers from what checkpoints hold: tokenizer.model, tokenizer.json, or GPT-2's vocab.json and merges.txt."""

from pathlib import Path
from typing import Any, cast

from loanword.errors import UserError
from loanword.tokenizer.check import AGAIN, check_added_ids, check_distinct, check_json, check_model
from loanword.tokenizer.files import read_added_tokens, read_object, read_settings, read_shaped
from loanword.tokenizer.interface import NewPiece, Tokenizer
from loanword.tokenizer.proto import Model, ModelType, PieceType, parse
from loanword.tokenizer.sentence_pieces import SentencePieceTokenizer
from loanword.tokenizer.shapes import BpeJson, SpecialIds, check_shape
from loanword.tokenizer.tokenizer_json import JsonTokenizer, byte_level_json

__all__ = ["NewPiece", "Tokenizer", "load_tokenizer"]

SUPPORTED = "a SentencePiece BPE tokenizer.model, or a tokenizer.json whose model is BPE (byte-level or byte fallback)"


def load_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer in a file, or in a checkpoint folder with its special tokens and chat template.

    Raises:
        UserError: nothing is there, it is no tokenizer, or not one of a kind that can be extended.
    """
    if path.is_dir():
        return _from_folder(path)
    if not path.is_file():
        raise UserError(path, "no such file or folder", expected=SUPPORTED, do="check the path")
    if path.suffix == ".json":
        return _from_json(path, read_object(path), path.parent)
    return _from_model(path, {}, {})


def _from_folder(folder: Path) -> Tokenizer:
    model, fast, vocab = (folder / name for name in ("tokenizer.model", "tokenizer.json", "vocab.json"))
    content = read_object(fast)
    # A byte-level tokenizer.json is newer than a tokenizer.model beside it, which then is a file for other tools.
    if model.is_file() and (not content or _model(content).get("byte_fallback")):
        return _from_model(model, read_settings(folder), read_added_tokens(folder))
    if content:
        return _from_json(fast, content, folder)
    merges = folder / "merges.txt"
    if vocab.is_file() and merges.is_file():
        return _from_json(vocab, byte_level_json(read_object(vocab), _read_merges(merges)), folder, merges)
    raise UserError(
        folder,
        "no tokenizer in this folder",
        expected=SUPPORTED,
        do="copy the tokenizer's files beside the weights",
    )


def _from_model(path: Path, settings: dict[str, Any], added: dict[int, tuple[str, bool]]) -> Tokenizer:
    model = parse(path.read_bytes())
    if model is None:
        raise _no_tokenizer(path)
    check_model(path, model)
    if model.trainer_spec.model_type != ModelType.BPE:
        kind = ModelType(model.trainer_spec.model_type).name.capitalize()
        raise UserError(
            path,
            f"a SentencePiece {kind} model",
            expected=SUPPORTED,
            do="choose a base whose tokenizer is BPE: pieces of another kind of model cannot be reached by merges",
        )
    _append_added_tokens(path, model, added)
    check_distinct(path, enumerate(piece.piece for piece in model.pieces))
    tokenizer = SentencePieceTokenizer(model, settings)
    if tokenizer.eos_id < 0:
        raise _no_end(path)
    return tokenizer


def _append_added_tokens(path: Path, model: Model, added: dict[int, tuple[str, bool]]) -> None:
    for id, (content, special) in sorted(added.items()):
        there = model.pieces[id].piece if id < len(model.pieces) else f"{len(model.pieces)} pieces"
        if id > len(model.pieces) or (id < len(model.pieces) and there != content):
            raise UserError(
                path,
                f"the files beside it add token {content!r} as id {id}, where this model has {there!r}",
                expected="added tokens whose ids follow the model's pieces",
                do="restore tokenizer.model and the other tokenizer files from one and the same checkpoint",
            )
        if id == len(model.pieces):
            model.pieces.add(piece=content, score=0.0, type=PieceType.CONTROL if special else PieceType.USER_DEFINED)


def _from_json(path: Path, content: dict[str, Any], folder: Path, merges: Path | None = None) -> Tokenizer:
    model = _model(content)
    if not isinstance(model.get("vocab"), dict | list):
        raise _no_tokenizer(path)
    if model.get("type", "BPE") != "BPE" or "merges" not in model:
        raise UserError(path, f"a {model.get('type')} tokenizer", expected=SUPPORTED, do="choose a base with BPE")
    check_shape(path, content, BpeJson)
    content.setdefault("added_tokens", [])
    check_json(path, content, merges)
    ids: dict[str, int] = model["vocab"] | {token["content"]: token["id"] for token in content["added_tokens"]}
    settings = read_settings(folder)
    eos_id = _named_id("eos", ids, settings, folder)
    if eos_id is None:
        raise _no_end(path)
    bos_id, pad_id = (_named_id(name, ids, settings, folder) for name in ("bos", "pad"))
    tokenizer = JsonTokenizer(content, settings, eos_id=eos_id, bos_id=bos_id, pad_id=pad_id)
    check_added_ids(path, content["added_tokens"], tokenizer.pieces)
    return tokenizer


def _named_id(name: str, ids: dict[str, int], settings: dict[str, Any], folder: Path) -> int | None:
    named = settings.get(f"{name}_token")
    if named in ids:
        return ids[named]
    path = folder / "config.json"
    said: int | list[int] | None = read_shaped(path, SpecialIds).get(f"{name}_token_id")
    id = said[0] if isinstance(said, list) else said
    # Some configs say -1 for none.
    if id is not None and id >= 0:
        if id not in ids.values():
            raise UserError(path, f"{name}_token_id is {id}, which is the id of no piece",
                            expected=f"an id among the tokenizer's {len(ids):,}", do=AGAIN)  # fmt: skip
        return id
    usual = {"bos": ("<s>", "<|begin_of_text|>"), "eos": ("</s>", "<|end_of_text|>", "<|endoftext|>"), "pad": ()}
    return next((ids[text] for text in usual[name] if text in ids), None)


def _model(content: dict[str, Any]) -> dict[str, Any]:
    model = content.get("model")
    return cast(dict[str, Any], model) if isinstance(model, dict) else {}


def _read_merges(path: Path) -> list[list[str]]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(path, f"is no text: {error}", expected="a merge a line", do=AGAIN) from None
    return [line.split(" ") for line in lines if line and not line.startswith("#version")]


def _no_tokenizer(path: Path) -> UserError:
    return UserError(path, "this file is no tokenizer", expected=SUPPORTED, do="name the tokenizer's file or folder")


def _no_end(path: Path) -> UserError:
    return UserError(
        path,
        "no end-of-sequence token is known for this tokenizer",
        expected="eos_token in tokenizer_config.json, or eos_token_id in config.json, beside it",
        do="name one of its pieces there",
    )
