"""How judges behind a server are asked, from the command line and the environment."""

import argparse
import math
import os
import sys
from collections.abc import Sequence
from typing import Any

from loanword.cli.machine import without_secrets
from loanword.errors import UserError
from loanword.evaluation.calls import Tokens
from loanword.recipe import BaseConfig, JudgeConfig
from loanword.records import JudgeAccess
from loanword.store import Job
from loanword.study.estimate import Estimator
from loanword.study.judging import JUDGEMENT_TOKENS

JUDGE_URL = "LOANWORD_JUDGE_URL"
_PRICES: dict[str, Any] = {
    "nargs": 2,
    "type": float,
    "default": (0.0, 0.0),
    "metavar": ("READ", "WRITTEN"),
    "help": "of a million tokens, in any one currency: the price of what is still to be asked is said first",
}


def add_judge_arguments(parser: argparse.ArgumentParser, *, named: bool = False) -> None:
    """Where judges are, and what they may cost; who they are is the study's to say, unless they are `named` here."""
    asked = parser.add_argument_group("judges behind a server")
    asked.add_argument(
        "--judge", metavar="URL", default=os.environ.get(JUDGE_URL) or None,
        help=f"an OpenAI-compatible address (default: {JUDGE_URL}; key: LOANWORD_JUDGE_KEY, LOANWORD_API_KEY)",
    )  # fmt: skip
    asked.add_argument("--judge-at-once", type=int, default=8, metavar="N", help="requests side by side (default: 8)")
    asked.add_argument(
        "--judge-per-minute", type=float, metavar="N", help="requests a minute at most (default: as many as it takes)"
    )
    asked.add_argument("--judge-prices", **_PRICES)
    asked.add_argument(
        "--judge-limit-cost", type=float, metavar="X", help="stop before judges have cost more in all, at those prices"
    )
    asked.add_argument("--judge-limit-tokens", type=int, metavar="N", help="stop before judges have taken more in all")
    if named:
        asked.add_argument("--judge-model", metavar="NAME", help="who judges open questions, beside rules")
        asked.add_argument(
            "--rubric", choices=("llm-eval-0-3", "llm-eval-1-3"), default="llm-eval-0-3", help="items and their scale"
        )
        asked.add_argument("--judge-repeats", type=int, default=1, metavar="N", help="times that each is judged")


def add_price_argument(parser: argparse.ArgumentParser) -> None:
    """What judges take for their tokens."""
    parser.add_argument("--judge-prices", **_PRICES)


def judge_prices(arguments: argparse.Namespace) -> tuple[float, float]:
    """The prices of a million tokens, read and written; 0 where none are given.

    Raises:
        UserError: what is no price.
    """
    read, written = arguments.judge_prices
    if not (0 <= read < math.inf and 0 <= written < math.inf):
        raise UserError(f"--judge-prices {read} {written}", "no prices", do="give those of a million tokens, from 0 up")
    return read, written


def judging_told(num_requests: int, num_more: int, prices: tuple[float, float]) -> str | None:
    """What judges behind a server are about to be asked, and the price where there is one; None for nothing.

    `num_more` requests depend on responses that are not there yet: those that switch languages.
    """
    if not num_requests + num_more:
        return None
    told = [f"about {_told(num_requests, prices)}"] if num_requests else []
    told += [f"up to {_told(num_more, prices)} about responses that turn out to switch languages"] if num_more else []
    return f"judges behind a server: {', and '.join(told)}; what was asked before is not asked again"


def tell_judging(estimator: Estimator, todo: Sequence[Job], access: JudgeAccess) -> None:
    """Says what judges behind a server are about to be asked, before anything is built."""
    taken = [estimator.of(job) for job in todo if job.stage == "judgements"]
    num_requests, num_more = sum(one.num_requests for one in taken), sum(one.num_more_requests for one in taken)
    if told := judging_told(num_requests, num_more, access.prices):
        print(told, file=sys.stderr)


def _told(num_requests: int, prices: tuple[float, float]) -> str:
    tokens = Tokens(*(num_requests * each for each in JUDGEMENT_TOKENS))
    price = f", {tokens.cost(*prices):,.2f} at the given prices" if any(prices) else ""
    return f"{num_requests:,} requests ({tokens.read:,} tokens read, {tokens.written:,} written{price})"


def require_address(flag: str, address: str | None) -> None:
    """Nothing, where an address of a server holds nothing that must not be written down, or there is none.

    Raises:
        UserError: it holds a name, a password or a query, or is no address.
    """
    shown = without_secrets(address or "")
    if address is None or (address.strip().lower() == shown.lower() and shown.startswith(("http://", "https://"))):
        return
    raise UserError(
        f"{flag} {shown}",
        "holds more than an address (a name, a password, a query), or is none",
        expected="http://host:port or https://host, with or without /v1",
        do="give the address alone; a key goes into LOANWORD_API_KEY, a judge's into LOANWORD_JUDGE_KEY",
    )


def judge_access(arguments: argparse.Namespace) -> JudgeAccess:
    """How judges are asked.

    Raises:
        UserError: an address with a secret in it; a number that makes no sense; a limit of cost without prices.
    """
    require_address("--judge", arguments.judge)
    for name in ("at_once", "per_minute", "limit_cost", "limit_tokens", "repeats"):
        value = getattr(arguments, f"judge_{name}", None)
        if value is not None and not 0 < value < math.inf:
            raise UserError(f"--judge-{name.replace('_', '-')} {value}", "not a positive number", do="give more than 0")
    read, written = judge_prices(arguments)
    if arguments.judge_limit_cost is not None and not read + written:
        raise UserError(
            f"--judge-limit-cost {arguments.judge_limit_cost}",
            "no prices to count it by",
            expected="--judge-prices READ WRITTEN",
            do="give them, or --judge-limit-tokens instead",
        )
    return JudgeAccess(
        server=arguments.judge,
        at_once=arguments.judge_at_once,
        requests_per_minute=arguments.judge_per_minute,
        read_price=read,
        write_price=written,
        limit_cost=arguments.judge_limit_cost,
        limit_tokens=arguments.judge_limit_tokens,
    )


def named_judges(arguments: argparse.Namespace) -> dict[str, JudgeConfig]:
    """The judges that a command line names: rules always, and a model behind the server of judges.

    Raises:
        UserError: a model without a name, or without a server.
    """
    judges = {"rules": JudgeConfig(rules=True)}
    name = arguments.judge_model
    if name is None:
        return judges
    if not name:
        raise UserError("--judge-model", "no name", expected="the one under which the server has it", do="give it")
    if arguments.judge is None:
        raise UserError(f"--judge-model {name}", "no server has it", expected="--judge URL", do="give its address")
    model = BaseConfig(served=name)
    return {**judges, "model": JudgeConfig(model=model, rubric=arguments.rubric, repeats=arguments.judge_repeats)}
