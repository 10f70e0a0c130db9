"""Whoever answers for an artifact: its checkpoint in this process, the same in vLLM, or a model that a server has.

In: the folder of an artifact, with a `checkpoint` in it or the name of a served model (served.json). Out: a
LanguageModel, or a SentenceEncoder. A checkpoint is loaded once for all that one process asks it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from loanword.errors import UserError
from loanword.model.score import LocalModel, open_language_model
from loanword.model.vectors import LocalEncoder
from loanword.protocols import JUDGE_KEYS, SERVED, LanguageModel
from loanword.recipe import ChoiceIds, Precision
from loanword.records import Execution, Message
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.load import load_tokenizer

CHECKPOINT = "checkpoint"
Talk = Callable[[Tokenizer], Callable[[Sequence[Message]], Sequence[int]] | None]
"""How conversations become ids under a tokenizer; None where it has no chat template."""


def open_asked(
    folder: Path, execution: Execution, talk: Talk, *, precision: Precision, choice_ids: ChoiceIds, key: str | None
) -> LanguageModel:
    """The model of an artifact, as `execution` says; `key` opens its server.

    Raises:
        UserError: a checkpoint that cannot be opened; no server, or one that does not have the model.
    """
    served = folder / SERVED
    if served.is_file():
        return _served(json.loads(served.read_bytes())["model"], execution.server, key, choice_ids)
    checkpoint = folder / CHECKPOINT
    if execution.engine == "vllm":
        return _in_vllm(checkpoint, talk, precision, choice_ids)
    return replace(
        _local(checkpoint, talk, execution.device, execution.micro_batch_tokens, precision), choice_ids=choice_ids
    )


def open_judge(folder: Path, execution: Execution, talk: Talk, *, key: str | None) -> LanguageModel:
    """The model of an artifact as a judge: behind the server of judges, or its checkpoint as `execution` says.

    Raises:
        UserError: a checkpoint that cannot be opened; no server, or one that does not have the model.
    """
    served, access = folder / SERVED, execution.judge
    if not served.is_file():
        return open_asked(folder, execution, talk, precision="float32", choice_ids="in-context", key=None)
    from loanword.model.server_opening import open_server_model
    from loanword.model.server_transport import Patience

    name = json.loads(served.read_bytes())["model"]
    if access.server is None:
        raise UserError(
            f"judges: the served model {name!r}",
            "no server of judges is named",
            expected="its address",
            do="give it with --judge, or in LOANWORD_JUDGE_URL",
        )
    patience = Patience(seconds=access.patience_seconds, answer_seconds=access.answer_seconds)
    return open_server_model(
        access.server, name, key=key, key_names=JUDGE_KEYS, at_once=access.at_once, patience=patience
    )


def open_encoder(folder: Path, execution: Execution) -> LocalEncoder:
    """The vectors of an artifact's checkpoint in float32, in this process whatever engine answers its benchmarks.

    Raises:
        UserError: a model that a server has; a checkpoint that cannot be opened.
    """
    served = folder / SERVED
    if served.is_file():
        raise UserError(
            f"base.served {json.loads(served.read_bytes())['model']!r}",
            "a server does not show a model's own vectors",
            expected="a checkpoint, whose layers can be compared",
            do="name a checkpoint as base.model, or take alignment.texts out",
        )
    opened = _loaded(folder / CHECKPOINT, execution.device, execution.micro_batch_tokens, "float32")
    return LocalEncoder(opened.model, opened.tokenizer, opened.micro_batch_tokens)


def _served(name: str, address: str | None, key: str | None, choice_ids: ChoiceIds) -> LanguageModel:
    from loanword.model.server_opening import open_server_model

    if address is None:
        raise UserError(
            f"base.served {name!r}", "no server is named", expected="its address", do="give it with --server"
        )
    return open_server_model(address, name, key=key, choice_ids=choice_ids)


@lru_cache(maxsize=1)
def _in_vllm(checkpoint: Path, talk: Talk, precision: Precision, choice_ids: ChoiceIds) -> LanguageModel:
    from loanword.model.vllm_model import open_vllm_model

    tokenizer = load_tokenizer(checkpoint)
    dtype = {"float32": "float32", "bf16": "bfloat16"}[precision]
    return open_vllm_model(checkpoint, tokenizer, dtype=dtype, choice_ids=choice_ids, encode_prompt=talk(tokenizer))


def _local(
    checkpoint: Path, talk: Talk, device: str, micro_batch_tokens: int | None, precision: Precision
) -> LocalModel:
    opened = _loaded(checkpoint, device, micro_batch_tokens, precision)
    return replace(opened, encode_prompt=talk(opened.tokenizer))


@lru_cache(maxsize=1)
def _loaded(checkpoint: Path, device: str, micro_batch_tokens: int | None, precision: Precision) -> LocalModel:
    on = Execution(device=device, micro_batch_tokens=micro_batch_tokens)
    return open_language_model(checkpoint, on, precision=precision)
