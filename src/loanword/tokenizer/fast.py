"""Ids of much text in less time, equal to those of the tokenizer itself.

SentencePiece's come from `segments`, and are equal whatever the text is. Those of byte-level BPE come from the
fastokens library where it is installed. That another library gives equal ids cannot be known but only be looked at:
before it is used on texts that tokenizers stumble over, and then on a sample of every corpus by whoever uses it.
"""

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple, Protocol

import numpy as np

from loanword.protocols import Say, quiet
from loanword.tokenizer.segments import FlatIds
from loanword.tokenizer.sentence_pieces import SentencePieceTokenizer
from loanword.tokenizer.tokenizer_json import JsonTokenizer

LIBRARY = "fastokens"
COMPARED_CHARACTERS = 10_000
"""Of a text that is compared, so many characters are."""

_ODD_TEXTS = (
    " two  before and   after  ",
    "\ttab\t\tand\nnew\n\n\nlines\r\n \n \t \n\n",
    "it's we'LL i'd they'Ve 'S 's'tis",
    "1234567 12 345,678.90 ½ ² ١٢٣ १२३ 一二三 2024年",
    "e\u0301 é ﬁ Å \u212b 👩‍👩‍👧 👍🏽 🇬🇧🇰🇪 1️⃣#️⃣ \U0001f9ff",
    "哈哈哈哈哈，GPT模型。《日本語テキスト》 한국어 ไทย العربية हिन्दी",
    "ᚠᚢᚦ 𐎀𐎁 ꦗꦮ ᏣᎳᎩ 𓀀𓂀 ⴰⴱ ߒߞߏ \U0001e900\U0001e922",
    "\x00\x7f\ufeff\u200b\u3000\u00a0\u2028\u0085\x1c" + "".join(map(chr, range(0x20))),
    "\ue000 private \U0010fffd \ufffe\uffff \ufdd0",
    "a" * 300 + " " * 70 + "語" * 100 + "!" * 80,
)


class Encoder(Protocol):
    """What text is turned into ids with. `encode_batch` adds neither BOS nor EOS."""

    @property
    def bos_id(self) -> int: ...

    @property
    def eos_id(self) -> int: ...

    @property
    def num_pieces(self) -> int: ...

    def encode_batch(self, texts: Sequence[str], /) -> list[list[int]]: ...


class FastEncoder(NamedTuple):
    """`encode` gives the ids of texts. Where these are another library's, `differs` says which text has other ids
    under the tokenizer itself, or None where all are equal."""

    library: str
    encode: Callable[[Sequence[str]], FlatIds]
    differs: Callable[[Sequence[str]], str | None] = lambda _: None


def fast_encoder(tokenizer: Encoder, say: Say = quiet) -> FastEncoder:
    """The fastest that gives the tokenizer's ids as far as it is known; what was tried in vain is said."""
    if not (isinstance(tokenizer, JsonTokenizer) and tokenizer.family == "byte-level" and _is_installed()):
        return exact_encoder(tokenizer)
    try:
        encode = _by_library(tokenizer)
    except ValueError as error:
        say(f"{LIBRARY} cannot read this tokenizer ({error}); text is encoded by the tokenizers library instead.")
        return exact_encoder(tokenizer)

    def differs(texts: Sequence[str]) -> str | None:
        return _difference([text[:COMPARED_CHARACTERS] for text in texts], encode, tokenizer)

    unlike = differs([*_ODD_TEXTS, *(f"a {token} {token}{token}b" for token in tokenizer.added_tokens)])
    if unlike is not None:
        say(f"{LIBRARY} does not give this tokenizer's ids ({unlike}); the tokenizers library is used instead.")
        return exact_encoder(tokenizer)
    return FastEncoder(LIBRARY, encode, differs)


def exact_encoder(tokenizer: Encoder) -> FastEncoder:
    """The fastest whose ids are the tokenizer's for every text."""
    segments = tokenizer.segments() if isinstance(tokenizer, SentencePieceTokenizer) else None
    if segments is not None:
        return FastEncoder("segments", segments.encode)

    def encode(texts: Sequence[str]) -> FlatIds:
        return flat(tokenizer.encode_batch(texts))

    return FastEncoder("itself", encode)


def flat(encoded: Sequence[Sequence[int]]) -> FlatIds:
    """Ids of texts one after another."""
    num_ids = np.fromiter(map(len, encoded), np.int64, len(encoded))
    return FlatIds(np.fromiter(chain.from_iterable(encoded), np.uint32, int(num_ids.sum())), num_ids)


def framed(encoded: FlatIds, begin_id: int, end_id: int) -> FlatIds:
    """The same texts with an id before and an id behind each."""
    num_ids = encoded.num_ids + 2
    ends = np.cumsum(num_ids)
    ids = np.empty(int(num_ids.sum()), np.uint32)
    is_text = np.ones(len(ids), np.bool_)
    for places, id in ((ends - num_ids, begin_id), (ends - 1, end_id)):
        ids[places] = id
        is_text[places] = False
    ids[is_text] = encoded.ids
    return FlatIds(ids, num_ids)


def _is_installed() -> bool:
    return importlib.util.find_spec(LIBRARY) is not None


def _by_library(tokenizer: JsonTokenizer) -> Callable[[Sequence[str]], FlatIds]:
    # Any, because an extra's types are not there where it is not.
    library: Any = importlib.import_module(LIBRARY).Tokenizer.from_json_str(tokenizer.to_json())
    library.no_truncation()
    library.no_padding()

    def encode(texts: Sequence[str]) -> FlatIds:
        ids, until = library.encode_batch_flat(list(texts), add_special_tokens=False, split_special_tokens=True)
        return FlatIds(np.frombuffer(ids, "<u4"), np.diff(np.frombuffer(until, "<u8").astype(np.int64)))

    return encode


def _difference(
    texts: Sequence[str], encode: Callable[[Sequence[str]], FlatIds], tokenizer: JsonTokenizer
) -> str | None:
    ours = flat(tokenizer.encode_batch(texts))
    try:
        theirs = encode(texts)
    except ValueError as error:
        return str(error)
    if np.array_equal(ours.num_ids, theirs.num_ids) and np.array_equal(ours.ids, theirs.ids):
        return None
    pairs = zip(_parts(ours), _parts(theirs), texts, strict=True)
    return next(f"the text {text[:60]!r}" for one, other, text in pairs if one != other)


def _parts(encoded: FlatIds) -> list[list[int]]:
    ends = np.cumsum(encoded.num_ids)
    return [encoded.ids[end - size : end].tolist() for end, size in zip(ends, encoded.num_ids, strict=True)]
