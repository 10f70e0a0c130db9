"""A study of small stages that take no time: what the tests of running, verifying and collecting build.

Words -> cuts of one trajectory -> a model a run -> answers to two sets -> marks. What stands in the data root's
`mishaps`, a line each of stage, amount and kind, goes wrong: whatever its artifact is named, so that it may be mended.
"""

import sys
from collections.abc import Callable, Mapping

from loanword.errors import UserError
from loanword.protocols import Stage, Work
from loanword.recipe import Recipe
from loanword.records import Record
from loanword.store import Job


class WorkConfig(Record):
    """How much is written, and of what."""

    amount: int = 0
    of: str = ""


def write(config: WorkConfig, work: Work) -> None:
    """Writes what it was made of, and its own config; says so on its standard error."""
    sys.stderr.write(f"writing {config.amount} of {config.of}\n")
    for line in work.source("mishaps").read_text().splitlines():
        kind, amount = line.split()
        if int(amount) == config.amount:
            _mishap(kind, config)
    made_of = {role: (folder / "made.txt").read_text() for role, folder in work.inputs.items() if role != "nearest"}
    (work.out / "part").mkdir(exist_ok=True)
    (work.out / "part" / "own.txt").write_text(f"{config.of} {config.amount}\n")
    (work.out / "made.txt").write_text("".join(made_of[role] for role in sorted(made_of)) + f"{config.of}\n" * 3)
    (work.out / "empty").touch()


def _mishap(kind: str, config: WorkConfig) -> None:
    if kind == f"refused:{config.of}":
        raise UserError(f"amount {config.amount}", "is refused", do="ask for less")
    if kind == f"bug:{config.of}":
        raise ZeroDivisionError(f"a bug at {config.amount}")


def wire(recipe: Recipe, job: Callable[..., Job]) -> Mapping[str, Job]:
    """By role: two runs of one budget share all but what they answer."""
    assert recipe.pretraining is not None
    amount = recipe.pretraining.budget.amount
    words = job("words", WorkConfig(of="words"))
    cut = job("cut", WorkConfig(amount=amount, of="cut"), words=words)
    model = job("model", WorkConfig(amount=amount, of="model"), seed=recipe.seed, cut=cut)
    jobs = {"words": words, "cut": cut, "model": model}
    for name in ("first", "second"):
        jobs[f"answers.{name}"] = job("answers", WorkConfig(amount=amount, of=name), model=model)
        jobs[f"marks.{name}"] = job("marks", WorkConfig(amount=amount, of=name), answers=jobs[f"answers.{name}"])
    return jobs


def _position(config: WorkConfig) -> tuple[int, WorkConfig]:
    return config.amount, WorkConfig(of=config.of)


STAGES = {
    "words": Stage(write),
    "cut": Stage(write, position=_position),
    "model": Stage(write),
    "answers": Stage(write, model_input="model"),
    "marks": Stage(write),
}
