"""Multiple choice by likelihoods: processor seconds of lm-evaluation-harness over ours, for the same prompts.

Random LLaMAs with LLaMA's 32,000 pieces, float32, one thread; the prompts are those of lm-eval's own tasks. Arms take
turns subject by subject, and lm-eval runs at the batch size that was faster on the first subject. A row's share of the
limit is the time of its distinct ids' multiply-adds (body, attention, and the head where something is read) at the
rate of this processor's matrix products, over our time; of the last layer we compute less than is counted.

In: benchmarks/ and tokenizers/llama-32k below the folder that LOANWORD_TEST_DATA names, or ../shared/data. A quick run
asks a small model invented questions.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from bench import _harness as harness
from bench import _questions as questions
from bench._harness import Arm, Scores
from loanword.model.load import new_model
from loanword.model.prefix_tree import prefix_tree
from loanword.model.prompts import PromptIds, fit_prompts, prompt_text
from loanword.model.score import LocalModel
from loanword.protocols import ChoicePrompt
from loanword.recipe import ArchitectureConfig
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.learn import learn
from loanword.tokenizer.load import load_tokenizer

GOAL = 10.0
MOST_NATS_APART = 1e-3
CONTEXT = 2048


def _shape(width: int, num_layers: int, num_heads: int, feed_forward_width: int) -> ArchitectureConfig:
    return ArchitectureConfig(
        width=width, num_layers=num_layers, num_heads=num_heads, num_key_value_heads=num_heads,
        feed_forward_width=feed_forward_width, context_tokens=CONTEXT, tied_embeddings=False,
    )  # fmt: skip


SHAPES = {"23M": _shape(256, 8, 4, 688), "134M": _shape(768, 12, 12, 2048)}
ASKED = {"23M": tuple(questions.SETS), "134M": tuple(questions.SETS)[:2]}
"""AGIEval's long options, each of which lm-eval reads the whole prompt for, would take the larger model an hour."""
QUICK = _shape(256, 3, 4, 512)


@dataclass
class Measured:
    """Processor seconds of an arm on each subject, and what it found."""

    seconds: list[float] = field(default_factory=list[float])
    scores: Scores = field(default_factory=Scores)

    def run(self, arm: Arm, prompts: Sequence[ChoicePrompt], times: int = 1) -> None:
        """Adds the median of some runs."""
        taken: list[float] = []
        for _ in range(times):
            started = time.process_time()
            scores = arm(prompts)
            taken.append(time.process_time() - started)
        self.seconds.append(statistics.median(taken))
        self.scores += scores


def run(quick: bool) -> dict[str, Any]:
    """A row for each model and set of questions; the ratio is that of MMLU on the smaller model."""
    torch.set_num_threads(1)
    if quick:
        rows = [_invented_row()]
    elif not (questions.data_folder() / "benchmarks").is_dir():
        return {"skipped": "no shared/data/benchmarks: LOANWORD_TEST_DATA names the folder"}
    else:
        rows = list(_published_rows())
    return {"name": "knowledge", "ratio": rows[0]["ratio"], "goal": GOAL, "rows": rows}


def _published_rows() -> Iterator[dict[str, Any]]:
    tokenizer = load_tokenizer(questions.data_folder() / "tokenizers" / "llama-32k")
    for size, shape in SHAPES.items():
        model = _model(shape, tokenizer)
        for name in ASKED[size]:
            config = questions.SETS[name]
            subjects = questions.published(config, tokenizer, CONTEXT)
            peers = harness.peers(model, tokenizer)
            yield {"model": size, "questions of": name, **_compare(model, tokenizer, peers, subjects)}


def _invented_row() -> dict[str, Any]:
    # Learned on more such questions, so that its pieces are words, and each letter has one of its own.
    tokenizer = learn((prompt_text(prompt, 0) for prompt in questions.invented(3000, seed=1)), 4096)
    model = _model(QUICK, tokenizer)
    peers = {"one forward pass a question": harness.plain_arm(model, tokenizer)}
    subjects = [questions.invented(40, seed=seed) for seed in (2, 3)]
    return {"model": "3M", "questions of": "nobody, 5-shot", **_compare(model, tokenizer, peers, subjects)}


def _model(shape: ArchitectureConfig, tokenizer: Tokenizer) -> PreTrainedModel:
    model = new_model(shape, tokenizer.num_pieces, 1, bos_id=tokenizer.bos_id, eos_id=tokenizer.eos_id)
    with torch.no_grad():
        for parameter in model.parameters():
            # Twice the usual spread: choices that lie apart, as those of a trained model do.
            parameter.mul_(2) if parameter.dim() > 1 else None
    return model


def _compare(
    model: PreTrainedModel, tokenizer: Tokenizer, peers: dict[str, Arm], subjects: Sequence[Sequence[ChoicePrompt]]
) -> dict[str, Any]:
    ours = LocalModel(model, tokenizer)

    def loanword(prompts: Sequence[ChoicePrompt]) -> Scores:
        return [score.log_likelihoods_nats for score in ours.choose(prompts)]

    loanword(subjects[0][:8])  # Buffers are made once.
    tried = {name: Measured() for name in peers}
    own, rates = Measured(), list[float]()
    for number, prompts in enumerate(subjects):
        rates.append(_product_rate(model))
        for name in peers if number == 0 else [_fastest(tried)]:
            tried[name].run(peers[name], prompts)
        own.run(loanword, prompts, times=3)
    best = _fastest(tried)
    _require_equal(tried[best].scores, own.scores)
    peer_seconds, own_seconds = sum(tried[best].seconds), sum(own.seconds)
    fitted = [[ids for ids in fit_prompts(prompts, tokenizer, CONTEXT) if ids] for prompts in subjects]
    flops = sum(_distinct_flops(model, ids) for ids in fitted)
    return {
        "asked": sum(map(len, subjects)),
        "peer": best,
        "peer_cpu_seconds": peer_seconds,
        "cpu_seconds": own_seconds,
        "ratio": peer_seconds / own_seconds,
        "largest_difference_nats": _largest_difference(tried[best].scores, own.scores),
        "teraflop": flops / 1e12,
        "products_gflops": statistics.median(rates) / 1e9,
        "share_of_limit": flops / statistics.median(rates) / own_seconds,
    }


def _require_equal(peer: Scores, own: Scores) -> None:
    apart = _largest_difference(peer, own)
    changed = sum(_best(a) != _best(b) for a, b in zip(peer, own, strict=True))
    if apart > MOST_NATS_APART or changed:
        raise AssertionError(f"{changed} predictions changed, likelihoods up to {apart} nats apart")


def _fastest(tried: dict[str, Measured]) -> str:
    ran = {name: measured.seconds[0] for name, measured in tried.items()}
    return min(ran, key=lambda name: ran[name])


def _largest_difference(ones: Scores, others: Scores) -> float:
    pairs = zip(ones, others, strict=True)
    return max(abs(a - b) for one, other in pairs for a, b in zip(one, other, strict=True))


def _best(nats: tuple[float, ...]) -> int:
    return max(range(len(nats)), key=lambda choice: nats[choice])


def _distinct_flops(model: PreTrainedModel, prompts: Sequence[PromptIds]) -> float:
    """Two for each multiply-add of the ids of some prompts, those of every common prefix counted once."""
    continued = [(prompt.context, ids) for prompt in prompts for ids in prompt.continuations]
    nodes = prefix_tree([(context + ids[:-1], []) for context, ids in continued], CONTEXT, least=1)
    config, layers = model.config, model.get_submodule("model.layers")
    body = sum(parameter.numel() for parameter in layers.parameters() if parameter.dim() == 2)
    num_ids = sum(len(node.ids) for node in nodes)
    attended = sum(position + 1 for node in nodes for position in range(node.start, node.stop))
    attention = 2 * config.num_hidden_layers * config.num_attention_heads * config.head_dim * attended
    read = {context + ids[:number] for context, ids in continued for number in range(len(ids))}
    head = len(read) * config.vocab_size * config.hidden_size
    return 2.0 * (body * num_ids + attention + head)


def _product_rate(model: PreTrainedModel) -> float:
    """FLOP a processor second of the products of a feed-forward layer, beside whatever else runs now."""
    weight = model.get_submodule("model.layers.0.mlp.gate_proj").get_parameter("weight")
    states = torch.randn(2048, weight.shape[1])
    taken: list[float] = []
    with torch.inference_mode():
        for _ in range(20):
            started = time.process_time()
            functional.linear(states, weight)
            taken.append(time.process_time() - started)
    return 2 * states.shape[0] * weight.numel() / statistics.median(taken)
