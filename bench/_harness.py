"""Those that loanword's likelihoods are compared with: lm-evaluation-harness, and one plain forward pass a question."""

import importlib.util
import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from transformers import AutoTokenizer, PreTrainedModel

from loanword.model.prompts import prompt_text
from loanword.protocols import ChoicePrompt
from loanword.tokenizer.interface import Tokenizer

Scores = list[tuple[float, ...]]
Arm = Callable[[Sequence[ChoicePrompt]], Scores]

BATCH_SIZES = (1, 8)


def peers(model: PreTrainedModel, tokenizer: Tokenizer) -> dict[str, Arm]:
    """What a user would run instead, by name; lm-eval at each batch size, where it is installed."""
    if importlib.util.find_spec("lm_eval") is None:
        return {"one forward pass a question (lm-eval is not installed)": plain_arm(model, tokenizer)}
    return {f"lm-eval, batch {size}": _harness_arm(model, tokenizer, size) for size in BATCH_SIZES}


def plain_arm(model: PreTrainedModel, tokenizer: Tokenizer) -> Arm:
    """Logits of all positions of every prompt, log-softmax over all of them, read at the last."""

    @torch.inference_mode()
    def score(prompts: Sequence[ChoicePrompt]) -> Scores:
        scores: Scores = []
        for prompt in prompts:
            text = prompt_text(prompt, len(prompt.shots))
            ids, *whole = tokenizer.encode_batch([text, *(text + choice for choice in prompt.choices)])
            log_probabilities = model(torch.tensor([[tokenizer.bos_id, *ids]])).logits.log_softmax(-1)
            scores.append(tuple(float(log_probabilities[0, -1, one[-1]]) for one in whole))
        return scores

    return score


def _harness_arm(model: PreTrainedModel, tokenizer: Tokenizer, batch_size: int) -> Arm:
    # Imported late: it is an extra, and takes seconds.
    from lm_eval.api.instance import Instance  # pyright: ignore[reportMissingImports]
    from lm_eval.models.huggingface import HFLM  # pyright: ignore[reportMissingImports]

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(Path(folder))
        theirs = AutoTokenizer.from_pretrained(folder)
    harness = HFLM(pretrained=model, tokenizer=theirs, batch_size=batch_size, add_bos_token=True, device="cpu")

    def score(prompts: Sequence[ChoicePrompt]) -> Scores:
        texts = [prompt_text(prompt, len(prompt.shots)) for prompt in prompts]
        asked = [
            Instance("loglikelihood", {}, (text, choice), number)
            for text, prompt in zip(texts, prompts, strict=True)
            for number, choice in enumerate(prompt.choices)
        ]
        answered = iter(harness.loglikelihood(asked, disable_tqdm=True))
        return [tuple(next(answered)[0] for _ in prompt.choices) for prompt in prompts]

    return score
