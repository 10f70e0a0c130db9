from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM

from loanword.errors import UserError
from loanword.model.choose import prompt_limit
from loanword.model.load import save_model
from loanword.model.prompts import fit_prompts
from loanword.model.score import LocalModel, open_language_model, sliding_windows
from loanword.protocols import ChoicePrompt, OpenPrompt
from loanword.records import Decoding, Execution, Message
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.learn import learn

CONTEXT = 160
LINES = [
    "Which letter is it, sooner or later?",
    "A. one B. two C. three D. four",
    "Answer: A",
    "题目：甲乙丙丁？答案：A",
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return learn(LINES * 20, 330)


KINDS: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "llama", "num_key_value_heads": 4},
    "llama, one key head": {"model_type": "llama", "num_key_value_heads": 1},
    "mistral": {"model_type": "mistral", "num_key_value_heads": 2, "sliding_window": 120},
    "gpt_neox": {"model_type": "gpt_neox"},
}
"""Some whose rows share a prefix by attention of their own, and one that needs masks."""


@pytest.fixture(scope="module", params=list(KINDS))
def model(request: pytest.FixtureRequest, tokenizer: Tokenizer) -> LocalModel:
    torch.manual_seed(1)
    config = AutoConfig.for_model(
        **KINDS[request.param],
        vocab_size=tokenizer.num_pieces,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT,
        bos_token_id=tokenizer.bos_id,
        eos_token_id=tokenizer.eos_id,
        tie_word_embeddings=True,
    )
    made = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="sdpa").eval()
    for parameter in made.parameters():
        # Ten times the usual spread: predictions that depend visibly on what is attended to.
        parameter.data.mul_(10) if parameter.dim() > 1 else None
    return LocalModel(made, tokenizer, micro_batch_tokens=200)


def prompts(subject: str, lengths: range, choices: tuple[str, ...] = ("A", "B", "C", "D")) -> list[ChoicePrompt]:
    """Questions of many lengths, so that from none to all of the shots fit."""
    shots = tuple(f"Which letter is it? {number}\nAnswer: A\n\n" for number in range(4))
    return [
        ChoicePrompt(f"{subject}/{length}", f"About {subject}.\n\n", shots, "甲乙 one " * length + "\n答案：", choices)
        for length in lengths
    ]


@torch.no_grad()
def plain_choose(model: LocalModel, asked: list[ChoicePrompt]) -> list[tuple[float, ...]]:
    """One forward pass for every choice of every prompt, nothing shared."""
    scores: list[tuple[float, ...]] = []
    for ids in fit_prompts(asked, model.tokenizer, prompt_limit(model.model), model.choice_ids):
        nats: list[float] = []
        if ids is None:
            scores.append(())
            continue
        for continuation in ids.continuations:
            whole = torch.tensor([[*ids.context, *continuation]])
            log_probabilities = model.model(whole[:, :-1]).logits[0].double().log_softmax(-1)
            first = len(ids.context) - 1
            nats.append(sum(float(log_probabilities[first + n, id]) for n, id in enumerate(continuation)))
        scores.append(tuple(nats))
    return scores


@pytest.mark.parametrize(
    ("choice_ids", "choices"),
    [
        ("in-context", ("A", "B", "C", "D")),
        ("in-context", ("甲乙", "A", "three or four", "one")),
        ("isolated", ("A", "B", "C", "D")),
    ],
)
def test_shared_reading_equals_one_forward_pass_a_choice(model: LocalModel, choices: tuple[str, ...], choice_ids: str):
    model = replace(model, choice_ids=choice_ids)
    asked = prompts("letters", range(1, 28, 3), choices) + prompts("numbers", range(1, 6), choices)
    scores = model.choose(asked)
    assert len({score.num_shots for score in scores}) > 2
    for score, plain in zip(scores, plain_choose(model, asked), strict=True):
        assert score.log_likelihoods_nats == pytest.approx(plain, abs=1e-4)
        if plain:
            assert (
                max(zip(score.log_likelihoods_nats, choices, strict=True))[1]
                == max(zip(plain, choices, strict=True))[1]
            )


def test_neither_order_nor_company_of_prompts_changes_a_score(model: LocalModel):
    asked = prompts("letters", range(1, 24, 3)) + prompts("numbers", range(1, 5))
    together = {prompt.id: score for prompt, score in zip(asked, model.choose(asked), strict=True)}
    for prompt, score in zip(asked[::-1], model.choose(asked[::-1]), strict=True):
        assert score.log_likelihoods_nats == pytest.approx(together[prompt.id].log_likelihoods_nats, abs=1e-5)
    (alone,) = model.choose(asked[3:4])
    assert alone.log_likelihoods_nats == pytest.approx(together[asked[3].id].log_likelihoods_nats, abs=1e-5)


def test_the_shared_header_is_read_once(model: LocalModel):
    asked = prompts("letters", range(2, 5))
    read: list[int] = []
    hook = model.model.get_input_embeddings().register_forward_pre_hook(lambda _, ids: read.append(ids[0].numel()))
    scores = model.choose(asked)
    hook.remove()
    (num_shots,) = {score.num_shots for score in scores}
    lengths = [len(ids.context) for ids in fit_prompts(asked, model.tokenizer, prompt_limit(model.model)) if ids]
    header = 1 + len(model.tokenizer.encode(asked[0].header + "".join(asked[0].shots[:num_shots])))
    assert sum(read) <= sum(lengths) - 2 * (header - 2)


def test_prompts_stay_inside_a_sliding_window(model: LocalModel):
    limit = prompt_limit(model.model)
    assert limit == getattr(model.model.config, "sliding_window", CONTEXT)
    asked = prompts("letters", range(1, 24, 3))
    fitted = fit_prompts(asked, model.tokenizer, limit)
    assert [score.num_shots for score in model.choose(asked)] == [ids.num_shots if ids else 0 for ids in fitted]


def test_a_question_longer_than_the_context_has_no_likelihoods(model: LocalModel):
    seen: list[int] = []
    long, short = model.choose(
        prompts("letters", range(200, 201)) + prompts("letters", range(1, 2)), lambda done, *_: seen.append(done)
    )
    assert long.log_likelihoods_nats == () == long.choice_ids
    assert len(short.log_likelihoods_nats) == 4
    assert seen[-1] == 2


@torch.no_grad()
def plain_nats(model: LocalModel, text: str, window: int, stride: int) -> float:
    """One forward pass a predicted id, with just the ids that its window holds before it."""
    ids = [model.tokenizer.bos_id, *model.tokenizer.encode(text)]
    nats = 0.0
    for place in range(1, len(ids)):
        windows_before = max(0, -(-(place - window) // stride))
        end = min(window + windows_before * stride, len(ids) - 1)
        logits = model.model(torch.tensor([ids[max(0, end - window) : place]])).logits[0, -1]
        nats -= float(logits.double().log_softmax(-1)[ids[place]])
    return nats


@pytest.mark.parametrize(("window", "stride"), [(16, 16), (16, 5), (16, 1), (CONTEXT, 80)])
def test_likelihoods_equal_one_forward_pass_a_token(model: LocalModel, window: int, stride: int):
    texts = ["A. one B. two", "甲乙丙丁？" * 7, "", "Which letter is it, sooner or later? " * 4, "é"]
    measured = model.likelihoods(texts, window_tokens=window, stride_tokens=stride)
    for text, likelihood in zip(texts, measured, strict=True):
        assert likelihood.nats == pytest.approx(plain_nats(model, text, window, stride), abs=1e-4)
        assert likelihood.num_tokens == len(model.tokenizer.encode(text))
        assert likelihood.num_bytes == len(text.encode())


def test_the_company_of_texts_does_not_change_their_likelihood(model: LocalModel):
    texts = [line * times for line in LINES for times in (1, 2, 3)]
    seen: list[tuple[int, int, str]] = []
    together = model.likelihoods(texts, window_tokens=32, stride_tokens=16, progress=lambda *told: seen.append(told))
    alone = [model.likelihoods([text], window_tokens=32, stride_tokens=16)[0] for text in texts]
    assert [one.nats for one in together] == pytest.approx([one.nats for one in alone], abs=1e-4)
    total = sum(one.num_tokens for one in together)
    assert seen[-1] == (total, total, "tokens")


def test_asking_again_gives_the_same_bits(model: LocalModel):
    assert model.likelihoods(LINES, window_tokens=32, stride_tokens=8) == model.likelihoods(
        LINES, window_tokens=32, stride_tokens=8
    )
    assert model.choose(prompts("letters", range(1, 9))) == model.choose(prompts("letters", range(1, 9)))


def test_windows_longer_than_the_context_are_refused(model: LocalModel):
    with pytest.raises(UserError, match=f"{CONTEXT + 1} is longer than the model's context"):
        model.likelihoods(["x"], window_tokens=CONTEXT + 1, stride_tokens=1)


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(1, 20), st.data())
def test_windows_count_every_id_once_after_enough_context(num_ids: int, window: int, data: st.DataObject):
    stride = data.draw(st.integers(1, window))
    counted: list[int] = []
    for start, stop, num_counted in sliding_windows(num_ids, window, stride):
        assert 0 <= start < stop <= num_ids
        assert stop - start <= window
        targets = range(stop - num_counted + 1, stop + 1)
        assert start == 0 or targets[0] - start >= window - stride + 1
        counted += targets
    assert counted == list(range(1, num_ids + 1))


def test_a_checkpoint_folder_opens_with_its_own_tokenizer(model: LocalModel, tmp_path: Path):
    save_model(model.model, tmp_path)
    model.tokenizer.save(tmp_path)
    opened = open_language_model(tmp_path, Execution(micro_batch_tokens=200))
    assert opened.choose(prompts("letters", range(1, 4))) == model.choose(prompts("letters", range(1, 4)))


def test_a_tokenizer_with_more_pieces_than_embeddings_does_not_fit(model: LocalModel, tmp_path: Path):
    save_model(model.model, tmp_path)
    learn(LINES * 20 + ["a longer text with more words to learn from"] * 9, 340).save(tmp_path)
    with pytest.raises(UserError, match="340 pieces"):
        open_language_model(tmp_path, Execution())


def test_open_questions_are_answered_in_order(model: LocalModel):
    asked: list[str] = []

    def encode(messages: list[Message]) -> list[int]:
        asked.append(messages[-1].content)
        return [model.tokenizer.bos_id, *model.tokenizer.encode(messages[-1].content)]

    talking = replace(model, encode_prompt=encode)
    decoding = Decoding(max_new_tokens=5)
    plain = [OpenPrompt(f"q/{number}", "", (), line) for number, line in enumerate(LINES)]
    answers = talking.generate(plain, decoding)
    assert [talking.generate([prompt], decoding) for prompt in plain] == [[answer] for answer in answers]
    assert asked == []
    assert talking.generate([replace(prompt, chat=True) for prompt in plain], decoding) == answers
    assert asked == LINES
