from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from loanword.errors import UserError
from loanword.model.load import new_model
from loanword.model.responses import fit_open_prompts
from loanword.model.score import LocalModel
from loanword.protocols import Generated, OpenPrompt
from loanword.recipe import ArchitectureConfig
from loanword.records import Decoding, Message
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.learn import learn

CONTEXT = 160
QUARTER = CONTEXT // 4
LINES = ["Which letter is it, sooner or later?", "A. one B. two\n\nQuestion: ", "甲乙丙丁？答案：A\n\n"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return learn(LINES * 20, 330)


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> LocalModel:
    shape = ArchitectureConfig(
        width=32, num_layers=2, num_heads=4, num_key_value_heads=2, feed_forward_width=48, context_tokens=CONTEXT
    )
    llama = new_model(shape, tokenizer.num_pieces, 3, bos_id=tokenizer.bos_id, eos_id=tokenizer.eos_id)
    for parameter in llama.parameters():
        parameter.data.mul_(10) if parameter.dim() > 1 else None

    def encode(messages: Sequence[Message]) -> list[int]:
        text = "".join(f"{message.role}: {message.content}\n" for message in messages)
        return [tokenizer.bos_id, *tokenizer.encode(text + "assistant:")]

    return LocalModel(llama, tokenizer, micro_batch_tokens=200, encode_prompt=encode)


def questions(lengths: Sequence[int], *, chat: bool = False, system: str = "") -> list[OpenPrompt]:
    """Of many lengths, so that from none to all of the shots fit."""
    shots = tuple(f"Which letter is it? {number}\nAnswer: A\n\n" for number in range(4))
    return [
        OpenPrompt(f"q/{length}", "Say which.\n\n", shots, "甲乙 one " * length + "\n答案：", system, chat)
        for length in lengths
    ]


def ids_of(model: LocalModel, prompt: OpenPrompt, num_shots: int) -> Sequence[int]:
    text = prompt.header + "".join(prompt.shots[:num_shots]) + prompt.question
    if not prompt.chat:
        return [model.tokenizer.bos_id, *model.tokenizer.encode(prompt.system + text)]
    assert model.encode_prompt is not None
    system = [Message(role="system", content=prompt.system)] if prompt.system else []
    return model.encode_prompt([*system, Message(role="user", content=text)])


@torch.no_grad()
def alone(model: LocalModel, ids: Sequence[int], decoding: Decoding) -> Generated:
    """Greedy, one full forward pass a token, the whole text decoded every time."""
    said: list[int] = []
    while len(said) < decoding.max_new_tokens and len(ids) + len(said) < CONTEXT:
        id = int(model.model(torch.tensor([[*ids, *said]])).logits[0, -1].argmax())
        text = model.tokenizer.decode([*said, id])
        if id == model.tokenizer.eos_id:
            return Generated(model.tokenizer.decode(said), 0, len(said), "stopped")
        said.append(id)
        if places := [text.index(stop) for stop in decoding.stop if stop in text]:
            return Generated(text[: min(places)], 0, len(said), "stopped")
    return Generated(model.tokenizer.decode(said), 0, len(said), "cut")


def stop_strings(model: LocalModel, asked: Sequence[OpenPrompt]) -> tuple[str, ...]:
    """Some parts of what is said without any."""
    texts = [said.text for said in model.generate(asked, Decoding(max_new_tokens=20))]
    return tuple({text[9:12] for text in texts[:3] if len(text) > 12})


@pytest.mark.parametrize("chat", [False, True])
def test_a_batch_says_what_each_prompt_gives_alone(model: LocalModel, chat: bool):
    asked = questions(range(1, 24, 2), chat=chat, system="甲乙\n")
    stops = stop_strings(model, asked)
    assert stops
    for decoding in (Decoding(max_new_tokens=20), Decoding(max_new_tokens=20, stop=stops)):
        said = model.generate(asked, decoding)
        for prompt, one in zip(asked, said, strict=True):
            ids = ids_of(model, prompt, one.num_shots)
            expected = alone(model, ids, decoding)
            assert one == replace(expected, num_shots=one.num_shots, num_prompt_tokens=len(ids))
    assert "stopped" in {one.ended for one in said}
    assert not any(stop in one.text for one in said for stop in stops)


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("max_new_tokens", [1, 20, 1000])
def test_shots_are_dropped_from_the_end_until_there_is_room_for_the_response(
    model: LocalModel, max_new_tokens: int, chat: bool
):
    asked = questions(range(1, 60, 2), chat=chat)
    most = CONTEXT - min(max_new_tokens, QUARTER)
    num_shots: list[int | None] = []
    for prompt in asked:
        fits = [shots for shots in range(5) if len(ids_of(model, prompt, shots)) <= most]
        num_shots.append(max(fits, default=None))
    assert {None, 0, 1, 2, 3, 4} == set(num_shots)
    said = model.generate(asked, Decoding(max_new_tokens=max_new_tokens))
    assert [None if one.ended == "too long" else one.num_shots for one in said] == num_shots


def test_a_prompt_is_system_header_shots_and_question_after_bos(model: LocalModel):
    (prompt,) = questions([1], system="甲乙\n\n")
    text = "甲乙\n\nSay which.\n\n" + "".join(prompt.shots) + prompt.question
    ids = (model.tokenizer.bos_id, *model.tokenizer.encode(text))
    assert fit_open_prompts([prompt], model.tokenizer, None, CONTEXT) == [(ids, 4)]


def test_a_conversation_has_the_rest_as_the_message_of_its_user(model: LocalModel):
    heard: list[list[tuple[str, str]]] = []

    def encode(messages: Sequence[Message]) -> list[int]:
        heard.append([(message.role, message.content) for message in messages])
        return [1, 5, 6]

    talking = replace(model, encode_prompt=encode)
    asked = questions([1], chat=True, system="Be brief.") + questions([1], chat=True)
    talking.generate(asked, Decoding(max_new_tokens=1))
    user = ("user", asked[0].header + "".join(asked[0].shots) + asked[0].question)
    assert heard == [[("system", "Be brief."), user], [user]]


EXCHANGES = (("Which?\n", "One."), ("And then?\n", "Two."))


def test_exchanges_before_are_messages_of_their_own(model: LocalModel):
    heard: list[list[tuple[str, str]]] = []

    def encode(messages: Sequence[Message]) -> list[int]:
        heard.append([(message.role, message.content) for message in messages])
        return [1, 5, 6]

    prompt = OpenPrompt("q", "Say which. ", (), "At last?", "Be brief.", chat=True, history=EXCHANGES)
    replace(model, encode_prompt=encode).generate([prompt], Decoding(max_new_tokens=1))
    assert heard == [
        [
            ("system", "Be brief."),
            ("user", "Which?\n"), ("assistant", "One."),
            ("user", "And then?\n"), ("assistant", "Two."),
            ("user", "Say which. At last?"),
        ]
    ]  # fmt: skip


def test_exchanges_before_stand_in_plain_text_with_a_blank_line_behind_each(model: LocalModel):
    prompt = OpenPrompt("q", "Say which. ", (), "At last?\n", "Be brief. ", history=EXCHANGES)
    text = "Be brief. Which?\nOne.\n\nAnd then?\nTwo.\n\nSay which. At last?\n"
    ids = (model.tokenizer.bos_id, *model.tokenizer.encode(text))
    assert fit_open_prompts([prompt], model.tokenizer, None, CONTEXT) == [(ids, 0)]


@pytest.mark.parametrize("num_later", [1, 3])
def test_what_is_asked_later_finds_its_part_of_the_context(model: LocalModel, num_later: int):
    (prompt,) = questions([20])
    later = ("甲乙 one\n",) * num_later
    (whole,) = model.generate([replace(prompt, shots=())], Decoding(max_new_tokens=CONTEXT))
    (shared,) = model.generate([replace(prompt, shots=(), later=later)], Decoding(max_new_tokens=CONTEXT))
    asked_later = num_later * len(model.tokenizer.encode(later[0]))
    left = CONTEXT - whole.num_prompt_tokens - asked_later
    assert whole.ended == shared.ended == "cut"
    assert shared.num_tokens == left // (1 + num_later) < whole.num_tokens
    assert whole.text.startswith(shared.text)


def test_a_question_longer_than_the_context_gets_no_response(model: LocalModel):
    told: list[tuple[int, int, str]] = []
    asked = questions([1, 200, 2])
    first, long, last = model.generate(asked, Decoding(max_new_tokens=3), lambda *now: told.append(now))
    assert long == Generated("", 0, 0, "too long")
    assert first.num_tokens == last.num_tokens == 3
    assert told[-1] == (3, 3, "questions")
    assert model.generate(asked[1:2], Decoding(max_new_tokens=3)) == [long]
    assert model.generate([], Decoding(max_new_tokens=3)) == []


def test_a_response_ends_where_the_context_is_full(model: LocalModel):
    asked = questions(range(30, 60))
    said = model.generate(asked, Decoding(max_new_tokens=1000))
    full = [
        len(ids_of(model, prompt, one.num_shots)) + one.num_tokens == CONTEXT
        for prompt, one in zip(asked, said, strict=True)
        if one.ended == "cut"
    ]
    assert full
    assert all(full)


def test_kept_tokens_of_the_context_stay_free_behind_a_response(model: LocalModel):
    asked = questions([20])
    plain = Decoding(max_new_tokens=CONTEXT)
    (whole,) = model.generate(asked, plain)
    (shorter,) = model.generate(asked, plain.model_copy(update={"kept_tokens": 10}))
    assert whole.ended == shorter.ended == "cut"
    assert shorter.num_tokens == whole.num_tokens - 10


def test_a_conversation_without_a_template_is_refused(model: LocalModel):
    with pytest.raises(UserError, match="'q/1' - is asked as a conversation, but the model stores no chat template"):
        replace(model, encode_prompt=None).generate(questions([1], chat=True), Decoding(max_new_tokens=1))


def test_draws_do_not_depend_on_company_or_order(model: LocalModel):
    asked = questions(range(1, 20))
    decoding = Decoding(max_new_tokens=12, temperature=0.9, top_p=0.9, seed=3)
    together = model.generate(asked, decoding)
    assert together == model.generate(asked, decoding)
    assert together == model.generate(asked[::-1], decoding)[::-1]
    assert [model.generate([prompt], decoding)[0] for prompt in asked] == together
    assert together != model.generate(asked, decoding.model_copy(update={"seed": 4}))
    assert together != model.generate(asked, Decoding(max_new_tokens=12))


def test_equal_prompts_of_other_names_are_drawn_apart(model: LocalModel):
    (prompt,) = questions([1])
    twins = [replace(prompt, id=f"twin {number}") for number in range(8)]
    said = model.generate(twins, Decoding(max_new_tokens=8, temperature=2.0))
    assert len({one.text for one in said}) > 4


def test_eos_of_the_generation_settings_ends_a_response_too(model: LocalModel):
    asked = questions(range(1, 9))
    free = model.generate(asked, Decoding(max_new_tokens=12))
    ids = ids_of(model, asked[0], free[0].num_shots)
    with torch.no_grad():
        first = int(model.model(torch.tensor([ids])).logits[0, -1].argmax())
    settings = model.model.generation_config
    assert settings is not None
    before, settings.eos_token_id = settings.eos_token_id, [model.tokenizer.eos_id, first]
    try:
        said = model.generate(asked, Decoding(max_new_tokens=12))
    finally:
        settings.eos_token_id = before
    assert said[0] == Generated("", free[0].num_shots, 0, "stopped", num_prompt_tokens=len(ids))
