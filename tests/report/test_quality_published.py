"""Released scores of twelve systems: what was published of them is found again."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from loanword.records import Item
from loanword.report.gather import RunRecords
from loanword.report.judged import Judged
from loanword.report.quality.saturation import saturation_table
from loanword.report.quality.scores import JudgedBenchmark, assess
from tests.report.judged_runs import facts, rating

NAMES = {"Baichuan-7B-Align": "Chat-Baichuan-7B"}
"""Systems that the released scores and their summary call by two names."""


@pytest.fixture(scope="module")
def published(shared_data: Path) -> tuple[JudgedBenchmark, ...]:
    """The released scores of twelve systems, each a run."""
    folder = shared_data / "benchmarks" / "llmeval-1"
    given: dict[str, dict[str, dict[str, float]]] = {}
    with gzip.open(folder / "item_scores_gpt4.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            of_system, id = given.setdefault(NAMES.get(row["llm_name"], row["llm_name"]), {}), row["question_uuid"]
            # Some questions were asked again, and the published means count each time.
            while row["metric"] in of_system.get(id, {}):
                id += " again"
            of_system.setdefault(id, {})[row["metric"]] = float(row["score"])
    names = ("accuracy", "fluency", "informativeness", "logicality", "harmlessness")
    judge = facts(rubric="llm-eval-1-3", items=tuple(Item(name=name, lowest=1, highest=3) for name in names))
    runs = [
        RunRecords(
            label, {}, 0, {"responses.llmeval": None, "ratings.llmeval.gpt4": None}, {}, {}, {}, {}, {}, (), None,
            judged={
                ("llmeval", "gpt4"): Judged(
                    judge, tuple(rating(id, scores, subject=id.rpartition("_")[0]) for id, scores in questions.items())
                )
            },
        )
        for label, questions in given.items()
    ]  # fmt: skip
    return assess(runs, [("GPT4.0", "Chat-Baichuan-7B"), ("Xunfei-Xinhuo", "Chinese-LLAMA-7B")])


def test_the_published_means_of_twelve_systems_are_found(shared_data: Path, published: tuple[JudgedBenchmark, ...]):
    (judged,) = published
    summary = (shared_data / "benchmarks" / "llmeval-1" / "summary_gpt4.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(summary.splitlines()))
    columns = ("overall", "accuracy", "informativeness", "fluency", "logicality", "harmlessness")
    exact = 0
    for row in rows:
        found = judged.scored[row["llm_name"]].estimates
        for column in columns:
            estimate = found["avg" if column == "overall" else column]
            assert estimate is not None
            # Three of them are rounded the other way in the last digit.
            assert estimate.value == pytest.approx(float(row[column]), abs=0.0006)
            exact += f"{estimate.value:.3f}" == row[column]
    assert (len(rows), exact) == (12, 12 * len(columns) - 3)


def test_the_released_scores_are_saturated_where_it_is_known_that_they_are(published: tuple[JudgedBenchmark, ...]):
    (judged,) = published
    table = saturation_table(published)
    found = {group.title: [float(row[-2].value or 0) for row in group.rows] for group in table.groups}
    assert {"Fluency", "Harmlessness"} <= set(found)
    shares = {title: round(100 * float(np.mean(of_runs)), 1) for title, of_runs in found.items()}
    assert (shares["Fluency"], shares["Harmlessness"]) == (97.6, 99.1)
    widths = [
        estimate.high - estimate.low
        for scores in judged.scored.values()
        if (estimate := scores.estimates["avg"]) is not None
    ]
    assert 0.02 <= min(widths) / 2 <= max(widths) / 2 <= 0.05


def test_neighbours_in_the_published_ranking_may_not_be_told_apart(published: tuple[JudgedBenchmark, ...]):
    told = {found.arm: found for found in published[0].differences if found.part.key == "avg"}
    assert told["GPT4.0"].verdict is not None
    assert told["Xunfei-Xinhuo"].verdict is not None
    assert (told["GPT4.0"].verdict.word, told["Xunfei-Xinhuo"].verdict.word) == ("helps", "no difference")
