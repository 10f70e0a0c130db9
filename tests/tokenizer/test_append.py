from pathlib import Path

import pytest
from sentencepiece import SentencePieceProcessor

from loanword.errors import UserError
from loanword.tokenizer.append import append, lacking, learn_pieces, pieces_of_model
from loanword.tokenizer.extend import extend, lossy
from loanword.tokenizer.learn import continue_bpe
from loanword.tokenizer.load import load_tokenizer
from loanword.tokenizer.measure import measure, measure_change, unreachable_pieces

LANGUAGES = ("ar", "bn", "en", "gu", "hi", "id", "ml", "mr", "ne", "sw", "ta", "te", "ur", "vi", "zh")


@pytest.fixture(scope="module")
def chinese_model(shared_data) -> Path:
    return shared_data / "tokenizers/chinese-sp-20k/chinese_sp.model"


@pytest.fixture(scope="module")
def chinese_llama(llama, chinese_model):
    return append(llama, pieces_of_model(chinese_model))


def test_the_published_chinese_pieces_give_the_published_number(llama, chinese_llama):
    assert chinese_llama.num_pieces == 49_953
    assert chinese_llama.pieces[: llama.num_pieces] == llama.pieces
    assert len(set(chinese_llama.pieces)) == 49_953
    assert chinese_llama.special_ids == llama.special_ids


def test_an_unigram_models_pieces_are_read_in_its_order_without_its_control_symbols(chinese_model):
    processor = SentencePieceProcessor(model_file=str(chinese_model))
    pieces = [processor.id_to_piece(id) for id in range(processor.get_piece_size())]
    assert pieces[:3] == ["<unk>", "<s>", "</s>"]
    assert pieces_of_model(chinese_model) == pieces[3:]


def test_sentencepiece_reads_an_appended_model_from_its_file(chinese_llama, documents, tmp_path):
    chinese_llama.save(tmp_path)
    processor = SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
    assert [processor.get_score(id) for id in range(32_000, 49_953)] == [0.0] * 17_953
    texts = documents("zh", 60_000) + documents("en", 60_000)
    assert chinese_llama.encode_batch(texts) == processor.encode(texts)
    assert load_tokenizer(tmp_path).encode_batch(texts) == processor.encode(texts)


def test_special_tokens_and_template_of_the_base_stay(english, tmp_path):
    english.save(tmp_path, "{{ messages }}")
    base = load_tokenizer(tmp_path)
    appended = append(base, ["水火"])
    assert appended.chat_template == "{{ messages }}"
    assert (appended.bos_id, appended.eos_id, appended.pad_id) == (base.bos_id, base.eos_id, base.pad_id)


def test_appending_twice_adds_nothing(english):
    once = append(english, ["水", "火", "水"])
    assert once.pieces[english.num_pieces :] == ("水", "火")
    assert append(once, ["水", "火"]).pieces == once.pieces


def test_learned_pieces_are_as_many_as_asked_for_and_none_the_bases(english, documents):
    pieces = learn_pieces(english, documents("zh", 200_000), 2500)
    assert len(set(pieces)) == 2500
    assert lacking(english, pieces) == pieces
    few = learn_pieces(english, documents("zh", 200_000), 2400)
    assert few == pieces[:2400]


def test_too_many_learned_pieces_are_refused_by_the_name_of_the_setting(english):
    with pytest.raises(UserError, match=r"num_new_pieces - for 5000 pieces that the base lacks.*\n.*at most \d+"):
        learn_pieces(english, ["水火木金土 " * 40], 5000)


def test_a_byte_level_base_is_refused(byte_level):
    for refused in (lambda: append(byte_level, ["水"]), lambda: learn_pieces(byte_level, ["水火"], 2)):
        with pytest.raises(UserError, match=r"byte-level tokenizer\.json"):
            refused()


def test_what_is_no_sentencepiece_model_is_refused(tmp_path):
    path = tmp_path / "pieces.model"
    with pytest.raises(UserError, match="no such file"):
        pieces_of_model(path)
    path.write_bytes(b"{}")
    with pytest.raises(UserError, match="no SentencePiece model"):
        pieces_of_model(path)


def test_a_piece_that_no_two_pieces_make_is_unreachable(english):
    assert unreachable_pieces(english, append(english, ["水火木"])) == ["水火木"]
    assert unreachable_pieces(english, append(english, ["水火", "水火木"])) == []


def test_unreachable_pieces_are_in_no_text(llama, chinese_llama, documents):
    unreachable = unreachable_pieces(llama, chinese_llama)
    assert unreachable
    ids = {id for found in chinese_llama.encode_batch(documents("zh", 2_000_000)) for id in found}
    assert ids.isdisjoint(chinese_llama.pieces.index(piece) for piece in unreachable)


def test_appended_pieces_save_chinese_tokens_and_move_english_ones(llama, chinese_llama, documents):
    text = documents("zh", 100_000)
    before, after = (measure(tokenizer, text, "zh").num_tokens for tokenizer in (llama, chinese_llama))
    assert after < 0.6 * before
    english = documents("en", 400_000)
    assert measure_change(llama, chinese_llama, english, frozenset()).num_changed_words > 0


@pytest.fixture(scope="module")
def real_texts(documents, shared_data, odd_texts) -> list[str]:
    texts = [*odd_texts, "a▁b", "\u2581"]
    for language in LANGUAGES:
        texts += documents(language, 30_000)
        texts += (shared_data / f"parallel/flores200-devtest/{language}.txt").read_text("utf-8").splitlines()
    return texts


def test_what_a_base_does_not_give_back_its_appended_tokenizer_does_not(llama, chinese_llama, real_texts):
    lost = lossy(llama, real_texts)
    assert lossy(chinese_llama, real_texts) == lost
    assert {"a▁b", "\u2581"} <= set(lost)
    assert all("▁" in text for text in lost)


def test_what_a_base_does_not_give_back_its_extended_tokenizer_does_not(english, chinese_pieces, real_texts):
    assert lossy(extend(english, chinese_pieces), real_texts) == lossy(english, real_texts)


def test_a_byte_level_base_and_its_extension_give_every_text_back(byte_level, documents, real_texts):
    extended = extend(byte_level, continue_bpe(byte_level, documents("zh", 50_000), 100, []))
    assert lossy(byte_level, real_texts[::6]) == lossy(extended, real_texts[::6]) == []
