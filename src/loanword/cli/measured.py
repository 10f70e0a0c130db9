"""What an evaluation measured, from its records: as plain values for machines, as tables for people."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loanword.cli.amounts import table
from loanword.cli.measured_quality import measured_quality, print_quality
from loanword.evaluation.benchmarks.gaokao import GAOKAO
from loanword.evaluation.benchmarks.gaokao_exam import exam_points, objective_rates
from loanword.report.facts import BenchmarkFacts
from loanword.report.gather import RunFolders, RunRecords, read_runs
from loanword.report.knowledge import KnowledgeScore, ReportedScore, score_knowledge
from loanword.report.likelihoods import score_languages
from loanword.report.statistics import Estimate

ASKED = {
    "title",
    "split",
    "protocol",
    "answering",
    "num_shots",
    "precision",
    "extraction",
    "num_too_long",
    "num_cut",
    "config",
}


def read_evaluation(label: str, folders: Mapping[str, Path]) -> RunRecords:
    """The records of one model, as the report holds those of a run."""
    (records,) = read_runs([RunFolders(label, {}, 0, dict(folders))])
    return records


def measure(model: str, folder: Path, artifacts: Mapping[str, Path]) -> dict[str, Any]:
    """Scores and bits per byte of one model; `folder` is where links to its records lie."""
    records = read_evaluation(model, artifacts)
    return {
        "model": model,
        "records": str(folder),
        "benchmarks": {
            benchmark: _benchmark(score, records.benchmarks[benchmark], artifacts[f"responses.{benchmark}"])
            for (_, benchmark), score in score_knowledge([records]).items()
        },
        "texts": {
            language: {
                "bits_per_byte": plain(score.bits_per_byte),
                "perplexity": plain(score.perplexity),
                "num_documents": score.num_documents,
                "num_tokens": score.num_tokens,
                "num_bytes": score.num_bytes,
            }
            for (_, language), score in score_languages([records]).items()
        },
        **measured_quality(records),
        "ungraded": [
            role.partition(".")[2]
            for role in artifacts
            if role.startswith("grades.") and not records.grades.get(role.partition(".")[2])
        ],
    }


def _benchmark(score: KnowledgeScore, facts: BenchmarkFacts, responses: Path) -> dict[str, Any]:
    checked = responses / "check.json"
    return {
        **facts.model_dump(mode="json", include=ASKED),
        "is_served": (responses / "server.json").is_file(),
        "scores": [_score(one) for one in score.scores],
        "num_questions": score.num_questions,
        "num_subjects": score.num_subjects,
        "num_unparsed": score.num_unparsed,
        "num_fragile": score.num_fragile,
        "fragile_nats": facts.fragile_nats,
        "mean_shots": score.mean_shots,
        "fewest_shots": score.fewest_shots,
        "num_malformed": len(facts.malformed),
        "self_check": json.loads(checked.read_bytes()) if checked.is_file() else None,
        "exam_points": _exam(score) if facts.name == GAOKAO.name else None,
    }


def _exam(score: KnowledgeScore) -> dict[str, Any]:
    """The points of the examination that objective questions stand for, by stream and by paper."""
    points = exam_points(objective_rates(score.grades.values()))
    return {
        "streams": {name: asdict(stream) for name, stream in points.streams.items()},
        "papers": {name: paper.objective for name, paper in points.papers.items()},
    }


def _score(one: ReportedScore) -> dict[str, Any]:
    return {
        "name": one.facts.name,
        "over": one.facts.over,
        "is_part": one.facts.is_part,
        **plain(one.estimate),
        "chance": one.chance,
        "num_examples": one.num_examples,
    }


def plain(estimate: Estimate) -> dict[str, float]:
    """A number and its 95 % interval."""
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def print_measured(measured: Mapping[str, Any]) -> None:
    """One table a benchmark, its categories below its scores, and one of the texts."""
    print(measured["model"])
    for name, score in measured["benchmarks"].items():
        print(f"\n{_heading(name, score)}")
        header = ("", "questions", "score", "guessing")
        table([header, *(_score_row(one) for one in score["scores"])])
        print("; ".join(_remarks(score)))
    if measured["texts"]:
        print()
        header = ("text", "documents", "bytes", "tokens", "bits per byte", "perplexity")
        table([header, *(_language_row(name, score) for name, score in measured["texts"].items())])
        print("Perplexity is per token: it compares under one tokenizer only.")
    print_quality(measured)
    for name in measured["ungraded"]:
        print(
            f"\n{name}: no labels to grade by. Responses are kept for a judge; where the authors score a submission, "
            "it lies beside the grades (submission.json)"
        )
    shown = measured["benchmarks"] or measured["texts"] or measured["switching"]
    brackets = "In brackets: 95 % intervals. " if shown else ""
    print(f"\n{brackets}Records: {measured['records']}")


def _heading(name: str, score: Mapping[str, Any]) -> str:
    shots = f"{score['num_shots']}-shot"
    parts = [score["protocol"], shots, score["answering"]]
    config = score["config"]
    if score["answering"] != "likelihood":
        parts += [f"{score['extraction']} extraction", *(["chat"] if config.get("chat") else [])]
        parts += [f"{key} {value:g}" for key, value in config.get("decoding", {}).items() if value not in (None, 0, 1)]
    parts += ["isolated ids"] if config.get("choice_ids") == "isolated" else []
    parts += [] if score["is_served"] else [f"model in {score['precision']}"]
    return f"{score['title'] or name}, {score['split']}: {', '.join(parts)}"


def _score_row(one: Mapping[str, Any]) -> tuple[str, ...]:
    name = f"  {one['name']}" if one["is_part"] else one["name"]
    chance = "" if one["chance"] is None else f"{100 * one['chance']:.1f}"
    return name, f"{one['num_examples']:,}", interval(one, 100, 1), chance


def _remarks(score: Mapping[str, Any]) -> list[str]:
    said = [f"{score['num_unparsed']:,} unparsed"]
    if score["num_too_long"]:
        said.append(f"{score['num_too_long']:,} longer than the model's context")
    if score["num_cut"]:
        said.append(f"{score['num_cut']:,} responses cut at their longest")
    if score["num_fragile"] is not None:
        said.append(f"{score['num_fragile']:,} fragile (margin under {score['fragile_nats']:g} nats)")
    if score["num_shots"]:
        said.append(f"shots that fitted: {score['mean_shots']:.2f} on average, fewest {score['fewest_shots']}")
    if score["num_malformed"]:
        said.append(f"{score['num_malformed']} labels cannot be right, or not alone, and are counted all the same")
    exam: Mapping[str, Any] = score["exam_points"] or {"streams": {}}
    streams: Mapping[str, Mapping[str, Any]] = exam["streams"]
    for stream, points in streams.items():
        if points["objective"] is not None:
            said.append(
                f"{stream}: {points['objective']:.1f} of the {points['maximum_objective']:.0f} points that objective "
                "questions have among 750"
            )
    if score["self_check"] and score["self_check"]["num_examples"]:
        checked = score["self_check"]
        said.append(
            f"{checked['num_examples']} examples read again one by one: at most "
            f"{checked['largest_difference_nats']:.1g} nats apart"
        )
    return said


def _language_row(name: str, score: Mapping[str, Any]) -> tuple[str, ...]:
    counts = (f"{score[count]:,}" for count in ("num_documents", "num_bytes", "num_tokens"))
    return (name, *counts, interval(score["bits_per_byte"], 1, 4), interval(score["perplexity"], 1, 2))


def interval(estimate: Mapping[str, float], scale: float, digits: int) -> str:
    """A number with its interval in brackets."""
    value, low, high = (f"{scale * estimate[key]:,.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
