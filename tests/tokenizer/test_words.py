import errno
import os
import signal
import subprocess
import sys
from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.errors import UserError
from loanword.tokenizer.words import count_words, encode_words
from loanword.tokenizer.workers import ordered_map
from loanword.writing import script_letters

JAPANESE = {"Han", "Hiragana", "Katakana"}

# Two scripts that are written without spaces, two with, and what stands between.
mixed = st.text(alphabet="ab GéПи中国かカーกาक्षि१7\u200d\u0301,，。'-\n\t▁🧰ꯍ")
bases = pytest.mark.parametrize("base", ["english", "byte_level"])


@bases
@given(text=mixed | st.text())
def test_words_in_their_order_are_the_spans(base, request, text):
    base = request.getfixturevalue(base)
    counted = count_words(base, [text]).counts
    spans = "".join(base.spans(text))
    assert sum(len(word) * count for word, count in counted.items()) == len(spans)
    assert Counter("".join(word * count for word, count in counted.items())) == Counter(spans)
    assert all(word in spans for word in counted)


@bases
@given(text=mixed)
def test_a_words_letters_are_of_one_script(base, request, text):
    base = request.getfixturevalue(base)
    for word in count_words(base, [text]).counts:
        as_text = base.decode([base.eos_id, *base.encode_spans([word])[0]])
        scripts = {"Japanese" if script in JAPANESE else script for script in script_letters(as_text)}
        assert len(scripts) <= 1


def test_what_a_base_joins_is_parted_only_where_scripts_meet(gpt2):
    counted = count_words(gpt2, [" GPT模型 2024年, don't"]).counts
    assert [gpt2.decode(gpt2.encode_spans([word])[0]) for word in counted] == [
        " GPT", "模型", " 2024", "年", ",", " don", "'t",
    ]  # fmt: skip


def test_languages_without_spaces_keep_their_letters_together(english):
    counted = count_words(english, ["我喝茶ภาษาไทยテレビを見る", "हिन्दी में"]).counts
    assert list(counted) == ["▁我喝茶", "ภาษาไทย", "テレビを見る", "▁हिन्दी", "▁में"]


@bases
def test_words_and_ids_are_the_same_for_any_number_of_workers(base, request, documents):
    base = request.getfixturevalue(base)
    texts = documents("zh", 500_000)
    alone, together = (
        count_words(base, texts, num_workers=num_workers, batch_characters=20_000) for num_workers in (1, 3)
    )
    assert (list(alone.counts.items()), alone.characters) == (list(together.counts.items()), together.characters)
    for one, same in zip(
        encode_words(base, alone.counts), encode_words(base, together.counts, num_workers=2), strict=True
    ):
        np.testing.assert_array_equal(one, same)


def test_encoded_words_are_what_the_base_makes_of_each(byte_level):
    counts = {"ab": 2, "ĠtheĠ": 1, "Ã©": 5}
    encoded = encode_words(byte_level, counts)
    ids = byte_level.encode_spans(counts)
    assert encoded.symbol_S.tolist() == list(chain.from_iterable(ids))
    assert (encoded.length_W.tolist(), encoded.count_W.tolist()) == (list(map(len, ids)), [2, 1, 5])
    assert [len(array) for array in encode_words(byte_level, {})] == [0, 0, 0]


@given(
    st.lists(st.text("abcdef ", min_size=1, max_size=12), max_size=30), st.integers(1, 8), st.sampled_from([1, 10, 500])
)
def test_words_beyond_the_most_are_let_go_of_rarest_first_and_counted(byte_level, texts, max_words, batch_characters):
    whole = count_words(byte_level, texts).counts
    kept = count_words(byte_level, texts, max_words=max_words, batch_characters=batch_characters)
    assert len(kept.counts) <= max_words
    assert sum(kept.counts.values()) + kept.num_dropped == sum(whole.values())
    assert all(count <= whole[word] for word, count in kept.counts.items())
    if len(whole) <= max_words:
        assert kept.counts == whole


def test_a_frequent_word_outlives_many_rare_ones(byte_level):
    texts = [f"often x{number} " for number in range(1000)]
    kept = count_words(byte_level, texts, max_words=100, batch_characters=50)
    assert kept.counts["often"] == 1000
    assert kept.num_dropped > 800


@pytest.mark.parametrize("num_workers", [1, 2, 5])
@pytest.mark.parametrize("num_values", [0, 1, 2, 3, 10])
def test_results_come_in_the_order_of_values(num_workers, num_values):
    assert list(ordered_map(str, range(num_values), num_workers)) == [str(n) for n in range(num_values)]


def test_what_stops_the_values_stops_the_workers():
    def values():
        yield from ["a" * 5_000_000] * 4
        raise ValueError("unreadable")

    with pytest.raises(ValueError, match="unreadable"):
        list(ordered_map(str.upper, values(), 2))


KILLED = """
import os, time
from loanword.tokenizer.workers import ordered_map
def values():
    while True:
        yield 0
for pid in ordered_map(lambda value: os.getpid(), values(), 2):
    print(pid, flush=True)
"""


def test_workers_end_with_the_process_that_they_work_for():
    with subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert len({process.stdout.readline() for _ in range(2)}) == 2
        process.kill()
        # Workers hold its output open for as long as they live.
        process.communicate(timeout=20)


INTERRUPTED = """
import os, time
from loanword.tokenizer.workers import ordered_map
for pid in ordered_map(lambda value: (time.sleep(0.2), os.getpid())[1], range(1000), 2):
    print(pid, flush=True)
"""


def test_an_interrupted_command_is_told_of_once():
    command = [sys.executable, "-c", INTERRUPTED]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=20)
    assert told.count("Traceback") == 1
    assert "KeyboardInterrupt" in told


def full(value: int) -> int:
    if value == 3:
        raise OSError(errno.ENOSPC, "no space left")
    return value


def wrong(value: int) -> int:
    raise UserError(f"line {value}", "is broken")


def buggy(value: int) -> int:
    return [value][value]


def dies(value: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return value


def test_what_goes_wrong_in_a_process_is_told_as_if_it_had_been_done_here() -> None:
    for num_workers in (1, 2):
        with pytest.raises(OSError, match="no space left") as caught:
            list(ordered_map(full, range(9), num_workers))
        assert caught.value.errno == errno.ENOSPC
        with pytest.raises(UserError, match="line 0 - is broken"):
            list(ordered_map(wrong, range(9), num_workers))
    with pytest.raises(RuntimeError, match=r"in buggy\n(?s:.*)IndexError"):
        list(ordered_map(buggy, range(1, 9), 2))


def test_a_process_that_somebody_killed_is_named_and_nothing_hangs() -> None:
    with pytest.raises(UserError, match="a worker process - ended without a message"):
        list(ordered_map(dies, range(9), 2))
