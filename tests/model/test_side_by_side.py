import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from loanword.model import side_by_side
from loanword.model.reply import Reply, StopStrings
from loanword.model.side_by_side import GROUP_PROMPTS, SHARED_TOKENS, groups, grow
from loanword.records import Decoding
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.learn import learn
from tests.model.families import CONTEXT_TOKENS, FAMILIES, NUM_PIECES, small_model

EOS = 2
GREEDY = Decoding(max_new_tokens=20)
Prompt = tuple[int, ...]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return learn(["Which letter is it, sooner or later?"] * 20, 300)


def gpt_neox() -> PreTrainedModel:
    config = AutoConfig.for_model(
        "gpt_neox",
        vocab_size=NUM_PIECES,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT_TOKENS,
        bos_token_id=1,
        eos_token_id=EOS,
    )
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    for parameter in model.parameters():
        parameter.data.mul_(10) if parameter.dim() > 1 else None
    return model


@pytest.fixture(scope="module", params=[*FAMILIES, "gpt_neox"])
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return gpt_neox() if request.param == "gpt_neox" else small_model(request.param)


def prompts() -> list[Prompt]:
    """Two headers, passages that only some share, questions of many lengths, one prompt twice, and a BOS alone."""
    draw = random.Random(5)

    def ids(length: int) -> Prompt:
        return tuple(draw.randrange(3, NUM_PIECES) for _ in range(length))

    headers, passage = [ids(20), ids(17)], ids(18)
    made = [(1, *headers[n % 2], *(passage if n % 3 == 0 else ()), *ids(1 + n % 7)) for n in range(23)]
    return [*made, made[0], (1,), (1, *ids(CONTEXT_TOKENS - 2))]


def replies(asked: Sequence[Prompt], tokenizer: Tokenizer, room: int = 20) -> list[Reply]:
    return [
        Reply(prompt, min(room, CONTEXT_TOKENS - len(prompt)), frozenset([EOS]), StopStrings(tokenizer, ()))
        for prompt in asked
    ]


@torch.inference_mode()
def said(
    model: PreTrainedModel, asked: Sequence[Prompt], tokenizer: Tokenizer, micro_batch_tokens: int = 500
) -> list[list[int]]:
    growing = replies(asked, tokenizer)
    ended: list[int] = []
    grow(model, growing, GREEDY, micro_batch_tokens, ended.append)
    assert sum(ended) == len(growing)
    assert all(reply.ended for reply in growing)
    return [reply.said for reply in growing]


def alone(model: Any, prompt: Prompt) -> list[int]:
    """What transformers generates after one prompt."""
    ids = torch.tensor([prompt])
    room = min(20, CONTEXT_TOKENS - len(prompt))
    whole = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=room, eos_token_id=EOS, pad_token_id=0
    )
    return [id for id in whole[0, len(prompt) :].tolist() if id != EOS]


LIMITS: dict[str, tuple[int, dict[str, Any]]] = {
    "all at once": (500, {}),
    "few rows, read one by one": (1, {"LIVE_ROWS": {"cpu": 5}, "CACHE_BYTES": 1}),
    "groups that share a prefix": (90, {"LIVE_ROWS": {"cpu": 9}, "GROUP_PROMPTS": 4, "SHARED_TOKENS": 4}),
}


@pytest.mark.parametrize("limits", LIMITS)
def test_prompts_side_by_side_say_what_each_says_alone(
    model: PreTrainedModel, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch, limits: str
):
    micro_batch_tokens, constants = LIMITS[limits]
    for name, value in constants.items():
        monkeypatch.setattr(side_by_side, name, value)
    asked = prompts()
    expected = [alone(model, prompt) for prompt in asked]
    assert len({len(ids) for ids in expected}) > 1
    assert said(model, asked, tokenizer, micro_batch_tokens) == expected
    assert said(model, asked[::-1], tokenizer, micro_batch_tokens) == expected[::-1]


def test_what_prompts_begin_with_is_read_once(model: PreTrainedModel, tokenizer: Tokenizer):
    asked = [prompt for prompt in prompts() if len(prompt) > 20 and prompt[1] == prompts()[0][1]]
    read: list[int] = []
    hook = model.get_input_embeddings().register_forward_pre_hook(lambda _, ids: read.append(ids[0].numel()))
    num_said = sum(len(ids) + 1 for ids in said(model, asked, tokenizer))
    hook.remove()
    # The header of 20 once, the passage of 18 twice at most, questions of 7 at most padded to the longest.
    assert sum(read) <= 21 + 2 * 18 + 7 * len(asked) + num_said
    assert model.config._attn_implementation != "loanword_cached_rows"


def test_no_position_lies_outside_of_the_context(model: PreTrainedModel, tokenizer: Tokenizer):
    seen: list[int] = []

    def look(_: object, args: object, named: dict[str, torch.Tensor]) -> None:
        if named.get("position_ids") is not None:
            seen.append(int(named["position_ids"].max()))

    hook = model.base_model.register_forward_pre_hook(look, with_kwargs=True)
    said(model, prompts(), tokenizer)
    hook.remove()
    assert max(seen) == CONTEXT_TOKENS - 2  # the last id that is said is not read


def test_a_model_whose_past_is_more_than_keys_and_values_reads_one_prompt_at_a_time(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
):
    llama = small_model("llama")
    monkeypatch.setattr(side_by_side, "can_cache_rows", lambda model: False)
    assert said(llama, prompts(), tokenizer) == [alone(llama, prompt) for prompt in prompts()]


def test_prompts_that_begin_alike_are_a_group(tokenizer: Tokenizer):
    long = tuple(range(3, 4 + 3 * SHARED_TOKENS))
    many = [(1, *long, 90, n + 3) for n in range(GROUP_PROMPTS)]
    few = [(1, 91, n + 3) for n in range(3)]
    (one, one_shares), (other, other_shares) = groups(replies([*few, *many], tokenizer))
    assert {reply.prompt for reply in one} == set(many)
    assert (one_shares, other_shares) == (2 + len(long), 2)
    assert {reply.prompt for reply in other} == set(few)
    assert groups([]) == []
    ((_, shares),) = groups(replies([long, long], tokenizer))
    assert shares == len(long) - 1
