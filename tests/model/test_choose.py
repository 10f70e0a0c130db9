from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from loanword.errors import UserError
from loanword.model.choose import choice_log_likelihoods, reads_rows, single_log_likelihoods
from loanword.model.precise_head import PreciseHead, with_precise_head
from loanword.model.prompts import PromptIds
from loanword.model.score import LocalModel
from loanword.model.shared_prefix import can_share_prefix
from loanword.protocols import ChoicePrompt
from loanword.tokenizer.learn import learn

NUM_PIECES = 90
CONTEXT = 128
SHAPE: dict[str, Any] = {
    "vocab_size": NUM_PIECES,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": None,
}
PLAIN: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "llama"},
    "llama with biases, two key heads": {
        "model_type": "llama", "num_key_value_heads": 2, "attention_bias": True, "mlp_bias": True, "head_dim": 16,
    },
    "llama, one layer, tied": {"model_type": "llama", "num_hidden_layers": 1, "tie_word_embeddings": True},
    "mistral with a window": {"model_type": "mistral", "num_key_value_heads": 2, "sliding_window": 100},
    "qwen2": {"model_type": "qwen2", "num_key_value_heads": 2},
    "qwen3": {"model_type": "qwen3", "num_key_value_heads": 1, "head_dim": 8},
}  # fmt: skip
MASKED: dict[str, dict[str, Any]] = {
    "gemma2": {
        "model_type": "gemma2", "num_key_value_heads": 2, "head_dim": 8, "sliding_window": 100,
        "query_pre_attn_scalar": 8, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0,
    },
    "gpt_neox": {"model_type": "gpt_neox"},
    "gpt2": {"model_type": "gpt2", "n_positions": CONTEXT},
}  # fmt: skip
ALONE: dict[str, dict[str, Any]] = {"bloom": {"model_type": "bloom"}}
KINDS = PLAIN | MASKED | ALONE


def new(kind: str, dtype: torch.dtype = torch.float32) -> Any:
    torch.manual_seed(1)
    config = AutoConfig.for_model(**(SHAPE | KINDS[kind]))
    attention = "eager" if kind in ("gemma2", "bloom") else "sdpa"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation=attention).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Wide enough that predictions depend visibly on what is attended to; norms and biases that act.
            parameter.mul_(8) if parameter.dim() > 1 else parameter.add_(0.3 * torch.randn(parameter.shape))
            assert name
    return model.to(dtype)


def asked(seed: int = 0) -> list[PromptIds]:
    """Two subjects, of which one has passages that several questions share; choices of one and of more ids."""
    draw = torch.Generator().manual_seed(seed)

    def ids(length: int) -> tuple[int, ...]:
        return tuple(torch.randint(3, NUM_PIECES, (length,), generator=draw).tolist())

    letters = tuple((letter,) for letter in (10, 11, 12, 13))
    options = ((20,), (20, 21, 22), (20, 21, 23, 24), (25,) * 20)
    header, passages = (1, *ids(30)), [(1, *ids(40)), (1, *ids(20))]
    prompts = [PromptIds(header + ids(length), letters, 5) for length in (3, 9, 17, 17, 30, 44)]
    prompts += [
        PromptIds(passage + stem + ids(length), options, 0)
        for passage in passages
        for stem in (ids(9), ids(2))
        for length in (1, 5, 12)
    ]
    # One that another continues, one that comes twice, one that is nothing but a beginning.
    last = prompts[5]
    prompts += [PromptIds((*last.context, 11, 40), letters, 5), replace(last, continuations=options), prompts[0]]
    prompts.append(PromptIds((1,), options, 0))
    return prompts


def flat(scores: Sequence[tuple[float, ...]]) -> list[float]:
    return [nats for prompt in scores for nats in prompt]


def read(model: Any, prompts: Sequence[PromptIds], row_tokens: int = 2048) -> list[tuple[float, ...]]:
    with torch.inference_mode():
        return choice_log_likelihoods(model, prompts, row_tokens, lambda _: None)


@pytest.mark.parametrize("row_tokens", [2048, 100, 13])
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_tree_of_prefixes_scores_as_prompts_that_are_read_whole(kind: str, row_tokens: int):
    model, prompts = new(kind), asked()
    with torch.inference_mode():
        alone = single_log_likelihoods(model, prompts)
    together = read(model, prompts, row_tokens)
    assert flat(together) == pytest.approx(flat(alone), abs=1e-4)
    assert torch.tensor(flat(alone)).std() > 0.3


def test_each_architecture_goes_the_way_that_computes_what_it_does():
    ways = {kind: (can_share_prefix(model), reads_rows(model)) for kind in KINDS for model in [new(kind)]}
    assert ways == (
        dict.fromkeys(PLAIN, (True, True)) | dict.fromkeys(MASKED, (False, True)) | dict.fromkeys(ALONE, (False, False))
    )


def test_a_layer_that_was_replaced_is_computed_by_itself():
    class Doubled(torch.nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(input)

    model, prompts = new("llama"), asked()
    before = read(model, prompts)
    down = model.model.layers[1].mlp.down_proj
    model.model.layers[1].mlp.down_proj = doubled = Doubled(*down.weight.T.shape, bias=False)
    doubled.weight = down.weight
    with torch.inference_mode():
        alone = single_log_likelihoods(model, prompts)
    assert flat(read(model, prompts)) == pytest.approx(flat(alone), abs=1e-4)
    assert flat(before) != pytest.approx(flat(alone), abs=1e-2)


@pytest.mark.parametrize("kind", ["llama", "gpt_neox"])
def test_no_id_of_a_prefix_is_read_twice(kind: str):
    model, prompts = new(kind), asked()
    ids = [prompt.context + continuation[:-1] for prompt in prompts for continuation in prompt.continuations]
    distinct = {one[:length] for one in ids for length in range(1, len(one) + 1)}
    counted: list[int] = []
    hook = model.get_input_embeddings().register_forward_pre_hook(lambda _, given: counted.append(given[0].numel()))
    read(model, prompts, row_tokens=100)
    hook.remove()
    # Beginnings of fewer ids than are worth a node may be read again.
    assert len(distinct) <= sum(counted) <= len(distinct) + 7 * len(prompts)
    assert max(counted) <= 100


@pytest.mark.parametrize("kind", ["llama", "mistral with a window", "gpt_neox"])
def test_prompts_in_another_order_give_the_same_bits(kind: str):
    model, prompts = new(kind), asked()
    assert read(model, prompts[::-1])[::-1] == read(model, prompts) == read(model, prompts)


def test_progress_is_told_row_by_row_to_the_end():
    told: list[float] = []
    with torch.inference_mode():
        choice_log_likelihoods(new("llama"), asked(), 60, told.append)
    assert len(told) > 5
    assert told == sorted(told)
    assert told[-1] == 1


def test_nothing_asked_is_nothing_read():
    assert read(new("llama"), []) == []


@pytest.mark.parametrize("kind", ["llama", "llama, one layer, tied", "gpt_neox"])
def test_a_body_in_bf16_has_a_head_in_float32(kind: str):
    exact, prompts = read(new(kind), asked()), asked()
    half: Any = with_precise_head(new(kind, torch.bfloat16))
    assert half.get_output_embeddings()(torch.ones(1, 32, dtype=torch.bfloat16)).dtype == torch.float32
    assert half.get_input_embeddings().weight.dtype == torch.bfloat16
    with torch.inference_mode():
        alone = single_log_likelihoods(half, prompts)
    assert flat(read(half, prompts)) == pytest.approx(flat(alone), abs=0.5)
    assert flat(alone) == pytest.approx(flat(exact), abs=0.5, rel=0.01)
    assert flat(alone) != flat(exact)


def test_a_tied_head_is_not_held_twice():
    model: Any = with_precise_head(new("llama, one layer, tied", torch.bfloat16))
    assert model.get_output_embeddings().weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()


def test_a_precise_head_multiplies_in_float32(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("loanword.model.precise_head.CAST_WEIGHTS", 64)
    linear = torch.nn.Linear(16, 37).to(torch.bfloat16)
    states = torch.randn(3, 16).to(torch.bfloat16)
    expected = states.double() @ linear.weight.double().T + linear.bias.double()
    for weight in (linear.weight.data, linear.weight.data.float()):
        logits = PreciseHead(weight, linear.bias.data)(states)
        assert torch.allclose(logits.double(), expected, atol=1e-5)


def test_a_head_that_is_no_linear_layer_stays_out_of_bf16():
    model = new("llama", torch.bfloat16)
    model.lm_head = torch.nn.Sequential(model.lm_head)
    with pytest.raises(UserError, match="Sequential"):
        with_precise_head(model)


def test_choosing_singly_gives_what_choosing_gives():
    lines = ["Which letter is it, sooner or later?", "A. one B. two C. three D. four", "Answer: A"]
    tokenizer = learn(lines * 20, 320)
    config = AutoConfig.for_model(**(SHAPE | {"model_type": "llama", "vocab_size": tokenizer.num_pieces}))
    model = LocalModel(AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval(), tokenizer)
    shots = tuple(f"Which letter is it? {number}\nAnswer: A\n\n" for number in range(3))
    prompts = [
        ChoicePrompt(f"x/{length}", "About letters.\n\n", shots, "one " * length + "\nAnswer:", (" A", " B", " later"))
        for length in (1, 4, 20, 300)
    ]
    together, alone = model.choose(prompts), model.choose_singly(prompts)
    for one, other in zip(together, alone, strict=True):
        assert (one.num_shots, one.choice_ids) == (other.num_shots, other.choice_ids)
        assert one.log_likelihoods_nats == pytest.approx(other.log_likelihoods_nats, abs=1e-5)
    assert [bool(score.log_likelihoods_nats) for score in alone] == [True, True, True, False]
