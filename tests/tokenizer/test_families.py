"""Every published construction loads, extends, and comes back from its files with the same ids."""

import json
import os
from pathlib import Path

import pytest
import sentencepiece
import tokenizers

from loanword.tokenizer.extend import extend
from loanword.tokenizer.interface import NewPiece, Tokenizer
from loanword.tokenizer.learn import continue_bpe
from loanword.tokenizer.load import load_tokenizer
from tests.tokenizer.families import FAMILIES, SENTENCEPIECE
from tests.tokenizer.parity import transformers_of
from tests.tokenizer.texts import ODD_TEXTS, QUOTING_TEXTS

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


LONE_PIECE = "<tool>"
"""All that `tokenizers` cannot do as SentencePiece does: see the docstring of `convert`."""

COMPOSED = {"qwen": {ODD_TEXTS[7]}, "llama_3": set(), "gpt_2": set()}
"""Texts that a normaliser changes."""


@pytest.fixture(scope="module")
def english_texts(documents) -> list[str]:
    return [text[:40_000] for text in documents("en", 40_000)]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory, english_texts) -> tuple[str, Tokenizer, Path]:
    """Its name, the tokenizer and its folder."""
    folder = tmp_path_factory.mktemp(request.param)
    FAMILIES[request.param](english_texts, folder)
    return request.param, load_tokenizer(folder), folder


@pytest.fixture(scope="module")
def extended(family, documents, english_texts) -> Tokenizer:
    _, base, _ = family
    return extend(base, continue_bpe(base, documents("zh", 40_000), 100, english_texts))


@pytest.fixture(scope="module")
def texts(documents) -> list[str]:
    languages = ("en", "zh", "hi", "ar")
    return [
        *ODD_TEXTS,
        *QUOTING_TEXTS,
        *(text[:2_000] for language in languages for text in documents(language, 8_000)),
    ]


def test_ids_are_those_of_the_library_that_the_family_was_made_with(family, texts):
    name, base, folder = family
    if name in SENTENCEPIECE:
        reference = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        assert base.encode_batch(texts) == [reference.encode(text) for text in texts]
    else:
        assert base.encode_batch(texts) == transformers_of(folder)(texts)


@pytest.mark.parametrize("kind", ["base", "extended"])
def test_saved_files_give_the_same_ids_everywhere(kind, family, extended, texts, tmp_path):
    name, base, _ = family
    tokenizer: Tokenizer = {"base": base, "extended": extended}[kind]
    tokenizer.save(tmp_path)
    ids = tokenizer.encode_batch(texts)
    again = load_tokenizer(tmp_path)
    assert again.encode_batch(texts) == ids
    assert (again.pieces, again.special_ids) == (tokenizer.pieces, tokenizer.special_ids)
    assert (again.bos_id, again.eos_id, again.pad_id) == (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id)
    theirs = transformers_of(tmp_path)(texts)
    unlike = [text for text, these, other in zip(texts, ids, theirs, strict=True) if these != other]
    assert unlike == ([LONE_PIECE] if name == "chatml_llama" else [])
    if name in SENTENCEPIECE:
        model = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
        assert [model.encode(text) for text in texts] == ids


def test_an_extension_moves_nothing_and_loses_nothing(family, extended, texts):
    name, base, _ = family
    assert extended.pieces[: base.num_pieces] == base.pieces
    assert extended.num_pieces == base.num_pieces + 100
    assert extended.special_ids == base.special_ids
    decoded = [base.decode(ids) for ids in base.encode_batch(texts)]
    assert [extended.decode(ids) for ids in extended.encode_batch(texts)] == decoded
    unlike = {text for text, back in zip(texts, decoded, strict=True) if text != back}
    assert all("▁" in text for text in unlike) if name in SENTENCEPIECE else unlike <= COMPOSED[name]


@pytest.fixture(scope="module")
def whole_words(english_texts, tmp_path_factory) -> Tokenizer:
    """A base of Llama 3's kind."""
    folder = tmp_path_factory.mktemp("whole_words")
    FAMILIES["llama_3"](english_texts, folder)
    return load_tokenizer(folder)


def test_a_word_that_is_a_piece_is_taken_whole_after_an_extension_too(whole_words):
    extended = whole_words.with_pieces([NewPiece(text="qq", left="q", right="q")])
    for tokenizer in (whole_words, extended):
        assert [tokenizer.pieces[id] for id in tokenizer.encode("a whole")] == ["a", "Ġwhole"]
        assert [tokenizer.pieces[id] for id in tokenizer.encode_spans(["Ġwhole"])[0]] == ["Ġwhole"]
        assert len(tokenizer.encode("a wholeq")) > 2


def test_a_new_piece_that_would_fire_only_on_the_word_that_it_is_counts_as_unreachable(whole_words):
    known = set(whole_words.pieces)
    long = next(piece for piece in whole_words.pieces if len(piece) > 3 and piece.isalpha() and piece[:-1] in known)
    end = long[-1] + "q"
    extended = whole_words.with_pieces(
        [NewPiece(text=end, left=long[-1], right="q"), NewPiece(text=long + "q", left=long[:-1], right=end)]
    )
    word = long.replace("Ġ", " ") + "q"
    assert [extended.pieces[id] for id in extended.encode(word)] == [long + "q"]
    assert [extended.pieces[id] for id in extended.encode(word + "q")] == [long, "q", "q"]
    assert [extended.pieces[id] for id in extended.encode_spans([long + "q"])[0]] == [long, "q"]


def test_merges_alone_lead_to_every_piece_that_is_learned(whole_words, documents, english_texts, tmp_path):
    learned = continue_bpe(whole_words, documents("sw", 60_000), 200, english_texts)
    extend(whole_words, learned).save(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["model"]["ignore_merges"] = False
    content["pre_tokenizer"] = None
    merging = tokenizers.Tokenizer.from_str(json.dumps(content))
    assert [merging.encode(piece.text).tokens for piece in learned.pieces] == [[piece.text] for piece in learned.pieces]
