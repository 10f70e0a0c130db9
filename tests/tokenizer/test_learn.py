from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sentencepiece import sentencepiece_model_pb2

from loanword.errors import UserError
from loanword.tokenizer.extend import extend
from loanword.tokenizer.learn import continue_bpe, learn
from loanword.tokenizer.load import Tokenizer
from loanword.writing import script_letters
from tests.tokenizer.recounting import recounted

bases = pytest.mark.parametrize("base", ["english", "byte_level"])


def _model_bytes(tokenizer: Tokenizer, folder) -> bytes:
    tokenizer.save(folder)
    return (folder / "tokenizer.model").read_bytes()


def test_learning_twice_gives_equal_bytes_without_paths_or_noise(documents, tmp_path, capfd):
    texts = documents("en", 200_000)
    once, again = (_model_bytes(learn(iter(texts), 600), tmp_path / name) for name in "ab")
    assert once == again
    spec = sentencepiece_model_pb2.ModelProto.FromString(once).trainer_spec  # pyright: ignore
    assert (list(spec.input), spec.model_prefix, spec.num_threads) == ([], "", 1)
    assert capfd.readouterr() == ("", "")


def test_a_learned_tokenizer_has_llamas_settings(english):
    assert english.pieces[:4] == ("<unk>", "<s>", "</s>", "<0x00>")
    assert (english.bos_id, english.eos_id, english.pad_id) == (1, 2, None)
    assert [english.pieces[id] for id in english.encode("2024")] == ["▁", "2", "0", "2", "4"]
    assert english.encode("漢")[1:] == [3 + byte for byte in "漢".encode()], "foreign characters go to bytes"
    assert english.decode(english.encode("  kept   spaces ")) == "  kept   spaces "


def test_nothing_of_a_long_document_is_dropped():
    long = "ordinary words in one line without an end " * 2_000 + "zyzzyva " * 50
    assert {"z", "y", "v"} <= set(learn([long], 300).pieces)


def test_a_line_with_sentencepieces_own_mark_is_read():
    assert "q" in learn(["quite ▅ a queue"] * 20, 285).pieces


@pytest.mark.parametrize(
    ("texts", "num_pieces", "message"),
    [
        ([], 400, "text to learn from"),
        (["the same few words"] * 9, 4096, r"at most \d+, which this text can fill"),
        (["".join(map(chr, range(0x4E00, 0x5000)))], 300, r"at least 7\d\d, for the text's different characters"),
    ],
)
def test_a_number_of_pieces_that_the_text_cannot_give_is_refused(texts, num_pieces, message):
    with pytest.raises(UserError, match=message):
        learn(texts, num_pieces)


def test_continuing_needs_text_that_repeats(english):
    with pytest.raises(UserError, match="only 1 of 5 pieces would save anything"):
        continue_bpe(english, ["甲"], 5, [])


def test_no_new_pieces_are_no_extension(english):
    learned = continue_bpe(english, ["文字文字"], 0, [])
    assert learned.pieces == ()
    assert extend(english, learned).pieces == english.pieces


def test_continuing_is_deterministic_and_blind_to_the_order_of_documents(english, documents):
    chinese, gate = documents("zh", 60_000), documents("en", 60_000)
    learned = continue_bpe(english, chinese, 200, gate)
    assert continue_bpe(english, reversed(chinese), 200, gate).pieces == learned.pieces


@bases
def test_the_number_of_workers_changes_nothing(base, request, documents):
    base = request.getfixturevalue(base)
    chinese, gate = documents("zh", 60_000), documents("en", 60_000)
    assert continue_bpe(base, chinese, 100, gate, num_workers=2) == continue_bpe(base, chinese, 100, gate)


@bases
@pytest.mark.parametrize("language", ["zh", "hi"])
def test_pieces_are_those_of_counting_everything_again_after_each(base, language, request, documents):
    base = request.getfixturevalue(base)
    texts, gate = documents(language, 4_000)[:8], "an ordinary sentence, and what stands side by side in it 2024."
    ids = [base.pieces[id] for span in base.spans(gate) for id in base.encode_spans([span])[0]]
    pieces, words = recounted(base, texts, 60, set(pairwise(ids)))
    learned = continue_bpe(base, texts, 60, [gate])
    assert list(learned.pieces) == pieces
    # What was counted is what the extended tokenizer makes of the words.
    extended = extend(base, learned)
    encoded = extended.encode_spans("".join(word) for word in words)
    assert [_without_bytes(extended, ids) for ids in encoded] == [
        [symbol for symbol in word if symbol in extended.pieces] for word in words
    ]


def _without_bytes(tokenizer: Tokenizer, ids: list[int]) -> list[str]:
    fallback = tokenizer.family == "sentencepiece"
    return [tokenizer.pieces[id] for id in ids if not (fallback and tokenizer.is_byte(id))]


@bases
@settings(max_examples=40)
@given(texts=st.lists(st.text("ab 中国かกาक्षि7,。▁", min_size=2, max_size=20), min_size=1, max_size=8))
def test_every_piece_is_reached_and_joins_no_two_scripts(base, request, texts):
    base = request.getfixturevalue(base)
    try:
        learned = continue_bpe(base, texts * 3, 4, ["plain text"])
    except UserError:
        assume(False)
        raise
    extended = extend(base, learned)
    for number, piece in enumerate(learned.pieces):
        id = base.num_pieces + number
        assert extended.encode_spans([piece.text]) == [[id]]
        scripts = script_letters(extended.decode([extended.eos_id, id])).keys()
        assert len(scripts - {"Hiragana"}) <= 1
    assert [extended.decode(extended.encode(text)) for text in texts] == [
        base.decode(base.encode(text)) for text in texts
    ]


def test_pieces_are_chosen_by_the_tokens_they_save(english):
    # Every character saves two bytes where it occurs; joining it to the space saves one token.
    learned = continue_bpe(english, ["国 中国 国文 " * 20], 4, [])
    assert [piece.text for piece in learned.pieces] == ["国", "中", "文", "▁国"]


def test_progress_counts_pieces(english):
    seen: list[tuple[int, int, str]] = []
    continue_bpe(english, ["漢字 漢字 " * 9], 2, [], lambda *state: seen.append(state))
    assert seen == [(1, 2, "pieces"), (2, 2, "pieces")]


def test_pieces_that_fire_in_gate_text_are_skipped_and_counted(english):
    text = "zqx " * 50 + "字"
    free = continue_bpe(english, [text], 1, [])
    gated = continue_bpe(english, [text], 1, ["zqx here " * 10 + "plain english words " * 50])
    skipped = {piece.text: piece for piece in gated.skipped}
    (first,) = free.pieces
    assert skipped[first.text].reason == "fires in gate text"
    assert skipped[first.text].num_tokens == 50


@bases
def test_an_empty_gate_document_guards_nothing(base, request, documents):
    base = request.getfixturevalue(base)
    chinese = documents("zh", 4_000)
    assert continue_bpe(base, chinese, 5, [""]) == continue_bpe(base, chinese, 5, [])


def test_a_gate_document_that_quotes_the_target_stops_none_of_its_characters(english, documents):
    chinese = documents("zh", 60_000)
    learned = continue_bpe(english, chinese, 50, [*documents("en", 60_000), "Peking (北京) is 的 capital。"])
    assert {"的", "。"} <= {piece.text for piece in learned.pieces}
    assert {"北", "的", "。"} <= learned.foreign_characters
    assert learned.foreign_characters.isdisjoint("abcdefghij ,.")
