import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedModel

from loanword.errors import UserError
from loanword.model.generate import draw, stream
from loanword.model.load import new_model
from loanword.recipe import ArchitectureConfig
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.learn import learn

CONTEXT = 48
PROMPTS = ["Which", "Which letter is it, sooner or later?", "甲乙", "Answer: A. one B. two"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return learn(["Which letter is it, sooner or later?", "A. one B. two", "甲乙丙丁？é"] * 20, 330)


@pytest.fixture(scope="module")
def model(tokenizer: Tokenizer) -> PreTrainedModel:
    shape = ArchitectureConfig(
        width=32, num_layers=2, num_heads=4, num_key_value_heads=2, feed_forward_width=48, context_tokens=CONTEXT
    )
    llama = new_model(shape, tokenizer.num_pieces, 3, bos_id=tokenizer.bos_id, eos_id=tokenizer.eos_id)
    for parameter in llama.parameters():
        parameter.data.mul_(10) if parameter.dim() > 1 else None
    return llama


def encode(tokenizer: Tokenizer) -> list[list[int]]:
    return [[tokenizer.bos_id, *tokenizer.encode(text)] for text in PROMPTS]


@torch.no_grad()
def plain_greedy(model: PreTrainedModel, prompt: list[int], num_new: int, stop: set[int]) -> list[int]:
    """One full forward pass a token, no cache."""
    ids = list(prompt)
    while len(ids) < min(len(prompt) + num_new, CONTEXT):
        best = int(model(torch.tensor([ids])).logits[0, -1].argmax())
        if best in stop:
            break
        ids.append(best)
    return ids[len(prompt) :]


def test_a_stream_adds_up_to_the_response(model: PreTrainedModel, tokenizer: Tokenizer):
    for prompt in encode(tokenizer):
        parts = list(stream(model, tokenizer, prompt, max_new_tokens=12))
        assert "".join(parts) == tokenizer.decode(plain_greedy(model, prompt, 12, {tokenizer.eos_id}))
        assert all(parts)


def test_a_stream_ends_where_the_context_is_full(model: PreTrainedModel, tokenizer: Tokenizer):
    prompt = (encode(tokenizer)[1] * 9)[: CONTEXT - 3]
    response = "".join(stream(model, tokenizer, prompt, max_new_tokens=50))
    assert response == tokenizer.decode(plain_greedy(model, prompt, 50, {tokenizer.eos_id}))


def test_a_prompt_that_fills_the_context_is_refused(model: PreTrainedModel, tokenizer: Tokenizer):
    with pytest.raises(UserError, match=f"{CONTEXT} tokens leave no room"):
        list(stream(model, tokenizer, [tokenizer.bos_id] * CONTEXT, max_new_tokens=1))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.1, 3.0), st.floats(0.05, 1.0))
def test_equal_seeds_draw_equal_responses(
    model: PreTrainedModel, tokenizer: Tokenizer, seed: int, temperature: float, top_p: float
):
    def sample() -> list[str]:
        prompt = encode(tokenizer)[1]
        settings = {"temperature": temperature, "top_p": top_p, "seed": seed}
        return list(stream(model, tokenizer, prompt, max_new_tokens=8, **settings))

    assert sample() == sample()


def test_draws_keep_to_the_nucleus_and_to_their_probabilities():
    probabilities = torch.tensor([0.1, 0.5, 0.05, 0.35])
    generator = torch.Generator().manual_seed(0)
    drawn = [draw(probabilities.log(), 1.0, 0.6, generator) for _ in range(4000)]
    assert set(drawn) == {1, 3}
    assert drawn.count(1) / len(drawn) == pytest.approx(0.5 / 0.85, abs=0.03)
    assert {draw(probabilities.log(), 1.0, 0.01, generator) for _ in range(50)} == {1}
    assert draw(probabilities.log(), 0.0, 1.0, generator) == 1


def test_draws_from_all_ids_keep_to_their_probabilities():
    probabilities = torch.tensor([0.1, 0.5, 0.0, 0.4])
    generator = torch.Generator().manual_seed(0)
    drawn = [draw(probabilities.log(), 1.0, 1.0, generator) for _ in range(4000)]
    assert [drawn.count(id) / len(drawn) for id in range(4)] == pytest.approx(probabilities.tolist(), abs=0.03)
    sharpened = [draw(probabilities.log(), 0.5, 1.0, generator) for _ in range(4000)]
    assert sharpened.count(1) / len(drawn) == pytest.approx(0.25 / 0.42, abs=0.03)


@pytest.mark.parametrize("top_p", [0.5, 0.9, 0.999])
def test_a_nucleus_may_be_any_share_of_a_large_vocabulary(top_p: float):
    probabilities = torch.rand(2000, generator=torch.Generator().manual_seed(1)).softmax(-1)
    ordered, ids = probabilities.sort(descending=True, stable=True)
    nucleus = set(ids[ordered.cumsum(-1) - ordered < top_p].tolist())
    generator = torch.Generator().manual_seed(0)
    drawn = {draw(probabilities.log(), 1.0, top_p, generator) for _ in range(6000)}
    assert drawn <= nucleus
    assert len(drawn) > 0.7 * len(nucleus)
