"""`loanword chat MODEL`: a conversation in the terminal, shown as it is generated.

Ctrl-C ends a response, Ctrl-D the conversation. What a model says is shown without control characters: an escape
sequence in it could otherwise rewrite the screen.
"""

import argparse
import contextlib
import importlib
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from loanword.errors import UserError

if TYPE_CHECKING:
    from loanword.records import Message
    from loanword.tokenizer.interface import Tokenizer

NEW = "/new"
TEMPLATES = ("alpaca", "llama-2", "chatml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `chat`."""
    from loanword.cli.checkpoints import add_model_arguments

    add_model_arguments(parser)
    parser.add_argument("--system", metavar="TEXT", help="a message that stands before the conversation")
    parser.add_argument("--template", choices=TEMPLATES, help="a chat template of ours, where the model stores none")
    parser.add_argument("--max-new-tokens", type=int, default=512, metavar="N", help="longest response (default: 512)")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 gives the likeliest response (default: 0)")
    parser.add_argument("--top-p", type=float, default=1.0, help="draw from this share of the probability (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="equal seeds give equal responses (default: 0)")


def run(arguments: argparse.Namespace) -> int:
    """Talks until the input ends."""
    from loanword.cli.checkpoints import open_model

    _check(arguments)
    opened = open_model(arguments.model, arguments.device)
    template, ends = _template(opened.tokenizer, arguments)

    def respond(messages: "Sequence[Message]") -> Iterator[str]:
        from loanword.model.generate import stream
        from loanword.tokens.chat import encode_prompt

        prompt = encode_prompt(messages, opened.tokenizer, template)
        return stream(
            opened.model,
            opened.tokenizer,
            prompt,
            max_new_tokens=arguments.max_new_tokens,
            temperature=arguments.temperature,
            top_p=arguments.top_p,
            seed=arguments.seed,
            end_of_turn=ends,
        )

    converse(respond, arguments.system)
    return 0


def converse(respond: "Callable[[Sequence[Message]], Iterator[str]]", system: str | None = None) -> None:
    """Reads messages from stdin and shows the response to each, until the input ends or is interrupted."""
    from loanword.records import Message

    interactive = sys.stdin.isatty()
    if interactive:
        with contextlib.suppress(ImportError):
            importlib.import_module("readline")  # input() edits its line with it where it is there
        print(f"Ctrl-C ends a response, Ctrl-D the conversation; {NEW} begins a new one.", file=sys.stderr)
    opening = [Message(role="system", content=system)] if system else []
    messages = list(opening)
    for said in _messages("> " if interactive else ""):
        if said.strip() == NEW:
            messages = list(opening)
        elif said.strip():
            asked = [*messages, Message(role="user", content=said)]
            response = _show(respond, asked)
            # An empty response is not a turn that a template could show; what was asked is forgotten with it.
            messages = [*asked, Message(role="assistant", content=response)] if response else messages


def _messages(prompt: str) -> Iterator[str]:
    while True:
        try:
            said = input(prompt)
        except (EOFError, KeyboardInterrupt):
            if prompt:
                print()
            return
        yield said


def _show(respond: "Callable[[Sequence[Message]], Iterator[str]]", asked: "Sequence[Message]") -> str:
    """Prints a response in parts; what was said before Ctrl-C counts as the response."""
    parts: list[str] = []
    try:
        for part in respond(asked):
            parts.append(part)
            print(printable(part), end="", flush=True)
        print()
    except KeyboardInterrupt:
        print(" [stopped]")
    except UserError as error:
        print(f"{error}\n  or type {NEW}", file=sys.stderr)
    return "".join(parts)


def printable(text: str) -> str:
    """A text whose control and format characters are written out, but for line breaks, tabs and joiners."""
    return "".join(
        repr(character)[1:-1]
        if unicodedata.category(character) in ("Cc", "Cf") and character not in "\n\t\u200c\u200d"
        else character
        for character in text
    )


def _template(tokenizer: "Tokenizer", arguments: argparse.Namespace) -> tuple[str, int | None]:
    """The chat template, and the id that ends a turn where the model's generation settings do not know it."""
    from loanword.tokens.chat import end_of_turn
    from loanword.tokens.templates import chat_template

    if arguments.template:
        ours = chat_template(arguments.template, tokenizer)
        return ours, end_of_turn(tokenizer, ours)
    template = tokenizer.chat_template
    if template is None:
        raise UserError(
            arguments.model,
            "stores no chat template, so it was not tuned on conversations",
            expected="a tuned checkpoint",
            do=f"name one, or try --template {TEMPLATES[0]}",
        )
    return template, None


def _check(arguments: argparse.Namespace) -> None:
    limits = {
        "--max-new-tokens": (arguments.max_new_tokens, arguments.max_new_tokens >= 1, "1 or more"),
        "--temperature": (arguments.temperature, arguments.temperature >= 0, "0 or more"),
        "--top-p": (arguments.top_p, 0 < arguments.top_p <= 1, "above 0, at most 1"),
    }
    for flag, (value, fits, expected) in limits.items():
        if not fits:
            raise UserError(f"{flag} {value}", "makes no sense here", expected=expected, do=f"correct {flag}")
