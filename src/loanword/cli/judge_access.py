"""How judges behind a server are asked, from the command line and the environment."""

import argparse
import os

from loanword.errors import UserError
from loanword.recipe import BaseConfig, JudgeConfig
from loanword.records import JudgeAccess

JUDGE_URL = "LOANWORD_JUDGE_URL"


def add_judge_arguments(parser: argparse.ArgumentParser, *, named: bool = False) -> None:
    """Where judges are, and what they may cost; who they are is the study's to say, unless they are `named` here."""
    asked = parser.add_argument_group("judges behind a server")
    asked.add_argument(
        "--judge", metavar="URL", default=os.environ.get(JUDGE_URL),
        help=f"an OpenAI-compatible address (default: {JUDGE_URL}; key: LOANWORD_JUDGE_KEY, LOANWORD_API_KEY)",
    )  # fmt: skip
    asked.add_argument("--judge-at-once", type=int, default=8, metavar="N", help="requests side by side (default: 8)")
    asked.add_argument(
        "--judge-per-minute", type=float, metavar="N", help="requests a minute at most (default: as many as it takes)"
    )
    asked.add_argument(
        "--judge-prices", nargs=2, type=float, default=(0.0, 0.0), metavar=("READ", "WRITTEN"),
        help="of a million tokens, in any one currency: the price of what is still to be asked is said first",
    )  # fmt: skip
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


def judge_access(arguments: argparse.Namespace) -> JudgeAccess:
    """How judges are asked.

    Raises:
        UserError: a number that makes no sense; a limit of cost without prices.
    """
    for name in ("at_once", "per_minute", "limit_cost", "limit_tokens", "repeats"):
        value = getattr(arguments, f"judge_{name}", None)
        if value is not None and not value > 0:
            raise UserError(f"--judge-{name.replace('_', '-')} {value}", "not a positive number", do="give more than 0")
    read, written = arguments.judge_prices
    if not (read >= 0 and written >= 0):
        raise UserError(f"--judge-prices {read} {written}", "a price below 0", do="give prices of a million tokens")
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
        UserError: a model without a server.
    """
    judges = {"rules": JudgeConfig(rules=True)}
    name = arguments.judge_model
    if name is None:
        return judges
    if arguments.judge is None:
        raise UserError(f"--judge-model {name}", "no server has it", expected="--judge URL", do="give its address")
    model = BaseConfig(served=name)
    return {**judges, "model": JudgeConfig(model=model, rubric=arguments.rubric, repeats=arguments.judge_repeats)}
