"""The small files beside a tokenizer: which pieces are special, and the chat template.

In: tokenizer_config.json, special_tokens_map.json, added_tokens.json, chat_template.jinja, as far as they are there.
Out: tokenizer_config.json and, where there is a template, chat_template.jinja.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from loanword.errors import UserError
from loanword.records import write_json
from loanword.tokenizer.shapes import AddedTokens, Settings, Shape, check_shape

_NAMED = ("bos_token", "eos_token", "pad_token", "unk_token")
_KEPT = (*_NAMED, "chat_template", "model_max_length", "padding_side", "added_tokens_decoder")


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file, empty where there is no file.

    Raises:
        UserError: the file does not hold a JSON object, or an object in it says two things under one name.
    """
    if not path.is_file():
        return {}

    def unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        said = dict(pairs)
        if len(said) < len(pairs):
            for name, value in pairs:
                if said[name] != value:
                    raise _no_object(path, f"{name!r} is both {value!r} and {said[name]!r}")
        return said

    try:
        value = json.loads(path.read_bytes(), object_pairs_hook=unambiguous)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise _no_object(path, str(error)) from None
    if not isinstance(value, dict):
        raise _no_object(path, f"holds a {type(value).__name__}")
    return cast(dict[str, Any], value)


def read_shaped(path: Path, shape: type[Shape]) -> dict[str, Any]:
    """The JSON object in a file with the fields that are read of it, empty where there is no file.

    Raises:
        UserError: it is no such object, or a field is not as it must be.
    """
    content = read_object(path)
    if content:
        check_shape(path, content, shape)
    return content


def read_settings(folder: Path) -> dict[str, Any]:
    """What a checkpoint folder says about its tokenizer: special tokens as plain text, chat template, added tokens."""
    special, config = (folder / name for name in ("special_tokens_map.json", "tokenizer_config.json"))
    said = read_shaped(special, Settings) | read_shaped(config, Settings)
    settings = {name: said[name] for name in _KEPT if said.get(name) is not None}
    for name in _NAMED:
        if isinstance(settings.get(name), dict):
            settings[name] = settings[name]["content"]
    template = folder / "chat_template.jinja"
    if template.is_file():
        settings["chat_template"] = template.read_text(encoding="utf-8")
    return settings


def read_added_tokens(folder: Path) -> dict[int, tuple[str, bool]]:
    """Tokens that a checkpoint folder adds to its model file, by id: text, and whether it is special."""
    found: dict[int, tuple[str, bool]] = {}
    by_text = folder / "added_tokens.json"
    for content, id in read_object(by_text).items():
        if type(id) is not int or id < 0:
            raise _no_object(by_text, f"the id of {content!r} is {id!r}")
        found[id] = content, True
    for token in read_shaped(folder / "tokenizer.json", AddedTokens).get("added_tokens", []):
        found[token["id"]] = token["content"], token["special"]
    decoder: dict[str, dict[str, Any]] = (
        read_shaped(folder / "tokenizer_config.json", Settings).get("added_tokens_decoder") or {}
    )
    for id, token in decoder.items():
        found[int(id)] = token["content"], token.get("special", False)
    return found


def write_settings(folder: Path, settings: Mapping[str, Any], chat_template: str | None) -> None:
    """Writes tokenizer_config.json and chat_template.jinja into a folder.

    The class is the one that takes tokenizer.json as it is; transformers' class of the model's own name would
    build another tokenizer from its vocabulary.
    """
    said = {name: value for name, value in settings.items() if value is not None and name != "chat_template"}
    write_json(said | {"tokenizer_class": "PreTrainedTokenizerFast"}, folder / "tokenizer_config.json")
    if chat_template is not None:
        (folder / "chat_template.jinja").write_text(chat_template, encoding="utf-8")


def _no_object(path: Path, why: str) -> UserError:
    return UserError(path, why, expected="a JSON object", do="copy the file again from where the checkpoint came from")
