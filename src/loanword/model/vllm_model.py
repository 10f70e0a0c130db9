"""A checkpoint in vLLM, in this process, as a LanguageModel: the extra `vllm`, imported when it is asked for.

Prompts are encoded here and given as ids, so that prompts, dropped shots and the ids of choices are those of the
checkpoint loaded by transformers. Choices are read at one generated position, which leaves vLLM's prefix cache in use;
so each must be one token. Neither speed nor agreement with transformers has been measured.

Source: vllm-project/vllm 00388f6573cc, vllm/sampling_params.py (`logprob_token_ids`, `prompt_logprobs`).
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loanword.errors import UserError
from loanword.model.load import check_checkpoint, read_config
from loanword.model.prompts import Ids, PromptIds, fit_prompts, reserved_tokens
from loanword.model.responses import EncodePrompt, fit_open_prompts, response_room
from loanword.model.server_answers import MISSING_NATS, before_stop
from loanword.model.server_requests import NUM_LIKELY_TOKENS, prompt_seed
from loanword.protocols import ChoicePrompt, ChoiceScores, Generated, OpenPrompt, Progress, TextLikelihood, silent
from loanword.recipe import ChoiceIds
from loanword.records import Decoding
from loanword.tokenizer.interface import Tokenizer


class VllmModel:
    """A checkpoint that vLLM has loaded; `open_vllm_model` makes it."""

    def __init__(
        self,
        vllm: Any,
        engine: Any,
        tokenizer: Tokenizer,
        context_tokens: int,
        choice_ids: ChoiceIds = "in-context",
        encode_prompt: EncodePrompt | None = None,
    ) -> None:
        self._vllm = vllm
        self._engine = engine
        self._tokenizer = tokenizer
        self._context_tokens = context_tokens
        self._choice_ids: ChoiceIds = choice_ids
        self._encode_prompt = encode_prompt

    @property
    def described(self) -> dict[str, str]:
        """What is known of the engine, for provenance."""
        return {"server": f"vllm {getattr(self._vllm, '__version__', '')}".strip() + " in process"}

    def choose(self, prompts: Sequence[ChoicePrompt], progress: Progress = silent) -> list[ChoiceScores]:
        """Log-likelihoods of every prompt's choices, in order.

        A question that is longer than the context without any shot gets no log-likelihoods.

        Raises:
            UserError: a choice of several tokens.
        """
        # The token that is generated needs its place, too.
        fitted = fit_prompts(prompts, self._tokenizer, self._context_tokens - 1, self._choice_ids)
        asked = [(index, ids) for index, ids in enumerate(fitted) if ids is not None]
        for index, ids in asked:
            _require_one_token(prompts[index], ids)
        outputs = self._run([ids.context for _, ids in asked], [self._choice_sampling(ids) for _, ids in asked])
        scores = [ChoiceScores((), 0, ())] * len(prompts)
        for (index, ids), output in zip(asked, outputs, strict=True):
            told = output.logprobs[0]
            nats = tuple(told[id].logprob if id in told else MISSING_NATS for (id,) in ids.continuations)
            scores[index] = ChoiceScores(nats, ids.num_shots, ids.continuations)
        progress(len(prompts), len(prompts), "questions")
        return scores

    def choose_singly(self, prompts: Sequence[ChoicePrompt]) -> None:
        """None: what vLLM shares between prompts cannot be switched off for some."""
        return

    def likelihoods(
        self, texts: Sequence[str], *, window_tokens: int, stride_tokens: int, progress: Progress = silent
    ) -> list[TextLikelihood]:
        """Nothing.

        Raises:
            UserError: always.
        """
        raise UserError(
            "vllm",
            "likelihoods of texts are not asked of vLLM, which keeps no prefix for them",
            expected="a checkpoint loaded by transformers",
            do="leave vllm out for likelihoods",
        )

    def generate(
        self, prompts: Sequence[OpenPrompt], decoding: Decoding, progress: Progress = silent
    ) -> list[Generated]:
        """The response to each prompt, in order.

        Shots are dropped until the prompt leaves the room that is reserved for a response (see `reserved_tokens`);
        a question that leaves less by itself is too long.

        Raises:
            UserError: a prompt with `chat` for a model that stores no chat template.
        """
        most = self._context_tokens - reserved_tokens(self._context_tokens, decoding.max_new_tokens)
        fitted = fit_open_prompts(prompts, self._tokenizer, self._encode_prompt, most)
        asked = [(index, *fit) for index, fit in enumerate(fitted) if fit is not None]
        sampling = [self._sampling(prompts[index], decoding, ids) for index, ids, _ in asked]
        said = [Generated("", 0, 0, "too long")] * len(prompts)
        outputs = self._run([ids for _, ids, _ in asked], sampling)
        for (index, ids, num_shots), output in zip(asked, outputs, strict=True):
            text, stopped = before_stop(output.text, decoding.stop)
            ended = "stopped" if stopped or output.finish_reason == "stop" else "cut"
            num_tokens = len(output.token_ids)
            said[index] = Generated(text, num_shots, num_tokens, ended, num_prompt_tokens=len(ids))
        progress(len(prompts), len(prompts), "questions")
        return said

    def _choice_sampling(self, ids: PromptIds) -> Any:
        # The sampled token's log-probability comes along; an older vLLM knows only the likeliest.
        plain = {"max_tokens": 1, "temperature": 0.0}
        try:
            named = list(dict.fromkeys(id for (id,) in ids.continuations))
            return self._vllm.SamplingParams(**plain, logprob_token_ids=named)
        except TypeError:
            return self._vllm.SamplingParams(**plain, logprobs=NUM_LIKELY_TOKENS[0])

    def _sampling(self, prompt: OpenPrompt, decoding: Decoding, ids: Ids) -> Any:
        drawn = {"top_p": decoding.top_p, "seed": prompt_seed(decoding.seed, prompt.id)}
        return self._vllm.SamplingParams(
            max_tokens=response_room(prompt, self._tokenizer, self._context_tokens - len(ids), decoding),
            temperature=decoding.temperature,
            stop=list(decoding.stop),
            **(drawn if decoding.temperature > 0 else {}),
        )

    def _run(self, prompts: Sequence[Ids], sampling: Sequence[Any]) -> list[Any]:
        """The one output of each prompt; vLLM keeps their order."""
        if not prompts:
            return []
        asked = [{"prompt_token_ids": list(ids)} for ids in prompts]
        return [answer.outputs[0] for answer in self._engine.generate(asked, list(sampling), use_tqdm=False)]


def open_vllm_model(
    checkpoint: Path,
    tokenizer: Tokenizer,
    *,
    dtype: str = "auto",
    choice_ids: ChoiceIds = "in-context",
    encode_prompt: EncodePrompt | None = None,
) -> VllmModel:
    """A checkpoint in the Hub's layout, loaded by vLLM; `encode_prompt` gives the ids of a conversation.

    Raises:
        UserError: vLLM is not installed; not a checkpoint; pickles, which are never read.
    """
    check_checkpoint(checkpoint)
    context_tokens = read_config(checkpoint).get_text_config().max_position_embeddings
    vllm = _vllm()
    engine = vllm.LLM(
        model=str(checkpoint),
        dtype=dtype,
        max_model_len=context_tokens,
        enable_prefix_caching=True,
        load_format="safetensors",
        trust_remote_code=False,
    )
    return VllmModel(vllm, engine, tokenizer, context_tokens, choice_ids, encode_prompt)


def _vllm() -> Any:
    try:
        return importlib.import_module("vllm")
    except ImportError as error:
        raise UserError(
            "vllm",
            f"cannot be imported: {error}",
            expected="the extra vllm, on a machine that vLLM supports",
            do="pip install 'loanword[vllm]', or leave vllm out and load the checkpoint by transformers",
        ) from None


def _require_one_token(prompt: ChoicePrompt, ids: PromptIds) -> None:
    for choice, continuation in zip(prompt.choices, ids.continuations, strict=True):
        if len(continuation) != 1:
            raise UserError(
                f"vllm: {prompt.id}",
                f"the choice {choice!r} is {len(continuation)} tokens, and one generated position tells one",
                expected="choices of one token, as letters are",
                do="leave vllm out and load the checkpoint by transformers",
            )
