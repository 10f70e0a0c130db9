"""The shape of the JSON files that a tokenizer comes in, as far as they are read; what else they hold is theirs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loanword.errors import UserError
from loanword.records import Count, problems
from loanword.tokenizer.check import AGAIN

Ids = dict[Annotated[str, Field(pattern=r"^[0-9]+$")], "PlainToken"]
NamedId = int | Annotated[list[int], Field(min_length=1)] | None
Component = dict[str, Any] | None


class Shape(BaseModel):
    """Fields that a file must hold in these types, beside any others."""

    model_config = ConfigDict(extra="ignore", strict=True)


class Named(Shape):
    """A special token written as an object."""

    content: str


class PlainToken(Named):
    """An added token of tokenizer_config.json, whose id is its key."""

    special: bool = False


class AddedToken(Named):
    """An added token of tokenizer.json, with every field that the `tokenizers` library asks for."""

    id: Count
    single_word: bool
    lstrip: bool
    rstrip: bool
    normalized: bool
    special: bool


class AddedTokens(Shape):
    """What is read of tokenizer.json where a tokenizer.model lies beside it."""

    added_tokens: list[AddedToken] = []


class BpeModel(Shape):
    """Pieces with their ids, and merges of either way of writing them."""

    vocab: dict[str, Count]
    merges: list[str | list[str]]


class BpeJson(AddedTokens):
    """A tokenizer.json whose model is BPE."""

    normalizer: Component = None
    pre_tokenizer: Component = None
    post_processor: Component = None
    decoder: Component = None
    model: BpeModel


class Settings(Shape):
    """tokenizer_config.json and special_tokens_map.json."""

    bos_token: str | Named | None = None
    eos_token: str | Named | None = None
    pad_token: str | Named | None = None
    unk_token: str | Named | None = None
    added_tokens_decoder: Ids | None = None


class SpecialIds(Shape):
    """What a model's config.json says of special tokens."""

    bos_token_id: NamedId = None
    eos_token_id: NamedId = None
    pad_token_id: NamedId = None


class Constituents(Shape):
    """constituents.json: for every new piece the base's pieces that it is made of."""

    constituents: list[list[Count]] = []


def check_shape(path: Path, content: Mapping[str, Any], shape: type[Shape]) -> None:
    """Refuses the content of a file that lacks what is read of it.

    Raises:
        UserError: with the first field that is not as it must be.
    """
    try:
        shape.model_validate(content)
    except ValidationError as error:
        found = problems(error)
        more = f"; {len(found) - 1:,} more" if len(found) > 1 else ""
        raise UserError(path, f"{found[0]}{more}", expected="the fields that the libraries of tokenizers write",
                        do=AGAIN) from None  # fmt: skip
