"""What an evaluation measured of open responses: ratings by judge, and switches of language."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from loanword.cli.amounts import table
from loanword.report.gather import RunRecords
from loanword.report.quality.ratings import Part
from loanword.report.quality.scores import JudgedBenchmark, assess
from loanword.report.quality.switching import switching_score
from loanword.report.quality.words import heading, scale_text, value_text
from loanword.report.statistics import Estimate


def measured_quality(records: RunRecords) -> dict[str, Any]:
    """Scores of every judge, and shares of responses that switch, as plain values."""
    scored = {name: switching_score(seen) for name, seen in records.switching.items()}
    return {
        "judged": [_judged(one, records.label) for one in assess([records], ())],
        "switching": {
            name: {
                "num_responses": score.num_responses,
                "switched": _plain(score.switched),
                "into": dict(sorted(score.into.items(), key=lambda pair: (-pair[1], pair[0]))),
                "line_pass_rate": _plain(score.lines),
                "word_pass_rate": _plain(score.words),
            }
            for name, score in scored.items()
            if score is not None
        },
    }


def _judged(one: JudgedBenchmark, label: str) -> dict[str, Any]:
    scores = one.scored.get(label)
    estimates: Mapping[str, Estimate | None] = scores.estimates if scores is not None else {}
    return {
        "benchmark": one.benchmark,
        "judge": one.judge,
        "title": heading(one),
        "scale": scale_text(one),
        "outcomes": {} if scores is None else dict(scores.outcomes),
        "scores": {part.key: _plain(estimates.get(part.key)) for part in one.parts},
        "shown": [_shown(part, estimate) for part in one.parts if (estimate := estimates.get(part.key)) is not None],
    }


def _shown(part: Part, estimate: Estimate) -> list[str]:
    low, high = (value_text(part, bound, unit=False) for bound in (estimate.low, estimate.high))
    return [part.title, f"{value_text(part, estimate.value)} [{low}, {high}]"]


def print_quality(measured: Mapping[str, Any]) -> None:
    """A table a judge, and one of switches."""
    for one in measured["judged"]:
        outcomes = ", ".join(f"{count:,} {name}" for name, count in sorted(one["outcomes"].items()))
        title = ", ".join(filter(None, (one["title"], one["scale"])))
        print(f"\n{title}: {outcomes or 'nothing judged'}")
        if one["shown"]:
            table([("", "mean"), *one["shown"]])
    if measured["switching"]:
        print()
        table([("switches of language", "responses", "switched", "into"), *_switching_rows(measured["switching"])])


def _switching_rows(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, one in found.items():
        share = one["switched"]
        shown = f"{100 * share['value']:.1f} % [{100 * share['low']:.1f}, {100 * share['high']:.1f}]"
        into = ", ".join(f"{language} {count}" for language, count in one["into"].items())
        yield name, f"{one['num_responses']:,}", shown, into or "-"


def _plain(estimate: Estimate | None) -> dict[str, float] | None:
    return None if estimate is None else asdict(estimate)
