import pytest

from loanword.errors import UserError
from loanword.tokenizer.measure import measure


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
