"""`loanword evaluate MODEL`: benchmarks and held-out text for one checkpoint, without a study.

The numbers are those that a study's report would show: the same prompts, grades and intervals.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loanword.errors import UserError

if TYPE_CHECKING:
    from loanword.evaluation.benchmark import SubjectQuestions
    from loanword.model.score import LocalModel
    from loanword.protocols import LanguageModel
    from loanword.recipe import BenchmarkConfig
    from loanword.records import Document, Grade
    from loanword.report.gather import Likelihoods, RunRecords
    from loanword.report.statistics import Estimate

    Asked = Mapping[str, tuple[BenchmarkConfig, Sequence[SubjectQuestions]]]

FOLDERS = {"ceval": ("benchmarks/ceval", "val"), "mmlu": ("benchmarks/mmlu/data", "test")}
"""Where a benchmark lies below the data root, and the split that is asked (docs/data.md)."""
USUAL_WINDOW_TOKENS = 2048


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `evaluate`."""
    from loanword.cli.checkpoints import add_model_arguments

    add_model_arguments(parser)
    parser.add_argument(
        "--data", type=Path, default=Path(), metavar="DIR", help="data root of the benchmarks (default: .)"
    )
    parser.add_argument("--benchmarks", nargs="+", default=[], choices=sorted(FOLDERS), help="which to ask")
    parser.add_argument("--subjects", nargs="+", default=[], metavar="NAME", help="only these of their subjects")
    parser.add_argument("--shots", type=int, default=5, metavar="N", help="solved examples in a prompt (default: 5)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N questions of a subject")
    parser.add_argument(
        "--texts", nargs="+", default=[], metavar="LANG=FILE", help="held-out text, one document a line"
    )
    parser.add_argument(
        "--window", type=int, metavar="TOKENS", help="window of long documents (default: 2048 or the context)"
    )
    parser.add_argument(
        "--stride", type=int, metavar="TOKENS", help="tokens by which it moves (default: half a window)"
    )
    parser.add_argument("--json", action="store_true", help="for machines")


def run(arguments: argparse.Namespace) -> int:
    """Asks first what can be wrong with the data, then loads the model, then prints what it reached."""
    from loanword.cli.tokenizer import named_files
    from loanword.evaluation.likelihood import read_held_out

    texts = {language: read_held_out(file) for language, file in named_files(arguments.texts, "--texts").items()}
    asked = _asked(arguments)
    if not texts and not asked:
        raise UserError(
            "loanword evaluate",
            "nothing to ask",
            expected="--benchmarks or --texts",
            do=f"for example --benchmarks {min(FOLDERS)}",
        )
    from loanword.cli.checkpoints import open_model

    model = open_model(arguments.model, arguments.device)
    grades = {name: _grades(model, name, questions) for name, (_, questions) in asked.items()}
    likelihoods = {
        language: _likelihoods(model, documents, language, arguments) for language, documents in texts.items()
    }
    records = _records(arguments.model, grades, likelihoods, asked)
    measured = {"model": arguments.model, "benchmarks": _knowledge(records), "texts": _languages(records)}
    if arguments.json:
        print(json.dumps(measured, ensure_ascii=False, indent=2))
    else:
        _print(measured)
    return 0


def _asked(arguments: argparse.Namespace) -> "Asked":
    """Questions of each benchmark, read whole before a model is loaded."""
    from loanword.evaluation.benchmarks import BENCHMARKS
    from loanword.recipe import BenchmarkConfig

    asked: dict[str, tuple[BenchmarkConfig, Sequence[SubjectQuestions]]] = {}
    subjects = _subjects(arguments)
    for name in arguments.benchmarks:
        folder, split = FOLDERS[name]
        values = {"name": name, "folder": folder, "split": split, "subjects": subjects[name]}
        numbers = {"num_shots": arguments.shots, "limit_examples": arguments.limit}
        config = BenchmarkConfig.from_json(json.dumps(values | numbers), where="loanword evaluate")
        asked[name] = config, BENCHMARKS[name].load(arguments.data / folder, config)
    return asked


def _subjects(arguments: argparse.Namespace) -> dict[str, list[str]]:
    """The named subjects by benchmark; none named is all of them.

    Raises:
        UserError: a subject that no asked benchmark has, or a benchmark of which none is named.
    """
    from loanword.evaluation.benchmarks import BENCHMARKS

    known = {name: BENCHMARKS[name].subjects for name in arguments.benchmarks}
    chosen = {name: [subject for subject in arguments.subjects if subject in has] for name, has in known.items()}
    unknown = [subject for subject in arguments.subjects if not any(subject in has for has in known.values())]
    empty = [name for name, subjects in chosen.items() if arguments.subjects and not subjects]
    if unknown or empty:
        what = f"unknown: {', '.join(unknown)}" if unknown else f"names no subject of {', '.join(empty)}"
        expected = "; ".join(f"{name}: {', '.join(has)}" for name, has in known.items())
        raise UserError(
            "--subjects", what, expected=expected or "--benchmarks too", do="mend --subjects or --benchmarks"
        )
    return chosen


def _grades(model: "LanguageModel", name: str, questions: "Sequence[SubjectQuestions]") -> "tuple[Grade, ...]":
    from loanword.cli.watching import watched
    from loanword.evaluation.benchmarks import BENCHMARKS
    from loanword.evaluation.choices import grade_choice, responses

    with watched(name) as progress:
        answered = responses(model, BENCHMARKS[name], questions, progress)
        return tuple(grade_choice(response) for _, of_subject in answered for response in of_subject)


def _likelihoods(
    model: "LocalModel", documents: "Sequence[Document]", language: str, arguments: argparse.Namespace
) -> "Likelihoods":
    import numpy as np

    from loanword.cli.watching import watched
    from loanword.evaluation.likelihood import document_likelihoods
    from loanword.model.load import context_tokens
    from loanword.recipe import LikelihoodsConfig
    from loanword.report.gather import Likelihoods

    window = arguments.window or min(USUAL_WINDOW_TOKENS, context_tokens(model.model))
    windows = {"window_tokens": window, "stride_tokens": arguments.stride or max(1, window // 2)}
    config = LikelihoodsConfig.from_json(json.dumps(windows), where="loanword evaluate")
    with watched(f"text in {language}") as progress:
        read = document_likelihoods(model, documents, language, config, progress)
    return Likelihoods(
        ids=tuple(document.id for document in read),
        nats=np.array([document.nats for document in read], dtype=np.float64),
        num_tokens=np.array([document.num_tokens for document in read], dtype=np.float64),
        num_bytes=np.array([document.num_bytes for document in read], dtype=np.float64),
    )


def _records(
    label: str, grades: "Mapping[str, tuple[Grade, ...]]", likelihoods: "Mapping[str, Likelihoods]", asked: "Asked"
) -> "RunRecords":
    """What was measured, as the report holds the records of a run."""
    from loanword.evaluation.benchmarks import BENCHMARKS
    from loanword.evaluation.choices import benchmark_facts
    from loanword.report.gather import BenchmarkFacts, RunRecords

    facts = {name: benchmark_facts(BENCHMARKS[name], *of_benchmark) for name, of_benchmark in asked.items()}
    return RunRecords(
        label=label,
        settings={},
        seed=0,
        artifacts={f"grades.{name}": None for name in grades},
        likelihoods=likelihoods,
        grades=grades,
        benchmarks={name: BenchmarkFacts.model_validate_json(json.dumps(fact)) for name, fact in facts.items()},
        curves={},
        summaries={},
        measures=(),
        conversations=None,
    )


def _knowledge(records: "RunRecords") -> dict[str, Any]:
    """Accuracy over questions and over subjects, with what it is measured against."""
    from loanword.report.knowledge import score_knowledge

    return {
        benchmark: {
            "over_questions": _plain(score.micro),
            "over_subjects": _plain(score.macro),
            "hard_subjects": _plain(score.hard) if score.hard else None,
            "chance": records.benchmarks[benchmark].chance,
            "split": records.benchmarks[benchmark].split,
            "num_questions": score.num_questions,
            "num_subjects": score.num_subjects,
            "num_unparsed": score.num_unparsed,
            "mean_shots": score.mean_shots,
            "fewest_shots": score.fewest_shots,
        }
        for (_, benchmark), score in score_knowledge([records]).items()
    }


def _languages(records: "RunRecords") -> dict[str, Any]:
    from loanword.report.likelihoods import score_languages

    return {
        language: {
            "bits_per_byte": _plain(score.bits_per_byte),
            "perplexity": _plain(score.perplexity),
            "num_documents": score.num_documents,
            "num_tokens": score.num_tokens,
            "num_bytes": score.num_bytes,
        }
        for (_, language), score in score_languages([records]).items()
    }


def _plain(estimate: "Estimate") -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _print(measured: Mapping[str, Any]) -> None:
    from loanword.cli.plan import table

    print(measured["model"])
    if measured["benchmarks"]:
        header = ("benchmark", "questions", "accuracy", "by subject", "chance", "unparsed", "shots that fitted")
        table([header, *(_knowledge_row(name, score) for name, score in measured["benchmarks"].items())])
    if measured["texts"]:
        header = ("text", "documents", "bytes", "tokens", "bits per byte", "perplexity")
        table([header, *(_language_row(name, score) for name, score in measured["texts"].items())])
    print("In brackets: 95 % intervals. Perplexity is per token: it compares under one tokenizer only.")


def _knowledge_row(name: str, score: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"{name} {score['split']}",
        f"{score['num_questions']:,}",
        _interval(score["over_questions"], 100, 1),
        _interval(score["over_subjects"], 100, 1),
        f"{100 * score['chance']:.1f}",
        f"{score['num_unparsed']:,}",
        f"{score['mean_shots']:.2f}",
    )


def _language_row(name: str, score: Mapping[str, Any]) -> tuple[str, ...]:
    counts = (f"{score[count]:,}" for count in ("num_documents", "num_bytes", "num_tokens"))
    return (name, *counts, _interval(score["bits_per_byte"], 1, 4), _interval(score["perplexity"], 1, 2))


def _interval(estimate: Mapping[str, float], scale: float, digits: int) -> str:
    value, low, high = (f"{scale * estimate[key]:,.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
