"""The model that translates, as a command line names it: a checkpoint here, or one of a server's."""

import argparse
import os
import sys
from pathlib import Path

from loanword.cli.checkpoints import check_device, checkpoint_folder, open_model
from loanword.errors import UserError
from loanword.evaluation.translation_estimate import Estimate
from loanword.evaluation.translation_requests import Calls
from loanword.protocols import LanguageModel

LOCAL_REQUESTS = 32
"""Prompts that a checkpoint reads side by side: what an interruption loses at most."""


def add_translator_arguments(parser: argparse.ArgumentParser) -> None:
    """Who translates, how it is asked, and what it may cost."""
    asked = parser.add_argument_group("who translates")
    asked.add_argument("--model", required=True, help="a checkpoint folder or a Hub id, or a name that --server knows")
    asked.add_argument("--server", metavar="URL", help="an OpenAI-compatible address (key: LOANWORD_API_KEY)")
    asked.add_argument("--device", default="cpu", help="of a checkpoint: cpu, cuda or mps (default: cpu)")
    asked.add_argument("--plain", action="store_true", help="ask by plain text, where a model has no chat template")
    asked.add_argument("--no-context", action="store_true", help="translate options without showing their question")
    asked.add_argument("--max-new-tokens", type=int, default=2048, metavar="N", help="longest answer (default: 2048)")
    asked.add_argument(
        "--piece-characters", type=int, default=2000, metavar="N",
        help="cut longer texts where a paragraph, a line or a sentence ends (default: 2000)",
    )  # fmt: skip
    asked.add_argument("--at-once", type=int, default=16, metavar="N", help="requests side by side (default: 16)")
    asked.add_argument("--journal", type=Path, metavar="FILE", help="what was answered so far (default: beside --out)")
    cost = parser.add_argument_group("what a server may cost")
    cost.add_argument("--yes", action="store_true", help="begin without asking whether it may cost so much")
    cost.add_argument("--limit-tokens", type=int, metavar="N", help="stop before about so many tokens are spent in all")
    cost.add_argument(
        "--price", type=float, nargs=2, metavar=("READ", "WRITTEN"), help="prices of a million tokens, for an estimate"
    )


def identity(arguments: argparse.Namespace) -> str:
    """Who answers: a served model by its name, a checkpoint by the content of its files.

    Raises:
        UserError: there is no such checkpoint.
    """
    if arguments.server:
        return f"served:{arguments.model}"
    from loanword.store import Sources

    return Sources(Path()).digest(str(checkpoint_folder(arguments.model).resolve()))


def consent(arguments: argparse.Namespace, expected: Estimate) -> None:
    """Nothing, where what a server is asked for may cost what is expected.

    Raises:
        UserError: nobody has said so.
    """
    if not arguments.server or arguments.yes or arguments.limit_tokens is not None:
        return
    if sys.stdin.isatty():
        print("go on? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
        raise UserError(arguments.server, "nothing was asked", do="give --yes, or a limit with --limit-tokens")
    tokens = expected.read_tokens + expected.written_tokens
    raise UserError(
        arguments.server,
        f"{expected.num_requests:,} requests, about {tokens:,} tokens, may cost something",
        expected="--yes, or a limit in tokens",
        do="give --yes, or --limit-tokens N",
    )


def open_translator(arguments: argparse.Namespace) -> tuple[LanguageModel, Calls]:
    """The model, and how it is called: a server by one request a call, so that each is kept as soon as it is answered.

    Raises:
        UserError: no such model; a checkpoint without a chat template where it is to chat.
    """
    if arguments.server:
        from loanword.model.server_opening import open_server_model
        from loanword.protocols import SERVER_KEYS

        key = next((os.environ[name] for name in SERVER_KEYS if os.environ.get(name)), None)
        return open_server_model(arguments.server, arguments.model, key=key, at_once=1), Calls(arguments.at_once, 1)
    from dataclasses import replace

    from loanword.tokens.chat import prompt_encoder

    check_device(arguments.device)
    opened = open_model(arguments.model, arguments.device)
    encode = prompt_encoder(opened.tokenizer)
    if encode is None and not arguments.plain:
        raise UserError(
            arguments.model,
            "stores no chat template, so it was not tuned on conversations",
            expected="a tuned checkpoint",
            do="name one, or ask by plain text with --plain",
        )
    return replace(opened, encode_prompt=encode), Calls(1, LOCAL_REQUESTS)
