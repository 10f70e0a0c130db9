import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.pre_tokenizers import ByteLevel

from loanword.model.reply import StopStrings, generator_for
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.learn import learn
from loanword.tokenizer.load import load_tokenizer
from loanword.tokenizer.tokenizer_json import JsonTokenizer, byte_level_json

LINES = ["Which letter is it, sooner or later?", "A. one B. two\n\nQuestion: ", "甲乙丙丁？题目：答案", "\n\n###"]


@pytest.fixture(scope="module", params=["sentencepiece", "byte fallback", "byte-level"])
def coder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """SentencePiece, the same as another library decodes it, and one whose pieces are bytes."""
    if request.param == "byte-level":
        vocab = {piece: id for id, piece in enumerate([*sorted(ByteLevel.alphabet()), "<|end|>"])}
        return JsonTokenizer(byte_level_json(vocab, []), {}, eos_id=len(vocab) - 1)
    learned, folder = learn(LINES[:2] * 20, 300), tmp_path_factory.mktemp("tokenizer")
    learned.save(folder)
    return learned if request.param == "sentencepiece" else load_tokenizer(folder / "tokenizer.json")


def first_stop(coder: Tokenizer, ids: list[int], stops: tuple[str, ...]) -> int | None:
    """Number of ids after which the text holds a string, decoded whole each time."""
    return next((n for n in range(1, len(ids) + 1) if any(s in coder.decode(ids[:n]) for s in stops)), None)


def watched(coder: Tokenizer, ids: list[int], stops: tuple[str, ...]) -> int | None:
    watch = StopStrings(coder, stops)
    return next((n for n in range(1, len(ids) + 1) if watch.completes(ids[:n])), None)


@given(data=st.data())
def test_a_stop_string_is_found_as_soon_as_the_text_holds_it(coder: Tokenizer, data: st.DataObject):
    words = st.sampled_from([*LINES, "甲", "é", " ", "\n", "###", "B", "three 甲乙", "\U0001f600"])
    text = "".join(data.draw(st.lists(words, max_size=30)))
    stop = data.draw(st.sampled_from(["\n\n", "答案", "乙丙", "\n\nQuestion:", "B. ", "é", "\U0001f600"]))
    noise = data.draw(st.lists(st.integers(0, coder.num_pieces - 1), max_size=40))
    place = data.draw(st.integers(0, len(noise)))
    ids = noise[:place] + coder.encode(text + stop) + noise[place:]
    assert watched(coder, ids, (stop,)) == first_stop(coder, ids, (stop,))
    assert watched(coder, ids, ("no such text", stop)) == first_stop(coder, ids, (stop,))


def test_a_stop_string_of_bytes_ends_at_its_last_byte(coder: Tokenizer):
    before, stop = coder.encode("甲乙"), coder.encode("甲乙丙丁")[len(coder.encode("甲乙")) :]
    assert all(coder.is_byte(id) for id in stop)
    ids = [*coder.encode("Which letter is it? " * 9), *before, *stop, *coder.encode("one")]
    assert watched(coder, ids, ("丙丁",)) == first_stop(coder, ids, ("丙丁",))


def test_what_is_decoded_at_once_does_not_grow_with_the_text(coder: Tokenizer, monkeypatch: pytest.MonkeyPatch):
    ids = coder.encode("Which letter is it, sooner or later? 甲乙 " * 40)
    decoded: list[int] = []
    decode = coder.decode

    def counted(ids: list[int]) -> str:
        decoded.append(len(ids))
        return decode(ids)

    monkeypatch.setattr(coder, "decode", counted)
    assert watched(coder, ids, ("\n\nQuestion:",)) is None
    assert max(decoded) < 100 < len(ids)


def test_a_text_ends_before_the_first_of_several_stop_strings(coder: Tokenizer):
    watch = StopStrings(coder, ("three", "two", "\n"))
    assert watch.before("one two three\n") == "one "
    assert watch.before("one") == "one"
    assert watch.before("") == ""
    assert StopStrings(coder, ()).before("one") == "one"


def test_randomness_is_that_of_seed_and_prompt():
    assert generator_for(0, "a").initial_seed() == generator_for(0, "a").initial_seed()
    assert len({generator_for(seed, id).initial_seed() for seed in range(3) for id in ("a", "b", "1:a")}) == 9
    # Written down, because what is drawn with it is kept: another value would change the responses of a study.
    assert generator_for(0, "a").initial_seed() == 5690829181965289459
