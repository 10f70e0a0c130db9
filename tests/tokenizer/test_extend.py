from collections.abc import Iterator
from contextlib import suppress
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loanword.errors import UserError
from loanword.tokenizer.extend import constituents, extend
from loanword.tokenizer.learn import LearnedPieces, continue_bpe
from loanword.tokenizer.load import NewPiece, Tokenizer, load_tokenizer
from loanword.tokenizer.measure import measure, measure_change
from loanword.tokenizer.sentence_pieces import scores_below
from loanword.tokenizer.tokenizer_json import piece_bytes

Extension = tuple[Tokenizer, LearnedPieces, Tokenizer]


@pytest.fixture(scope="module")
def chinese(english, chinese_pieces) -> Extension:
    return english, chinese_pieces, extend(english, chinese_pieces)


@pytest.fixture(scope="module")
def llama_hindi(llama, documents) -> Extension:
    learned = continue_bpe(llama, documents("hi", 200_000), 300, documents("en", 100_000))
    return llama, learned, extend(llama, learned)


@pytest.fixture(scope="module")
def byte_level_chinese(byte_level, documents) -> Extension:
    learned = continue_bpe(byte_level, documents("zh", 150_000), 300, documents("en", 100_000))
    return byte_level, learned, extend(byte_level, learned)


@pytest.fixture(scope="module")
def fast_chinese(english, documents, tmp_path_factory) -> Extension:
    """The English tokenizer as a tokenizer.json alone."""
    folder = tmp_path_factory.mktemp("fast")
    english.save(folder)
    base = load_tokenizer(folder / "tokenizer.json")
    learned = continue_bpe(base, documents("zh", 100_000), 300, documents("en", 60_000))
    return base, learned, extend(base, learned)


extensions = pytest.mark.parametrize("kind", ["chinese", "llama_hindi", "byte_level_chinese", "fast_chinese"])
texts = (
    st.text() | st.text(alphabet="的一是不了人我在有他这中 ab,。▁\n") | st.text(alphabet=st.characters(codec="utf-8"))
)


@extensions
def test_extending_keeps_every_base_id(kind, request):
    base, learned, extended = request.getfixturevalue(kind)
    assert extended.pieces == (*base.pieces, *(piece.text for piece in learned.pieces))
    assert (extended.bos_id, extended.eos_id, extended.pad_id) == (base.bos_id, base.eos_id, base.pad_id)
    assert extended.special_ids == base.special_ids
    assert [extended.is_byte(id) for id in range(base.num_pieces)] == list(map(base.is_byte, range(base.num_pieces)))


@extensions
@settings(deadline=None, max_examples=40)
@given(text=texts)
def test_encoding_is_lossless_wherever_the_bases_is(kind, request, text):
    base, _, extended = request.getfixturevalue(kind)
    assert extended.decode(extended.encode(text)) == base.decode(base.encode(text))


def _texts_with(piece: bytes) -> Iterator[str]:
    """Texts that hold a piece's bytes, completed to whole characters where they are none."""
    continues = range(0x80, 0xC0)
    starts = [b""]
    if piece[0] in continues:
        starts = [bytes([lead]) for lead in range(0xC2, 0xF5)]
        starts += [bytes(two) for two in product(range(0xE0, 0xF5), continues)]
    for num_missing in range(3):
        for start, end in product(starts, product(continues, repeat=num_missing)):
            with suppress(UnicodeDecodeError):
                yield (b"\n" + start + piece + bytes(end) + b"\n").decode()


@extensions
def test_every_new_piece_is_encoded_as_itself_inside_some_text(kind, request):
    base, learned, extended = request.getfixturevalue(kind)
    new = range(base.num_pieces, extended.num_pieces)
    assert extended.encode_spans(piece.text for piece in learned.pieces) == [[id] for id in new]
    whole = [id for id in new if not extended.is_byte(id)]
    ids = extended.encode_batch([f"\n{extended.decode([base.eos_id, id])}\n" for id in whole])
    reached = [
        id in found or id in extended.encode(extended.decode([id])) for id, found in zip(whole, ids, strict=True)
    ]
    assert all(reached)


def test_pieces_that_are_parts_of_characters_are_reached_in_some_text(byte_level_chinese):
    base, _, extended = byte_level_chinese
    parts = [id for id in range(base.num_pieces, extended.num_pieces) if extended.is_byte(id)]
    assert parts
    for id in parts:
        assert any(id in extended.encode(text) for text in _texts_with(piece_bytes(extended.pieces[id])))


@extensions
def test_constituents_are_base_ids_that_spell_the_piece(kind, request):
    base, _, extended = request.getfixturevalue(kind)
    made_of = constituents(base, extended)
    assert all(len(ids) > 1 and max(ids) < base.num_pieces for ids in made_of)
    new = range(base.num_pieces, extended.num_pieces)
    assert [base.decode([base.eos_id, *ids]) for ids in made_of] == [extended.decode([base.eos_id, id]) for id in new]


def test_source_text_of_the_gate_keeps_its_ids(chinese, documents):
    base, learned, extended = chinese
    change = measure_change(base, extended, documents("en", 500_000), learned.foreign_characters)
    assert change.num_words > 50_000
    assert change.num_changed_words == 0


def test_held_out_source_text_changes_in_at_most_five_words_in_ten_thousand(chinese, documents):
    base, learned, extended = chinese
    change = measure_change(base, extended, documents("en", 500_000, 20_000_000), learned.foreign_characters)
    assert change.num_words > 50_000
    assert change.num_changed_words <= 0.0005 * change.num_words


def test_an_extension_shortens_target_text(chinese, documents):
    base, _, extended = chinese
    held_out = documents("zh", 50_000, 5_000_000)
    before, after = (measure(tokenizer, held_out, "zh") for tokenizer in (base, extended))
    assert after.tokens_per_character < 0.7 * before.tokens_per_character


@extensions
def test_transformers_gives_an_extensions_ids_too(kind, request, documents, odd_texts, tmp_path):
    from transformers import AutoTokenizer

    _, _, extended = request.getfixturevalue(kind)
    extended.save(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for text in odd_texts + documents("zh", 30_000, 5_000_000) + documents("hi", 30_000):
        assert loaded.encode(text, add_special_tokens=False) == extended.encode(text)


def test_one_sentencepiece_model_and_its_tokenizer_json_extend_alike(english, fast_chinese, documents):
    _, learned, fast = fast_chinese
    exact = extend(english, learned)
    for text in documents("zh", 50_000, 5_000_000):
        assert fast.encode(text) == exact.encode(text)


def test_an_extension_can_be_extended(chinese, documents):
    _, _, extended = chinese
    learned = continue_bpe(extended, documents("ta", 100_000), 50, documents("en", 50_000))
    twice = extend(extended, learned)
    assert twice.pieces[: extended.num_pieces] == extended.pieces
    text = documents("zh", 20_000, 5_000_000)[0]
    assert twice.decode(twice.encode(text)) == text


def test_a_piece_that_the_base_has_is_refused(english):
    learned = LearnedPieces((NewPiece(text="▁the", left="▁t", right="he"),), (), frozenset())
    with pytest.raises(UserError, match=r"piece 1024 '▁the' - is also piece \d+"):
        extend(english, learned)


@given(st.floats(-1e9, 0, width=32), st.integers(1, 500))
def test_scores_fall_below_the_lowest_without_ties(lowest, num_scores):
    scores = np.array(scores_below(lowest, num_scores), dtype=np.float32)
    assert scores[0] < np.float32(lowest)
    assert (np.diff(scores) < 0).all()
