import math
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loanword.errors import UserError
from loanword.model.load import new_model, save_model
from loanword.model.prompts import fit_prompts
from loanword.model.server_requests import prompt_seed
from loanword.model.vllm_model import VllmModel, open_vllm_model
from loanword.protocols import ChoicePrompt, ChoiceScores, OpenPrompt
from loanword.recipe import ArchitectureConfig
from loanword.records import Decoding, Message
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.learn import learn

CONTEXT = 64
LETTERS = ("A", "B", "C", "D")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return learn(["Which letter is it? Answer: A", "Answer: B. C. D", "甲乙丙丁？答案：A"] * 20, 330)


@pytest.fixture(scope="module")
def checkpoint(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    shape = ArchitectureConfig(
        width=16, num_layers=1, num_heads=2, num_key_value_heads=1, feed_forward_width=24, context_tokens=CONTEXT
    )
    folder = tmp_path_factory.mktemp("checkpoint")
    save_model(new_model(shape, tokenizer.num_pieces, 1, bos_id=tokenizer.bos_id, eos_id=tokenizer.eos_id), folder)
    return folder


class SamplingParams(SimpleNamespace):
    """As vLLM's: attributes by name."""


class OldSamplingParams(SimpleNamespace):
    def __init__(self, **settings: Any) -> None:
        if "logprob_token_ids" in settings:
            raise TypeError("Unexpected keyword argument 'logprob_token_ids'")
        super().__init__(**settings)


class LLM:
    """As vLLM's: nats that depend on the prompt's ids alone, and a text that tells what was asked."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.asked: list[tuple[list[int], Any]] = []

    def generate(self, prompts: Sequence[dict[str, list[int]]], sampling: Sequence[Any], *, use_tqdm: bool) -> Any:
        assert not use_tqdm
        self.asked += [(prompt["prompt_token_ids"], how) for prompt, how in zip(prompts, sampling, strict=True)]
        return [
            SimpleNamespace(outputs=[self.output(prompt["prompt_token_ids"], how)])
            for prompt, how in zip(prompts, sampling, strict=True)
        ]

    def output(self, ids: list[int], how: Any) -> SimpleNamespace:
        assert len(ids) + how.max_tokens <= self.settings["max_model_len"]
        told = nats(ids)
        named = getattr(how, "logprob_token_ids", None) or sorted(told, key=lambda id: -told[id])[:20]
        logprobs = [{id: SimpleNamespace(logprob=told[id]) for id in named}]
        return SimpleNamespace(logprobs=logprobs, text="It is B.\nNext", token_ids=[1, 2, 3], finish_reason="length")


def nats(ids: Sequence[int]) -> dict[int, float]:
    draw = random.Random(repr(list(ids)))
    scores = [draw.gauss(0, 1) for _ in range(330)]
    total = math.log(sum(map(math.exp, scores)))
    return {id: score - total for id, score in enumerate(scores)}


def opened(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path, tokenizer: Tokenizer, params: type = SamplingParams
) -> tuple[VllmModel, LLM]:
    engines: list[LLM] = []

    def load(**settings: Any) -> LLM:
        engines.append(LLM(**settings))
        return engines[-1]

    vllm = SimpleNamespace(LLM=load, SamplingParams=params, __version__="9.9")
    monkeypatch.setitem(sys.modules, "vllm", vllm)

    def encode_prompt(messages: Sequence[Message]) -> list[int]:
        return tokenizer.encode("".join(f"{turn.role}:{turn.content}" for turn in messages))

    return open_vllm_model(checkpoint, tokenizer, encode_prompt=encode_prompt), engines[0]


def prompt(number: int, num_shots: int = 1, choices: tuple[str, ...] = LETTERS) -> ChoicePrompt:
    return ChoicePrompt(f"x/{number}", "", ("Answer: A\n",) * num_shots, "？" * number + "答案：", choices)


def test_choices_are_read_at_the_ids_that_a_local_checkpoint_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path, tokenizer: Tokenizer
):
    model, engine = opened(monkeypatch, checkpoint, tokenizer)
    prompts = [prompt(number, num_shots=3) for number in (1, 2, 50, 90)]
    scores = model.choose(prompts)
    for ids, scored in zip(fit_prompts(prompts, tokenizer, CONTEXT - 1), scores, strict=True):
        if ids is None:
            assert scored == ChoiceScores((), 0, ())
            continue
        assert scored.choice_ids == ids.continuations
        assert scored.num_shots == ids.num_shots
        assert scored.log_likelihoods_nats == tuple(nats(ids.context)[id] for (id,) in ids.continuations)
    assert scores[0].num_shots > scores[2].num_shots
    assert scores[3].log_likelihoods_nats == ()
    assert engine.settings["enable_prefix_caching"]
    assert not engine.settings["trust_remote_code"]
    assert all(not hasattr(how, "prompt_logprobs") and how.max_tokens == 1 for _, how in engine.asked)


def test_an_older_vllm_gives_the_likeliest_tokens_alone(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path, tokenizer: Tokenizer
):
    model, _ = opened(monkeypatch, checkpoint, tokenizer, OldSamplingParams)
    (scored,) = model.choose([prompt(1)])
    (ids,) = fit_prompts([prompt(1)], tokenizer, CONTEXT - 1)
    assert ids is not None
    told = nats(ids.context)
    likely = sorted(told, key=lambda id: -told[id])[:20]
    assert scored.log_likelihoods_nats == tuple(told[id] if id in likely else -100.0 for (id,) in ids.continuations)


def test_choices_of_several_tokens_are_refused(monkeypatch: pytest.MonkeyPatch, checkpoint: Path, tokenizer: Tokenizer):
    model, _ = opened(monkeypatch, checkpoint, tokenizer)
    with pytest.raises(UserError, match=r"vllm: x/1 - the choice '甲丁甲丁' is \d tokens"):
        model.choose([prompt(1, choices=("甲丁甲丁", "A"))])


def test_responses_end_before_a_stop_string_and_keep_to_the_room_there_is(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path, tokenizer: Tokenizer
):
    model, engine = opened(monkeypatch, checkpoint, tokenizer)
    decoding = Decoding(max_new_tokens=32, stop=("\n",), temperature=0.5, top_p=0.9, seed=3)
    prompts = [
        OpenPrompt("x/0", "", ("？" * 30,) * 3, "？", system="甲"),
        OpenPrompt("x/1", "", (), "？" * 44),
        OpenPrompt("x/2", "", (), "？" * 90),
        OpenPrompt("x/3", "", (), "？", system="甲", chat=True),
    ]
    said = model.generate(prompts, decoding)
    assert [(one.text, one.num_shots, one.ended) for one in said] == [
        ("It is B.", 1, "stopped"),
        ("It is B.", 0, "stopped"),
        ("", 0, "too long"),
        ("It is B.", 0, "stopped"),
    ]
    plain, narrow, chat = engine.asked
    assert plain[0] == [tokenizer.bos_id, *tokenizer.encode("甲" + "？" * 31)]
    assert [how.max_tokens for _, how in engine.asked] == [min(32, CONTEXT - len(ids)) for ids, _ in engine.asked]
    assert 16 <= narrow[1].max_tokens < 32
    assert chat[0] == tokenizer.encode("system:甲user:？")
    assert [how.seed for _, how in engine.asked] == [prompt_seed(3, f"x/{number}") for number in (0, 1, 3)]


def test_what_is_asked_later_finds_its_part_of_the_context(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path, tokenizer: Tokenizer
):
    model, engine = opened(monkeypatch, checkpoint, tokenizer)
    asked = OpenPrompt("x/0", "", (), "？\n", history=(("甲\n", "乙"),), later=("？？\n",))
    (said,) = model.generate([asked], Decoding(max_new_tokens=CONTEXT))
    ((ids, how),) = engine.asked
    assert ids == [tokenizer.bos_id, *tokenizer.encode("甲\n乙\n\n？\n")]
    assert said.num_prompt_tokens == len(ids)
    assert how.max_tokens == (CONTEXT - len(ids) - len(tokenizer.encode("？？\n"))) // 2


def test_a_response_that_goes_on_is_cut(monkeypatch: pytest.MonkeyPatch, checkpoint: Path, tokenizer: Tokenizer):
    model, engine = opened(monkeypatch, checkpoint, tokenizer)
    (said,) = model.generate([OpenPrompt("x/0", "", (), "？")], Decoding(max_new_tokens=8))
    assert (said.text, said.ended, said.num_tokens) == ("It is B.\nNext", "cut", 3)
    assert not hasattr(engine.asked[0][1], "seed")


def test_nothing_asked_is_nothing_answered(monkeypatch: pytest.MonkeyPatch, checkpoint: Path, tokenizer: Tokenizer):
    model, _ = opened(monkeypatch, checkpoint, tokenizer)
    assert model.choose([]) == []
    assert model.choose_singly([prompt(1)]) is None
    assert model.described == {"server": "vllm 9.9 in process"}
    with pytest.raises(UserError, match="vllm"):
        model.likelihoods(["text"], window_tokens=8, stride_tokens=4)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, checkpoint: Path, tokenizer: Tokenizer):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(UserError, match=r"pip install 'loanword\[vllm\]'"):
        open_vllm_model(checkpoint, tokenizer)
