"""Pieces of one score are joined leftmost first in tokenizer.json too."""

import json
from pathlib import Path

import pytest
import sentencepiece
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from loanword.tokenizer.convert import tokenizer_json, unlike
from loanword.tokenizer.learn import learn
from loanword.tokenizer.proto import Model, PieceType, parse, to_bytes
from loanword.tokenizer.sentence_pieces import SentencePieceTokenizer

# No ranking of merges has "ab" before "ba" and "ba" before "ab"; "aaa" and "cbcb" are reached by no merges.
TIED = ["ab", "ba", "aba", "abc", "ca", "cc", "ccc", "aaa", "cbcb", "的b", "▁a"]


def with_tied(learned: Model, pieces: list[str]) -> Model:
    for piece in pieces:
        learned.pieces.add(piece=piece, score=1.0, type=PieceType.NORMAL)
    return learned


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """A base whose own merges know nothing of the letters that are tied."""
    learn(["we go to see the house over there"] * 20 + ["a b c"], 300).save(tmp_path)
    parsed = parse((tmp_path / "tokenizer.model").read_bytes())
    assert parsed is not None
    return parsed


def hands(model: Model) -> tuple[sentencepiece.SentencePieceProcessor, tokenizers.Tokenizer]:
    fast = tokenizers.Tokenizer.from_str(json.dumps(tokenizer_json(model, bos_id=1)))
    fast.encode_special_tokens = True
    return sentencepiece.SentencePieceProcessor(model_proto=to_bytes(model)), fast


def test_tied_pieces_that_overlap_are_joined_leftmost_first(model: Model) -> None:
    exact, fast = hands(with_tied(model, TIED))
    quoted = [piece.piece for piece in model.pieces]

    @given(st.text("abc的 <s>▁") | st.text("abc", max_size=12) | st.sampled_from([f"ab{piece}ab" for piece in quoted]))
    def agree(text: str) -> None:
        assert fast.encode(text, add_special_tokens=False).ids == exact.encode(text)

    agree()


def test_pieces_that_do_not_overlap_need_no_pre_tokenizer(model: Model) -> None:
    content = tokenizer_json(with_tied(model, ["ab", "co"]), bos_id=1)
    assert content["pre_tokenizer"] is None
    assert not content["model"]["ignore_merges"]


def test_where_a_lower_merge_joins_tied_pieces_merges_are_left_alone(model: Model) -> None:
    tied = with_tied(model, ["ab", "ba"])
    tied.pieces.add(piece="abba", score=-999.0, type=PieceType.NORMAL)
    content = tokenizer_json(tied, bos_id=1)
    assert content["pre_tokenizer"] is None
    fast = hands(tied)[1]
    assert fast.encode("xabbax", add_special_tokens=False).tokens.count("abba") == 1


def test_a_file_that_cannot_say_what_the_model_does_is_found_out(model: Model, tmp_path: Path) -> None:
    texts = ["we go", "bab", "aba", "see"]
    tied = with_tied(model, ["ab", "ba"])
    exact = SentencePieceTokenizer(tied, {})
    exact.save(tmp_path)
    assert unlike(tmp_path, exact, texts) == 0
    tied.pieces.add(piece="abba", score=-999.0, type=PieceType.NORMAL)
    inexact = SentencePieceTokenizer(tied, {})
    inexact.save(tmp_path)
    assert unlike(tmp_path, inexact, texts) == 1
