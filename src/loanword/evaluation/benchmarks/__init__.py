"""The benchmarks that a study file can name, one file each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from loanword.errors import UserError
from loanword.evaluation.benchmark import Asking, Benchmark, Openness
from loanword.evaluation.benchmarks.agieval import AGIEVAL
from loanword.evaluation.benchmarks.belle import BELLE
from loanword.evaluation.benchmarks.ceval import CEVAL
from loanword.evaluation.benchmarks.closed_book import NQ_OPEN, TRIVIAQA
from loanword.evaluation.benchmarks.described import described
from loanword.evaluation.benchmarks.gaokao import GAOKAO
from loanword.evaluation.benchmarks.llmeval import LLMEVAL
from loanword.evaluation.benchmarks.mmlu import MMLU
from loanword.evaluation.benchmarks.mt_bench import MT_BENCH
from loanword.evaluation.statements import PROTOCOLS, require_askable
from loanword.recipe import BenchmarkConfig
from loanword.records import Grade

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (CEVAL, MMLU, AGIEVAL, GAOKAO, TRIVIAQA, NQ_OPEN, LLMEVAL, BELLE, MT_BENCH)
}


@dataclass(frozen=True)
class Usual:
    """Where a benchmark lies below a data root, and the split that is asked, where nothing else is said."""

    folder: str
    split: Literal["val", "test", "dev"]


USUAL: dict[str, Usual] = {
    "ceval": Usual("benchmarks/ceval", "val"),
    "mmlu": Usual("benchmarks/mmlu/data", "test"),
    "agieval": Usual("benchmarks/agieval", "test"),
    "gaokao": Usual("benchmarks/gaokao-bench", "test"),
    "triviaqa": Usual("benchmarks/triviaqa", "dev"),
    "nq_open": Usual("benchmarks/nq_open", "dev"),
    "llmeval": Usual("benchmarks/llmeval", "test"),
    "belle": Usual("benchmarks/belle_eval.json", "test"),
    "mt_bench": Usual("benchmarks/mt-bench", "test"),
}
"""As docs/data.md describes it."""


def benchmark_of(config: BenchmarkConfig) -> Benchmark:
    """The benchmark that a config asks.

    Raises:
        UserError: there is none of that name.
    """
    if config.description is not None:
        return described(config)
    if config.name not in BENCHMARKS:
        raise UserError(
            f"benchmarks.{config.name}",
            "no such benchmark",
            expected=f"one of {', '.join(BENCHMARKS)}, or a description of your own",
            do="mend the name, or describe it (docs/extending.md)",
        )
    return BENCHMARKS[config.name]


def openness(config: BenchmarkConfig) -> Openness:
    """Whether all questions that a config asks are open, some of them, or none: open ones are for a judge.

    Raises:
        UserError: there is no benchmark of that name.
    """
    return benchmark_of(config).openness(config)


def settled(config: BenchmarkConfig) -> BenchmarkConfig:
    """A config with all that its protocol decides filled in, and what does not act at its default.

    Raises:
        UserError: a benchmark, a protocol or a way of answering that there is not; settings that contradict each other.
    """
    benchmark = benchmark_of(config)
    ways = benchmark.protocols.get(config.protocol)
    where = f"benchmarks.{config.name}"
    if ways is None:
        raise UserError(
            f"{where}.protocol",
            f"{benchmark.title} has no protocol {config.protocol!r}",
            expected=f"one of {', '.join(benchmark.protocols)}",
            do="name one of them",
        )
    answering = config.answering or next(iter(ways))
    if answering not in ways:
        raise UserError(
            f"{where}.answering",
            f"the {config.protocol} protocol of {benchmark.title} is not answered by {answering}",
            expected=f"one of {', '.join(ways)}",
            do="name one of them, or another protocol",
        )
    if config.protocol in PROTOCOLS:
        require_askable(config, where)
    if config.num_shots and benchmark.openness(config) == "all":
        raise UserError(
            f"{where}.num_shots",
            f"open questions have no solved examples to show, num_shots is {config.num_shots}",
            expected="num_shots 0",
            do="leave num_shots out",
        )
    num_shots = ways[answering].num_shots if config.num_shots is None else config.num_shots
    changes: dict[str, object] = {"answering": answering, "num_shots": num_shots}
    if not benchmark.has_splits:
        changes["split"] = "test"
    if answering == "likelihood":
        if config.chat:
            raise UserError(
                f"{where}.chat",
                "likelihoods are asked for after plain text",
                expected="answering generation or chain-of-thought with chat",
                do="set answering, or leave chat out",
            )
        changes["decoding"] = BenchmarkConfig.model_fields["decoding"].default
    else:
        changes["choice_ids"] = BenchmarkConfig.model_fields["choice_ids"].default
    return config.model_copy(update=changes)


def asking_of(config: BenchmarkConfig) -> Asking:
    """How a settled config asks its benchmark."""
    assert config.answering is not None, "a config is settled before it is asked"
    return benchmark_of(config).protocols[config.protocol][config.answering]


def asked_config(facts: Mapping[str, Any]) -> BenchmarkConfig:
    """The config that responses were asked with, from their facts; where its files lay is not in it."""
    description = facts["config"].get("description")
    folder = None if description and description["hub"] else "-"
    return BenchmarkConfig.from_json(json.dumps({**facts["config"], "folder": folder}), where="benchmark.json")


def submissions(name: str, graded: Sequence[Grade]) -> dict[str, dict[str, str]] | None:
    """What was given where labels are withheld, in the form in which a benchmark's authors score it; None for none."""
    if name != CEVAL.name or not graded:
        return None
    from loanword.evaluation.benchmarks.ceval import submission

    return submission({one.id: one.given for one in graded})
