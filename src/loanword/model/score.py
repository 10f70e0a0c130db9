"""A checkpoint in this process as a LanguageModel.

Texts are documents: BOS, then the ids of the text; every id of the text is counted once, BOS and EOS never.
Results depend on what is asked and on the token budget of a forward pass, never on the order of asking.

Shapes: B rows, T ids of a row, V vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from loanword.errors import UserError
from loanword.model.choose import ROW_TOKENS, choice_log_likelihoods, prompt_limit, single_log_likelihoods
from loanword.model.load import check_tokenizer_fits, context_tokens, load_model
from loanword.model.precise_head import with_precise_head
from loanword.model.prompts import PromptIds, fit_prompts
from loanword.model.reading import reading
from loanword.model.responses import EncodePrompt, respond
from loanword.protocols import ChoicePrompt, ChoiceScores, Generated, OpenPrompt, Progress, TextLikelihood, silent
from loanword.recipe import ChoiceIds, Precision
from loanword.records import Decoding, Execution
from loanword.tokenizer.load import Tokenizer, load_tokenizer

AT_ONCE_TOKENS = {"cpu": 2_048}
"""Tokens of a forward pass, where an Execution does not say: 16,384 on other devices."""
CPU_LOGITS = 2**22
"""Logits of one forward pass on a CPU: 2**26 of them, far beyond its cache, took twice the time."""
DEVICE_LOGITS = 2**28
"""Logits of one forward pass elsewhere: 1 GB in float32. A single window may need more."""


@dataclass(frozen=True)
class LocalModel:
    """A loaded model and its tokenizer; `encode_prompt` gives the ids that a response is generated after.

    `micro_batch_tokens` bounds the ids of a forward pass, `choice_ids` says which ids stand for a choice.
    """

    model: PreTrainedModel
    tokenizer: Tokenizer
    micro_batch_tokens: int = 16_384
    choice_ids: ChoiceIds = "in-context"
    encode_prompt: EncodePrompt | None = None

    @property
    def described(self) -> dict[str, str]:
        """Nothing: the checkpoint says it all."""
        return {}

    @reading()
    def choose(self, prompts: Sequence[ChoicePrompt], progress: Progress = silent) -> list[ChoiceScores]:
        """Log-likelihoods of every prompt's choices, in order.

        A question that is longer than the context without any shot gets no log-likelihoods.
        """
        fitted = fit_prompts(prompts, self.tokenizer, prompt_limit(self.model), self.choice_ids)
        asked = [ids for ids in fitted if ids is not None]

        def advance(share: float, too_long: int = len(fitted) - len(asked)) -> None:
            progress(too_long + int(share * len(asked)), len(prompts), "questions")

        row_tokens = min(ROW_TOKENS, self.micro_batch_tokens)
        return _choice_scores(fitted, choice_log_likelihoods(self.model, asked, row_tokens, advance))

    @reading()
    def choose_singly(self, prompts: Sequence[ChoicePrompt]) -> list[ChoiceScores]:
        """What `choose` gives, every prompt read whole and by itself by transformers' own forward pass."""
        fitted = fit_prompts(prompts, self.tokenizer, prompt_limit(self.model), self.choice_ids)
        return _choice_scores(fitted, single_log_likelihoods(self.model, [ids for ids in fitted if ids is not None]))

    @reading()
    def likelihoods(
        self, texts: Sequence[str], *, window_tokens: int, stride_tokens: int, progress: Progress = silent
    ) -> list[TextLikelihood]:
        """Negative log-likelihood of each text, in order.

        A longer text is read in windows of `window_tokens` ids. The first counts all its predictions, each later
        one its last `stride_tokens`, which see at least `window_tokens - stride_tokens + 1` ids before them.

        Raises:
            UserError: windows longer than the model's context.
        """
        if window_tokens > (limit := context_tokens(self.model)):
            raise UserError(
                "likelihoods.window_tokens",
                f"{window_tokens} is longer than the model's context",
                expected=f"at most {limit}",
                do="set likelihoods.window_tokens; only figures from equal windows compare",
            )
        documents = [[self.tokenizer.bos_id, *ids] for ids in self.tokenizer.encode_batch(texts)]
        nats = [0.0] * len(texts)
        done, total = 0, sum(map(len, documents)) - len(documents)
        for batch in self._batches(documents, window_tokens, stride_tokens):
            for window, window_nats in zip(batch, self._window_nats(documents, batch), strict=True):
                nats[window.document] += window_nats
                done += window.num_counted
            progress(done, total, "tokens")
        return [
            TextLikelihood(document_nats, len(ids) - 1, len(text.encode()))
            for document_nats, ids, text in zip(nats, documents, texts, strict=True)
        ]

    @reading()
    def generate(
        self, prompts: Sequence[OpenPrompt], decoding: Decoding, progress: Progress = silent
    ) -> list[Generated]:
        """What the model says to each prompt, in order.

        Shots are dropped from the end until the context has room for `decoding.max_new_tokens` new tokens, or for a
        quarter of itself where that is less. A question that is longer without any shot gets no response.

        Raises:
            UserError: a prompt with `chat`, where the model was opened without `encode_prompt`.
        """
        return respond(
            self.model, self.tokenizer, self.encode_prompt, prompts, decoding, self.micro_batch_tokens, progress
        )

    def _batches(
        self, documents: Sequence[Sequence[int]], window_tokens: int, stride_tokens: int
    ) -> Iterator[list["Window"]]:
        """Windows of like length together, longest first: a batch that fails for memory fails at once."""
        num_logits = CPU_LOGITS if self.model.device.type == "cpu" else DEVICE_LOGITS
        budget = min(self.micro_batch_tokens, num_logits // self.model.config.get_text_config().vocab_size)
        windows = [
            Window(index, *window)
            for index, ids in enumerate(documents)
            for window in sliding_windows(len(ids) - 1, window_tokens, stride_tokens)
        ]
        windows.sort(key=lambda window: window.start - window.stop)
        first = 0
        while first < len(windows):
            num_rows = max(1, budget // (windows[first].stop - windows[first].start))
            yield windows[first : first + num_rows]
            first += num_rows

    def _window_nats(self, documents: Sequence[Sequence[int]], batch: Sequence["Window"]) -> list[float]:
        longest = batch[0].stop - batch[0].start
        ids_BT = torch.zeros(len(batch), longest, dtype=torch.long)
        next_ids_BT = torch.full_like(ids_BT, -100)
        for row, (document, start, stop, num_counted) in enumerate(batch):
            ids = torch.tensor(documents[document][start : stop + 1])
            ids_BT[row, : len(ids) - 1] = ids[:-1]
            next_ids_BT[row, len(ids) - 1 - num_counted : len(ids) - 1] = ids[-num_counted:]
        # Padding stands behind everything that is counted, so causal attention needs no mask.
        logits_BTV = self.model(ids_BT.to(self.model.device), use_cache=False).logits
        nats_BT = functional.cross_entropy(
            logits_BTV.float().flatten(0, 1), next_ids_BT.flatten().to(logits_BTV.device), reduction="none"
        ).view(ids_BT.shape)
        return nats_BT.double().sum(-1).tolist()


class Window(NamedTuple):
    """Ids [start, stop) of a document are read; of what they predict, the last `num_counted` are counted."""

    document: int
    start: int
    stop: int
    num_counted: int


def sliding_windows(num_ids: int, window_tokens: int, stride_tokens: int) -> Iterator[tuple[int, int, int]]:
    """(start, stop, num_counted) of windows over a BOS and `num_ids` ids; each id is counted in one window."""
    stop = min(window_tokens, num_ids)
    if stop:
        yield 0, stop, stop
    while stop < num_ids:
        counted = min(stride_tokens, num_ids - stop)
        stop += counted
        yield stop - window_tokens, stop, counted


def open_language_model(
    checkpoint: Path,
    execution: Execution,
    encode_prompt: EncodePrompt | None = None,
    *,
    precision: Precision = "float32",
) -> LocalModel:
    """The checkpoint in a folder, with its own tokenizer, on the device of `execution`.

    `precision` is that of the model's body: its output head is float32 in any case.

    Raises:
        UserError: no checkpoint, no tokenizer, or one that has more pieces than the model has embeddings.
    """
    tokenizer = load_tokenizer(checkpoint)
    if precision == "bf16":
        model = with_precise_head(load_model(checkpoint, device=execution.device, dtype=torch.bfloat16))
    else:
        model = load_model(checkpoint, device=execution.device)
    check_tokenizer_fits(model, tokenizer.num_pieces, checkpoint)
    return replace(local_model(model, tokenizer, execution), encode_prompt=encode_prompt)


def local_model(model: PreTrainedModel, tokenizer: Tokenizer, execution: Execution) -> LocalModel:
    """A model that is loaded already, on the device of `execution`."""
    at_once = execution.micro_batch_tokens or AT_ONCE_TOKENS.get(execution.device, 16_384)
    model.to(torch.device(execution.device))  # type: ignore[arg-type]
    return LocalModel(model, tokenizer, at_once)


def _choice_scores(fitted: Sequence[PromptIds | None], nats: Sequence[tuple[float, ...]]) -> list[ChoiceScores]:
    scored = iter(nats)
    return [
        ChoiceScores((), 0, ()) if ids is None else ChoiceScores(next(scored), ids.num_shots, ids.continuations)
        for ids in fitted
    ]
