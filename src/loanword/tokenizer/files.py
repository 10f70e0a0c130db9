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


def read_settings(folder: Path) -> dict[str, Any]:
    """What a checkpoint folder says about its tokenizer: special tokens as plain text, chat template, added tokens."""
    said = read_object(folder / "special_tokens_map.json") | read_object(folder / "tokenizer_config.json")
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
    for content, id in read_object(folder / "added_tokens.json").items():
        found[int(id)] = content, True
    for token in read_object(folder / "tokenizer.json").get("added_tokens", []):
        found[int(token["id"])] = token["content"], bool(token["special"])
    decoder = read_object(folder / "tokenizer_config.json").get("added_tokens_decoder", {})
    for id, token in decoder.items():
        found[int(id)] = token["content"], bool(token.get("special", False))
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
