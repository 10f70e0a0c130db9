"""Text that is cut where no merge can cross has the ids that SentencePiece gives it whole."""

import io
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from loanword.tokenizer.extend import extend
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.learn import LearnedPieces
from loanword.tokenizer.load import load_tokenizer
from loanword.tokenizer.segments import Joints, Segments, units
from loanword.tokenizer.sentence_pieces import SentencePieceTokenizer
from tests.tokenizer.families import FAMILIES, SENTENCEPIECE
from tests.tokenizer.texts import ODD_TEXTS, QUOTING_TEXTS

TEXTS = ["the cat sat on the mat, the dog at 12:30", "哈哈 猫在这里 the cat", "(a  b)   c\td", "naïve “x”"]

Trained = Callable[..., SentencePieceTokenizer]


def of_segments(tokenizer: Tokenizer, texts: Sequence[str], segments: Segments | None = None) -> list[list[int]]:
    assert isinstance(tokenizer, SentencePieceTokenizer)
    segments = segments or tokenizer.segments()
    assert segments is not None
    ids, num_ids = segments.encode(texts)
    ends = np.cumsum([0, *num_ids]).tolist()
    assert ends[-1] == len(ids)
    return [ids[begin:end].tolist() for begin, end in pairwise(ends)]


def loaded(folder: Path) -> SentencePieceTokenizer:
    tokenizer = load_tokenizer(folder)
    assert isinstance(tokenizer, SentencePieceTokenizer)
    return tokenizer


@pytest.fixture(scope="module")
def english_texts(documents: Callable[..., list[str]]) -> list[str]:
    return [text[:40_000] for text in documents("en", 40_000)]


@pytest.fixture(scope="module")
def family(english_texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A family's tokenizer, by its name."""

    @cache
    def make(name: str) -> SentencePieceTokenizer:
        folder = tmp_path_factory.mktemp(name)
        FAMILIES[name](english_texts, folder)
        return loaded(folder)

    return make


@pytest.fixture(scope="module")
def trained(english_texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A small tokenizer, by settings of SentencePiece's trainer."""

    @cache
    def make(**settings: Any) -> SentencePieceTokenizer:
        folder, model = tmp_path_factory.mktemp("trained"), io.BytesIO()
        usual: dict[str, Any] = {
            "byte_fallback": True, "normalization_rule_name": "identity", "remove_extra_whitespaces": False,
        }  # fmt: skip
        SentencePieceTrainer.train(
            sentence_iterator=iter([line for text in english_texts for line in text.split("\n")]),
            model_writer=model,
            model_type="bpe",
            vocab_size=500,
            num_threads=1,
            minloglevel=2,
            **(usual | settings),
        )
        (folder / "tokenizer.model").write_bytes(model.getvalue())
        return loaded(folder)

    return make


@pytest.mark.parametrize("name", SENTENCEPIECE)
@given(data=st.data())
def test_random_texts_of_a_vocabularys_own_characters_have_its_ids(name: str, family: Trained, data: st.DataObject):
    tokenizer = family(name)
    letters = sorted({character for piece in tokenizer.pieces for character in piece} | {" ", "\n", "猫", "😀"})
    pieces = [piece.replace("▁", " ") for piece in tokenizer.pieces]
    parts = st.lists(
        st.sampled_from(letters) | st.sampled_from(pieces) | st.sampled_from([" ", "  ", "▁"]), max_size=30
    )
    texts = data.draw(st.lists(parts.map("".join), min_size=1, max_size=4))
    assert of_segments(tokenizer, texts) == tokenizer.encode_batch(texts)


@pytest.mark.parametrize("name", SENTENCEPIECE)
def test_odd_texts_have_the_ids_of_their_family(name: str, family: Trained):
    texts = [*ODD_TEXTS, *QUOTING_TEXTS, *TEXTS, "".join(ODD_TEXTS)]
    assert of_segments(family(name), texts) == family(name).encode_batch(texts)


@pytest.mark.parametrize(
    "path", ["tokenizers/llama-32k", "tokenizers/chinese-llama-2-55k", "checkpoints/stories260K/tok512.model"]
)
def test_real_text_has_the_ids_of_published_tokenizers(
    path: str, shared_data: Path, documents: Callable[..., list[str]]
):
    tokenizer = load_tokenizer(shared_data / path)
    texts = [*ODD_TEXTS, *QUOTING_TEXTS]
    for language in ("en", "zh", "sw", "hi", "ar"):
        texts += documents(language, 60_000)
    assert of_segments(tokenizer, texts) == tokenizer.encode_batch(texts)


def test_an_extended_tokenizer_has_its_own_joints(
    english: Tokenizer, chinese_pieces: LearnedPieces, documents: Callable[..., list[str]]
):
    extended = extend(english, chinese_pieces)
    texts = [*documents("zh", 100_000, 500_000), *documents("en", 50_000), *ODD_TEXTS]
    ids = of_segments(extended, texts)
    assert ids == extended.encode_batch(texts)
    assert any(id >= english.num_pieces for one in ids for id in one)


WORDS = st.lists(st.text("the▁n ", min_size=2, max_size=4), min_size=1, max_size=8)


@pytest.mark.parametrize("prefix", [True, False])
@settings(max_examples=60)
@given(words=WORDS, texts=st.lists(st.text("then▁ 猫", max_size=12), min_size=1, max_size=3))
def test_any_pieces_leave_the_ids_as_they_are(prefix: bool, trained: Trained, words: list[str], texts: list[str]):
    # Pieces that hold spaces inside and behind, as no published vocabulary does.
    base = trained(add_dummy_prefix=prefix)
    new = [word for word in dict.fromkeys(words) if word not in base.pieces]
    tokenizer = base.with_scores((word, -100.0 - number) for number, word in enumerate(new))
    assert of_segments(tokenizer, texts) == tokenizer.encode_batch(texts)


def test_a_normalizer_is_the_models_own(trained: Trained):
    tokenizer = trained(normalization_rule_name="nmt_nfkc", remove_extra_whitespaces=True)
    texts = ["  ﬁne   ｆｕｌｌ  width ", "½ é e\u0301", *ODD_TEXTS]
    assert of_segments(tokenizer, texts) == tokenizer.encode_batch(texts)
    assert tokenizer.encode(texts[0]) == tokenizer.encode("fine full width")


def test_without_byte_fallback_text_is_not_cut(trained: Trained):
    tokenizer = trained(byte_fallback=False)
    # A run of unknown characters is one id, and would be several in parts.
    assert tokenizer.encode("語語語").count(0) == 1
    assert tokenizer.segments() is None


def test_what_is_forgotten_is_encoded_again(family: Trained):
    tokenizer = family("mistral")
    small = tokenizer.segments(max_remembered=5)
    for _ in range(3):
        for text in [*TEXTS, "x" * 100, *ODD_TEXTS]:
            assert of_segments(tokenizer, [text, text], small) == tokenizer.encode_batch([text, text])


def test_batches_leave_no_seam(family: Trained, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("loanword.tokenizer.segments.BATCH_CHARACTERS", 30)
    texts = ["", *TEXTS, "", "猫"]
    assert of_segments(family("mistral"), texts) == family("mistral").encode_batch(texts)
    assert of_segments(family("mistral"), []) == []


@given(st.lists(st.text("ab語▁😀", min_size=1, max_size=5), max_size=6), st.text("ab語▁😀", min_size=1, max_size=9))
def test_no_border_lies_between_characters_that_a_piece_joins(pieces: list[str], text: str):
    borders = Joints(pieces).borders(units(text), np.array([0, len(units(text))])).tolist()
    joined = {pair for piece in pieces for pair in pairwise(piece)}
    # The emoji is two units, and every part of the text is whole characters still.
    parts = [units(text)[begin:end].tobytes().decode("utf-16-le") for begin, end in pairwise(borders)]
    assert "".join(parts) == text
    assert not [pair for pair in pairwise(parts) if (pair[0][-1], pair[1][0]) in joined]


@pytest.mark.vocabulary
@pytest.mark.parametrize("path", ["tokenizers/llama-32k", "tokenizers/chinese-llama-2-55k"])
@pytest.mark.parametrize("language", ["en", "zh", "hi", "ar", "sw"])
def test_every_document_of_a_corpus_has_the_ids_of_sentencepiece(path, language, shared_data, documents):
    model = shared_data / path / "tokenizer.model"
    processor = SentencePieceProcessor(model_file=str(model))
    tokenizer = load_tokenizer(model)
    texts = documents(language, 10**9)
    unlike = 0
    for first in range(0, len(texts), 1000):
        batch = texts[first : first + 1000]
        expected = processor.encode(batch, num_threads=1)
        unlike += sum(one != other for one, other in zip(of_segments(tokenizer, batch), expected, strict=True))
    assert (unlike, len(texts) > 1000) == (0, True)
