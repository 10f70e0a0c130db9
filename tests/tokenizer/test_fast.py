"""Another library encodes where its ids are the tokenizer's, and says so where they are not."""

import importlib.util
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.tokenizer.fast import LIBRARY, FastEncoder, FlatIds, exact_encoder, fast_encoder, flat, framed
from loanword.tokenizer.interface import NewPiece, Tokenizer
from loanword.tokenizer.load import load_tokenizer
from loanword.tokens.shards import TokenStream
from loanword.tokens.stream import tokenize_corpus
from tests.tokenizer.families import FAMILIES, SENTENCEPIECE
from tests.tokenizer.texts import ODD_TEXTS, QUOTING_TEXTS
from tests.tokens.written import written

BYTE_LEVEL = sorted(set(FAMILIES) - set(SENTENCEPIECE))

installed = pytest.mark.skipif(importlib.util.find_spec(LIBRARY) is None, reason=f"{LIBRARY} is an optional extra")


def ids_of(encoder: FastEncoder, texts: Sequence[str]) -> list[list[int]]:
    encoded = encoder.encode(texts)
    ends = np.cumsum(encoded.num_ids)
    return [encoded.ids[end - size : end].tolist() for end, size in zip(ends, encoded.num_ids, strict=True)]


@pytest.fixture(scope="module")
def family(documents: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Tokenizer]:
    made: dict[str, Tokenizer] = {}

    def make(name: str) -> Tokenizer:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            FAMILIES[name]([text[:40_000] for text in documents("en", 40_000)], folder)
            made[name] = load_tokenizer(folder)
        return made[name]

    return make


@pytest.fixture
def another(monkeypatch: pytest.MonkeyPatch, gpt2: Tokenizer) -> Callable[..., None]:
    """A library in the place of fastokens, which encodes as GPT-2's tokenizer does but for what `changed` makes."""

    def put(changed: Callable[[str, list[int]], list[int]], *, refuses: bool = False) -> None:
        class Library:
            @staticmethod
            def from_json_str(content: str) -> "Library":
                if refuses:
                    raise ValueError("unknown pre_tokenizer")
                assert "merges" in json.loads(content)["model"]
                return Library()

            def no_truncation(self) -> None: ...

            def no_padding(self) -> None: ...

            def encode_batch_flat(self, texts: list[str], **_: bool) -> tuple[bytes, bytes]:
                ids = [changed(text, one) for text, one in zip(texts, gpt2.encode_batch(texts), strict=True)]
                until = np.cumsum([0, *map(len, ids)]).astype("<u8")
                return np.array([id for one in ids for id in one], "<u4").tobytes(), until.tobytes()

        module: Any = ModuleType(LIBRARY)
        module.Tokenizer = Library
        module.__spec__ = importlib.util.spec_from_loader(LIBRARY, None)
        monkeypatch.setitem(sys.modules, LIBRARY, module)

    return put


@installed
@pytest.mark.parametrize("name", BYTE_LEVEL)
def test_every_family_has_its_own_ids(
    name: str, family: Callable[[str], Tokenizer], documents: Callable[..., list[str]]
):
    said: list[str] = []
    tokenizer = family(name)
    encoder = fast_encoder(tokenizer, said.append)
    texts = [*ODD_TEXTS, *QUOTING_TEXTS, *documents("zh", 20_000), *documents("en", 20_000), *documents("hi", 20_000)]
    assert ids_of(encoder, texts) == tokenizer.encode_batch(texts)
    # One that cannot do it says so.
    assert (encoder.library == LIBRARY) == (not said)


@installed
def test_real_text_has_the_ids_of_gpt_2_and_of_its_extension(gpt2: Tokenizer, documents: Callable[..., list[str]]):
    left, right = (gpt2.pieces[id] for id in gpt2.encode("语言")[2:4])
    extended = gpt2.with_pieces([NewPiece(text=left + right, left=left, right=right)])
    assert extended.encode("语言") != gpt2.encode("语言")
    texts = [text for language in ("en", "zh", "ar", "hi", "vi") for text in documents(language, 40_000)]
    texts += [*ODD_TEXTS, *QUOTING_TEXTS]
    for tokenizer in (gpt2, extended):
        encoder = fast_encoder(tokenizer)
        assert encoder.library == LIBRARY
        assert ids_of(encoder, texts) == tokenizer.encode_batch(texts)
        assert encoder.differs(texts) is None


@pytest.mark.parametrize("name", FAMILIES)
def test_without_the_library_ids_are_the_tokenizers(
    name: str, family: Callable[[str], Tokenizer], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, LIBRARY, None)
    said: list[str] = []
    encoder = fast_encoder(family(name), said.append)
    texts = [*ODD_TEXTS, *QUOTING_TEXTS]
    assert ids_of(encoder, texts) == family(name).encode_batch(texts)
    assert encoder.library != LIBRARY and not said


def test_a_library_that_cannot_read_a_tokenizer_is_left_alone(gpt2: Tokenizer, another: Callable[..., None]):
    another(lambda text, ids: ids, refuses=True)
    said: list[str] = []
    assert fast_encoder(gpt2, said.append).library == exact_encoder(gpt2).library
    assert said == [
        "fastokens cannot read this tokenizer (unknown pre_tokenizer); "
        "text is encoded by the tokenizers library instead."
    ]


def test_a_library_that_stumbles_over_odd_texts_is_left_alone(gpt2: Tokenizer, another: Callable[..., None]):
    another(lambda text, ids: [50256] if text == "a <|endoftext|> <|endoftext|><|endoftext|>b" else ids)
    said: list[str] = []
    assert fast_encoder(gpt2, said.append).library == exact_encoder(gpt2).library
    assert len(said) == 1 and "<|endoftext|>" in said[0]


@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_corpus_where_ids_differ_is_encoded_anew_by_the_tokenizer(
    num_workers: int, gpt2: Tokenizer, another: Callable[..., None], tmp_path: Path
):
    # The 201st document begins a file, and so is one of those that are compared.
    another(lambda text, ids: ids[:-1] if "ß" in text else ids)
    files = written(["ein Satz " * 5 if number != 200 else "Straße" for number in range(400)], tmp_path / "corpus", 2)
    said: list[str] = []
    made = tokenize_corpus(files, gpt2, tmp_path, "de", num_workers=num_workers, say=said.append, shard_tokens=500)
    stream = TokenStream(tmp_path)
    begin, end = stream.offsets[200:202]
    assert stream.ids(begin + 1, end - 1).tolist() == gpt2.encode("Straße")
    assert made.num_documents == 400
    assert said == [
        "fastokens does not give this tokenizer's ids (the text 'Straße'); the tokenizer encodes by itself instead."
    ]


def test_a_document_that_the_library_refuses_makes_the_tokenizer_encode(
    gpt2: Tokenizer, another: Callable[..., None], tmp_path: Path
):
    def refusing(text: str, ids: list[int]) -> list[int]:
        if "ß" in text:
            raise ValueError("no such character")
        return ids

    another(refusing)
    # The second document is none of those that are compared.
    files = written(["ein Satz", "Straße", "noch einer"], tmp_path / "corpus")
    said: list[str] = []
    tokenize_corpus(files, gpt2, tmp_path, "de", say=said.append)
    stream = TokenStream(tmp_path)
    begin, end = stream.offsets[1:3]
    assert stream.ids(begin + 1, end - 1).tolist() == gpt2.encode("Straße")
    assert said == [
        "fastokens does not give this tokenizer's ids (no such character); the tokenizer encodes by itself instead."
    ]


def test_a_stage_that_was_killed_after_that_goes_on_with_the_tokenizer(
    gpt2: Tokenizer, another: Callable[..., None], tmp_path: Path
):
    another(lambda text, ids: ids[:-1] if "ß" in text else ids)
    files = written(["Straße", *["ein Satz " * 5] * 300], tmp_path / "corpus")

    def stop(done: int, total: int, unit: str) -> None:
        if (tmp_path / ".scratch" / "tokens.jsonl").read_bytes().count(b"\n") > 3:
            raise KeyboardInterrupt

    said: list[str] = []
    settings: dict[str, Any] = {"say": said.append, "shard_tokens": 500, "unit_bytes": 2_000}
    with pytest.raises(KeyboardInterrupt):
        tokenize_corpus(files, gpt2, tmp_path, "de", stop, **settings)
    tokenize_corpus(files, gpt2, tmp_path, "de", **settings)
    assert len(said) == 1
    stream = TokenStream(tmp_path)
    assert stream.ids(1, stream.offsets[1] - 1).tolist() == gpt2.encode("Straße")
    assert len(stream.offsets) == 302


@given(st.lists(st.lists(st.integers(3, 9), max_size=4), max_size=6))
def test_frames_go_round_every_text(encoded: list[list[int]]):
    ids, num_ids = framed(flat(encoded), 1, 2)
    assert ids.tolist() == [id for one in encoded for id in (1, *one, 2)]
    assert num_ids.tolist() == [len(one) + 2 for one in encoded]


@installed
@pytest.mark.vocabulary
@pytest.mark.parametrize("name", [*BYTE_LEVEL, "gpt2"])
def test_every_character_has_the_tokenizers_ids_wherever_it_stands(
    name: str, family: Callable[[str], Tokenizer], gpt2: Tokenizer
):
    tokenizer = gpt2 if name == "gpt2" else family(name)
    encoder = fast_encoder(tokenizer)
    characters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    for first in range(0, len(characters), 20_000):
        texts = [f"a{one}b {one}{one} 1{one}\n{one}'s" for one in characters[first : first + 20_000]]
        assert encoder.differs(texts) is None


def test_texts_are_counted_one_by_one():
    assert flat([[1, 2], [], [3]]).num_ids.tolist() == [2, 0, 1]
    assert isinstance(flat([]), FlatIds)
