import pytest
from sentencepiece import SentencePieceProcessor

from loanword.errors import UserError
from loanword.tokenizer.append import append, pieces_of_model
from loanword.tokenizer.extend import check_source_change, extend, lossy
from loanword.tokenizer.learn import LearnedPieces, continue_bpe
from loanword.tokenizer.load import NewPiece
from loanword.tokenizer.measure import FiringPiece, SourceChange, measure, measure_change, measure_languages


def test_ratios_are_over_the_whole_text(english):
    texts = ["a tall tree", "水 is water"]
    found = measure(english, iter(texts), "en")
    ids = english.encode_batch(texts)
    assert found.num_tokens == sum(map(len, ids))
    assert found.num_bytes == 11 + 12
    assert found.tokens_per_character == found.num_tokens / 21
    assert found.bytes_per_token == 23 / found.num_tokens
    assert found.tokens_per_word == found.num_tokens / 6
    assert found.byte_fallback_share == 3 / found.num_tokens


def test_tokens_per_word_are_left_out_where_spaces_part_no_words(english):
    assert measure(english, ["水"], "zh").tokens_per_word is None


def test_parts_of_characters_count_as_bytes_in_a_byte_level_tokenizer(gpt2):
    assert measure(gpt2, ["plain"], "en").byte_fallback_share == 0
    assert measure(gpt2, ["鑿"], "zh").byte_fallback_share == 1


def test_measuring_nothing_is_refused(english):
    with pytest.raises(UserError, match="nothing to measure"):
        measure(english, [], "en")


def test_measures_are_what_sentencepiece_itself_counts(llama, shared_data):
    processor = SentencePieceProcessor(model_file=str(shared_data / "tokenizers/llama-32k/tokenizer.model"))
    ordinary = {id for id in range(32_000) if not (processor.is_byte(id) or processor.is_control(id))} - {0}
    folder = shared_data / "parallel/flores200-devtest"
    texts = {language: (folder / f"{language}.txt").read_text("utf-8").splitlines() for language in ("en", "zh", "te")}
    found = measure_languages(llama, texts, parallel=frozenset(texts), source="en")
    ids = {language: [id for text in lines for id in processor.encode(text)] for language, lines in texts.items()}
    for one in found.languages:
        tokens, characters = ids[one.language], sum(map(len, texts[one.language]))
        assert one.num_tokens == len(tokens)
        assert one.tokens_per_character == len(tokens) / characters
        assert one.premium == len(tokens) / len(ids["en"])
        assert one.byte_fallback_share == sum(map(processor.is_byte, tokens)) / len(tokens)
        assert one.num_used_pieces == len(ordinary.intersection(tokens))
        assert one.num_unused_pieces == len(ordinary.difference(tokens))
        assert one.num_unused_new_pieces is None
    together = set().union(*ids.values())
    assert found.together.num_used_pieces == len(ordinary & together)
    assert found.together.num_unused_pieces == len(ordinary - together)


def test_single_bytes_and_special_tokens_are_never_called_unused(byte_level):
    found = measure(byte_level, ["the"], "en")
    assert found.num_used_pieces == 1
    assert found.num_unused_pieces == byte_level.num_pieces - 256 - len(byte_level.special_ids) - 1


def test_unused_new_pieces_are_those_behind_the_bases(english):
    extended = append(english, ["水", "火"])
    found = measure(extended, ["水 is water"], "en", num_base_pieces=english.num_pieces)
    assert found.num_unused_new_pieces == 1
    assert measure(extended, ["水火"], "zh", num_base_pieces=english.num_pieces).num_unused_new_pieces == 0


def test_languages_that_are_not_parallel_have_no_premium(english):
    texts = {"en": ["a tall tree"], "id": ["pohon tinggi"], "sw": ["mti mrefu"]}
    found = measure_languages(english, texts, parallel=frozenset({"en", "id"}), source="en")
    assert [one.premium is None for one in found.languages] == [False, False, True]
    assert found.languages[0].premium == 1
    without = measure_languages(english, texts, parallel=frozenset({"id", "sw"}), source="en")
    assert all(one.premium is None for one in without.languages)


def appended(base, english_text, shared_data):
    return append(base, pieces_of_model(shared_data / "tokenizers/chinese-sp-20k/chinese_sp.model"))


def continued(base, english_text, shared_data):
    return extend(base, continue_bpe(base, english_text, 20, []))


def learned(*texts: str) -> LearnedPieces:
    return LearnedPieces(tuple(NewPiece(text=text, left=text[:-1], right=text[-1]) for text in texts), (), frozenset())


@pytest.mark.parametrize("method", [appended, continued])
def test_a_text_is_encoded_otherwise_where_words_of_it_are_and_nowhere_else(method, llama, documents, shared_data):
    texts = documents("en", 60_000)
    extended = method(llama, texts, shared_data)
    lines = [line for text in texts for line in text.split("\n") if line.strip()]
    changed = [llama.encode(line) != extended.encode(line) for line in lines]
    found = [measure_change(llama, extended, [line], frozenset()).num_changed_words > 0 for line in lines]
    assert found == changed
    assert len(set(changed)) == 2


def test_a_changed_word_counts_though_no_new_piece_is_left_in_it(llama):
    extended = append(llama, ["eat"])
    ids = extended.encode("Beats")
    assert ids != llama.encode("Beats")
    assert max(ids) < llama.num_pieces
    change = measure_change(llama, extended, ["It Beats\nus"], frozenset())
    assert (change.num_words, change.num_changed_words, change.firing_pieces) == (3, 1, ())


def test_the_pieces_that_change_most_words_are_named_first(english):
    extended = extend(english, learned("xq", "zq"))
    change = measure_change(english, extended, ["axqzqxq zqzq azq 水zq"], frozenset("水"))
    assert change.firing_pieces == (FiringPiece(text="zq", num_words=3), FiringPiece(text="xq", num_words=1))
    assert (change.num_words, change.num_changed_words, change.num_quoting_words) == (3, 3, 1)


def test_a_source_change_above_its_limit_stops_and_names_the_pieces():
    firing = (FiringPiece(text="ing", num_words=7),)
    change = SourceChange(num_words=10_000, num_changed_words=7, num_quoting_words=0, firing_pieces=firing)
    check_source_change(change, 0.0007)
    with pytest.raises(UserError, match=r"7 of 10,000 .*0\.07 %.*'ing' 7\n.*at most 0\.05 %"):
        check_source_change(change, 0.0005)


def test_too_little_source_text_to_show_a_change_stops_nothing():
    change = SourceChange(num_words=1_999, num_changed_words=5, num_quoting_words=0)
    assert not change.can_show(0.0005)
    check_source_change(change, 0.0005)


def test_texts_that_are_not_given_back_are_listed(english):
    assert lossy(english, ["plain", "a▁b", " two  spaces ", "水"]) == ["a▁b"]
