from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loanword.errors import UserError
from loanword.model.prompts import Encoder, common_prefix, fit_prompts, prompt_text
from loanword.protocols import ChoicePrompt
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.learn import learn
from loanword.tokenizer.load import NewPiece

LETTERS = ("A", "B", "C", "D")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    lines = [
        "Which letter is it?",
        "A. one B. two C. three D. four",
        "Answer: A",
        "Answer: D",
        "题目：甲乙丙丁？答案：A",
    ]
    return learn(lines * 20, 330)


def prompt(num_shots: int = 3, choices: tuple[str, ...] = LETTERS, question: str = "题目？\n答案：") -> ChoicePrompt:
    shots = tuple(f"Which letter is it? {number}\nAnswer: A\n\n" for number in range(num_shots))
    return ChoicePrompt("x/0", "About letters.\n\n", shots, question, choices)


def test_a_prompt_is_bos_and_the_ids_of_its_whole_text(tokenizer: Tokenizer):
    (ids,) = fit_prompts([prompt()], tokenizer, 1000)
    assert ids is not None
    assert list(ids.context) == [tokenizer.bos_id, *tokenizer.encode(prompt_text(prompt(), 3))]
    assert ids.num_shots == 3


def test_choices_are_the_ids_that_stand_in_the_text(tokenizer: Tokenizer):
    (ids,) = fit_prompts([prompt()], tokenizer, 1000)
    assert ids is not None
    for letter, continuation in zip(LETTERS, ids.continuations, strict=True):
        assert [tokenizer.pieces[id] for id in continuation] == [letter]
        assert [tokenizer.bos_id, *tokenizer.encode(prompt_text(prompt(), 3) + letter)] == [*ids.context, *continuation]


def test_isolated_choices_are_the_word_initial_pieces(tokenizer: Tokenizer):
    (ids,) = fit_prompts([prompt()], tokenizer, 1000, "isolated")
    assert ids is not None
    assert ids.continuations == tuple((tokenizer.encode(letter)[0],) for letter in LETTERS)
    assert [tokenizer.pieces[id] for (id,) in ids.continuations] != list(LETTERS)


def test_isolated_choices_that_begin_alike_are_refused(tokenizer: Tokenizer):
    with pytest.raises(UserError, match="begin with the same id"):
        fit_prompts([prompt(choices=("ab", "ab c", "A", "B"))], tokenizer, 200, "isolated")


def test_a_piece_across_the_boundary_belongs_to_the_choice(tokenizer: Tokenizer):
    merging = tokenizer.with_pieces([NewPiece(text="：A", left="：", right="A")])
    (ids,) = fit_prompts([prompt()], merging, 1000)
    assert ids is not None
    assert list(ids.context) == [merging.bos_id, *merging.encode(prompt_text(prompt(), 3)[:-1])]
    assert [[merging.pieces[id] for id in continuation] for continuation in ids.continuations] == [
        ["：A"], ["：", "B"], ["：", "C"], ["：", "D"],
    ]  # fmt: skip


def test_shots_are_dropped_from_the_end_until_the_prompt_fits(tokenizer: Tokenizer):
    lengths = [1 + len(tokenizer.encode(prompt_text(prompt(), num_shots))) for num_shots in range(4)]
    for num_shots, length in enumerate(lengths):
        (exact,) = fit_prompts([prompt()], tokenizer, length)
        (short,) = fit_prompts([prompt()], tokenizer, length - 1)
        assert exact is not None
        assert (exact.num_shots, len(exact.context)) == (num_shots, length)
        assert (None if short is None else short.num_shots) == (num_shots - 1 if num_shots else None)


def test_what_is_read_of_a_long_choice_must_fit_too(tokenizer: Tokenizer):
    long = prompt(choices=("A", "甲乙丙丁"))
    (ids,) = fit_prompts([long], tokenizer, 1000)
    assert ids is not None
    assert ids.longest == len(ids.context) + len(ids.continuations[1]) - 1 > len(ids.context)
    (fewer,) = fit_prompts([long], tokenizer, ids.longest - 1)
    assert fewer is not None
    assert fewer.num_shots == 2


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 2), max_size=6).map(tuple), min_size=1, max_size=5))
def test_the_common_prefix_is_the_longest_one(sequences: Sequence[tuple[int, ...]]):
    length = common_prefix(sequences)
    assert len({tuple(sequence[:length]) for sequence in sequences}) == 1
    assert min(map(len, sequences)) == length or len({sequence[length] for sequence in sequences}) > 1


parts = st.lists(st.text("ab c\n：答案Aé", max_size=9), min_size=3, max_size=3).map(tuple)


@settings(deadline=None)
@given(texts=st.lists(parts, min_size=1, max_size=6), merging=st.booleans())
def test_texts_that_begin_alike_have_the_ids_of_whole_texts(
    tokenizer: Tokenizer, texts: list[tuple[str, ...]], merging: bool
):
    if merging:
        tokenizer = tokenizer.with_pieces([NewPiece(text="：A", left="：", right="A")])
    texts = [*texts, *((texts[0][0], *others) for _, *others in texts)]
    assert Encoder(tokenizer).encode(texts) == tokenizer.encode_batch(["".join(some) for some in texts])


def test_what_texts_share_is_encoded_once(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch):
    encoded: list[str] = []
    inner = type(tokenizer).encode_spans

    def counting(self: Tokenizer, spans: Sequence[str]) -> list[list[int]]:
        encoded.extend(spans)
        return inner(self, spans)

    monkeypatch.setattr(type(tokenizer), "encode_spans", counting)
    header = "Which letter is it?\n" * 50
    asked = [ChoicePrompt(f"x/{n}", header, (), f"Which letter is {n}?\nAnswer:", LETTERS) for n in range(20)]
    fit_prompts(asked, tokenizer, 5000)
    assert len(header) // 2 < sum(map(len, encoded)) < len(header) + sum(len(prompt.question) + 40 for prompt in asked)
