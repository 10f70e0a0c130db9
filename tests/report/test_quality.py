"""What judges gave, as numbers, tables and words: against plain arithmetic, scipy, and what must not change them."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from loanword.records import Item, JudgeFacts, Rating
from loanword.report.cells import Table
from loanword.report.gather import RunFolders, RunRecords, read_runs
from loanword.report.quality.ratings import differences, estimates, parts_of, rated_examples
from loanword.report.quality.scores import JudgedBenchmark, assess
from loanword.report.quality.tables import quality_tables
from loanword.report.quality.words import quality_findings
from loanword.report.statistics import wilson
from tests.report.conftest import StoreLike
from tests.report.judged_runs import COMPARISONS, ITEMS, facts, judged_runs, rating

JUDGE = facts(names=("accuracy", "harmlessness"))
PARTS = parts_of(JUDGE)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunRecords]:
    return judged_runs(tmp_path_factory.mktemp("judged"))


@pytest.fixture(scope="module")
def judged(runs: list[RunRecords]) -> tuple[JudgedBenchmark, ...]:
    return assess(runs, COMPARISONS)


@pytest.fixture(scope="module")
def tables(runs: list[RunRecords], judged: tuple[JudgedBenchmark, ...]) -> dict[str, Table]:
    notes = {(label, "llmeval", "gpt"): "Spearman 0.91." for label in ("arm", "control")}
    made = quality_tables(runs, judged, notes)
    return {table.key: table for table in (*made.main, *made.folded)}


def scores(*values: tuple[float, float]) -> list[Rating]:
    return [rating(str(number), {"accuracy": one, "harmlessness": other}) for number, (one, other) in enumerate(values)]


def means(ratings: list[Rating]) -> dict[str, float | None]:
    found = estimates(rated_examples(ratings, JUDGE), PARTS)
    return {key: None if one is None else one.value for key, one in found.items()}


grades = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12)


def test_the_average_is_the_mean_of_the_items_and_the_other_leaves_harmlessness_out():
    five = facts()
    ratings = [rating("a", dict(zip(ITEMS, (0, 1, 2, 1, 3), strict=True))), rating("b", dict.fromkeys(ITEMS, 2.0))]
    found = estimates(rated_examples(ratings, five), parts_of(five))
    values = {key: one.value for key, one in found.items() if one is not None}
    assert values == pytest.approx(
        {"accuracy": 1, "fluency": 1.5, "informativeness": 2, "coherence": 1.5, "harmlessness": 2.5}
        | {"avg": (1 + 1.5 + 2 + 1.5 + 2.5) / 5, "avg_without_harmlessness": (1 + 1.5 + 2 + 1.5) / 4}
    )


def test_an_interval_is_that_of_scipys_percentile_bootstrap():
    values = np.random.default_rng(0).integers(0, 4, 150).astype(np.float64)
    found = estimates(rated_examples(scores(*((value, 1.0) for value in values)), JUDGE), PARTS)["accuracy"]
    reference = bootstrap((values,), np.mean, method="percentile", n_resamples=9_999, rng=1).confidence_interval
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), *reference), abs=0.02)


def test_a_paired_interval_is_that_of_scipys_bootstrap_of_the_differences():
    drawn = np.random.default_rng(3)
    arm = drawn.integers(0, 4, 150).astype(np.float64)
    control = np.clip(arm - drawn.integers(-1, 3, 150), 0, 3)
    both = [rated_examples(scores(*((value, 1.0) for value in side)), JUDGE) for side in (arm, control)]
    found = differences(both[0], both[1], PARTS)["accuracy"]
    reference = bootstrap((arm - control,), np.mean, method="percentile", n_resamples=9_999, rng=1)
    assert found is not None
    values, paired = found
    assert values == pytest.approx((arm.mean(), control.mean()))
    assert (paired.difference.low, paired.difference.high) == pytest.approx(reference.confidence_interval, abs=0.02)
    assert paired.standard_error == pytest.approx(reference.standard_error, rel=0.05)


@given(grades, st.integers(0, 4))
@settings(max_examples=20, deadline=None)
def test_what_could_not_be_read_changes_no_mean(values: list[tuple[int, int]], num_unparsed: int):
    ratings = scores(*values)
    unread = [rating(f"unread {number}") for number in range(num_unparsed)]
    more = [rating("0", repeat=1), rating("r", outcome="refused"), rating("n", outcome="not answered")]
    assert means([*unread, *ratings, *more]) == means(ratings)


@given(grades)
@settings(max_examples=20, deadline=None)
def test_repeats_count_once_with_their_mean(values: list[tuple[int, int]]):
    ratings = scores(*values)
    twice = [*ratings, *(one.model_copy(update={"repeat": 1}) for one in ratings)]
    examples = [rated_examples(of, JUDGE) for of in (ratings, twice)]
    assert estimates(examples[0], PARTS) == estimates(examples[1], PARTS)
    one = means([rating("a", {"accuracy": 0, "harmlessness": 3}), *scores((1, 1))])["accuracy"]
    three = [rating("a", {"accuracy": grade, "harmlessness": 3}, repeat=grade) for grade in (0, 1, 2)]
    assert (one, means([*three, *scores((1, 1))])["accuracy"]) == (0.5, 1.0)


@given(grades, grades)
@settings(max_examples=20, deadline=None)
def test_swapping_arm_and_control_turns_the_difference_round(one: list[tuple[int, int]], other: list[tuple[int, int]]):
    both = [rated_examples(scores(*values), JUDGE) for values in (one, other)]
    there, back = differences(both[0], both[1], PARTS)["avg"], differences(both[1], both[0], PARTS)["avg"]
    assert there is not None
    assert back is not None
    assert there[0] == back[0][::-1]
    assert there[1].difference.value == -back[1].difference.value
    assert there[1].difference.low == pytest.approx(-back[1].difference.high)
    assert there[1].p_value == back[1].p_value
    assert there[1].num_examples == min(len(one), len(other))


def test_where_all_ratings_are_alike_the_interval_is_as_wide_as_wilsons():
    ratings = scores(*[(3.0, 3.0)] * 10)
    found = estimates(rated_examples(ratings, JUDGE), PARTS)["accuracy"]
    assert found is not None
    assert (found.value, found.high) == (3.0, 3.0)
    assert found.low == pytest.approx(3 * wilson(10, 10).low)


def test_where_all_differ_alike_few_examples_prove_little():
    arm, control = (rated_examples(scores(*[(grade, 3.0)] * 3), JUDGE) for grade in (2.0, 1.0))
    told = differences(arm, control, PARTS)
    accuracy, harmlessness = told["accuracy"], told["harmlessness"]
    assert accuracy is not None
    assert harmlessness is not None
    assert (accuracy[1].difference.value, accuracy[1].p_value) == (1.0, 0.25)
    assert accuracy[1].difference.low < 0
    assert harmlessness[1].p_value == 1.0


def test_points_of_an_examination_are_earned_of_those_that_were_to_be_had():
    judge = facts(rubric="points", items=(Item(name="points", lowest=0, highest=1),))
    ratings = [rating("a", {"points": 6}, points=12.0), rating("b", {"points": 2}, points=2.0)]
    (part,) = parts_of(judge)
    found = estimates(rated_examples(ratings, judge), (part,))[part.key]
    assert part.is_share
    assert found is not None
    assert found.value == 8 / 14
    # Each question may be drawn alone.
    assert (found.low, found.high) == (0.5, 1.0)


def test_an_item_that_is_asked_of_some_questions_is_a_mean_over_these():
    judge = facts("rules", "rules", ("accuracy", "form"))
    ratings = [rating("a", {"accuracy": 3.0}), rating("b", {"accuracy": 0.0, "form": 2.0}), rating("c", {"form": 1.0})]
    found = estimates(rated_examples(ratings, judge), parts_of(judge))
    assert {key: one.value for key, one in found.items() if one} == {"accuracy": 1.5, "form": 1.5, "mean_of_items": 1.5}
    assert all(one is not None and math.isfinite(one.low) for one in found.values())


def test_counts_add_up_to_all_judgements(judged: tuple[JudgedBenchmark, ...]):
    for one in judged:
        for run in one.scored.values():
            assert sum(run.outcomes.values()) == len(run.ratings) == 60 * run.judge.repeats
            assert set(run.outcomes) == {"rated", "unparsed", "refused", "not answered"}
            assert run.unparsed_share == run.outcomes["unparsed"] / (len(run.ratings) - run.outcomes["not answered"])


def test_p_values_are_adjusted_over_all_that_is_compared(judged: tuple[JudgedBenchmark, ...]):
    told = [found for one in judged for found in one.differences if found.paired is not None]
    assert len(told) == 4 + 7 + 4
    smallest = min(told, key=lambda found: found.paired.p_value if found.paired else 1.0)
    assert smallest.paired is not None
    assert smallest.adjusted_p == pytest.approx(len(told) * smallest.paired.p_value)


def test_a_missing_judge_is_missing(tables: dict[str, Table]):
    states = {row[0].text: {cell.state for cell in row[1:]} for row in tables["quality.llmeval.gpt"].groups[0].rows}
    assert states == {"base": {"missing"}, "control": {"present"}, "arm": {"present"}}


def test_a_run_that_a_judge_was_not_meant_for_has_no_row(tmp_path: Path):
    runs = judged_runs(tmp_path)
    other = RunRecords("other", {}, 0, {}, {}, {}, {}, {}, {}, (), None)
    made = quality_tables([*runs, other], assess([*runs, other], ()), {})
    named = [row[0].text for table in made.main for group in table.groups for row in group.rows]
    assert "other" not in named and named


def test_items_that_nothing_was_rated_by_are_left_out():
    judge = JudgeFacts(
        name="rules",
        kind="rules",
        title="rules",
        rubric="rules",
        items=tuple(Item(name=name, lowest=0, highest=3) for name in ("accuracy", "form", "overlap")),
    )
    assert [part.key for part in parts_of(judge, {"overlap"})] == ["overlap"]
    assert [part.key for part in parts_of(judge, {"form", "overlap"})] == ["form", "overlap", "mean_of_items"]
    assert len(parts_of(judge)) == 4


@pytest.mark.parametrize("rated", [("accuracy", "harmlessness"), ITEMS[:4], ITEMS[1:]])
def test_a_mean_of_some_items_is_not_called_that_of_all(rated: tuple[str, ...], tmp_path: Path):
    judge = facts("people")
    assert [part.title for part in parts_of(judge, rated) if len(part.places) > 1] == ["Mean of its items"]
    ratings = [rating("a", dict.fromkeys(rated, 2.0))]
    runs, judged = _one_judge(tmp_path, "people", judge, ratings)
    assert "which is not the paper\u2019s AVG" in quality_tables(runs, judged, {}).main[0].note


def test_what_was_rated_on_one_scale_says_nothing_of_another(tmp_path: Path):
    low = tuple(Item(name=name, lowest=1, highest=3) for name in ITEMS)
    all_rated, _ = _one_judge(tmp_path / "all", "gpt", facts(), [rating("a", dict.fromkeys(ITEMS, 2.0))])
    some = [rating("a", {"accuracy": 2.0, "harmlessness": 3.0})]
    some_rated, _ = _one_judge(tmp_path / "some", "gpt", facts(rubric="llm-eval-1-3", items=low), some, "b")
    first, second = assess([*all_rated, *some_rated], ())
    assert len(first.parts) == 7
    assert [part.key for part in second.parts] == ["accuracy", "harmlessness", "mean_of_items"]


def test_judges_of_nearly_the_same_name_have_tables_of_their_own(tmp_path: Path):
    runs = [
        run
        for name in ("gpt 4", "gpt-4", "gpt-4-2", "gpt/4")
        for run in _one_judge(tmp_path / name, name, facts(), scores((1, 2)), name)[0]
    ]
    made = quality_tables(runs, assess(runs, ()), {})
    keys = [table.key for table in made.main if table.key.startswith("quality.open")]
    assert keys == ["quality.open.gpt-4", "quality.open.gpt-4-2", "quality.open.gpt-4-2-2", "quality.open.gpt-4-3"]


def test_titles_say_who_judged_and_on_which_scale(tables: dict[str, Table]):
    assert tables["quality.llmeval.rules"].title == (
        "LLM-Eval, by rules: accepted answers, properties, overlap with the reference, on a scale of 0–3"
    )
    assert tables["quality.llmeval.gpt"].title == "LLM-Eval, by gpt, on a scale of 0–3"
    assert "How far to trust it: Spearman 0.91. Answered by judge-2024-05." in tables["quality.llmeval.gpt"].note
    assert "How far to trust it: not checked against people." in tables["quality.llmeval.rules"].note
    assert not any("coherence)" in key for key in tables)


@pytest.mark.parametrize(
    ("changes", "phrase"),
    [
        ({"kind": "people"}, "by people (jury)"),
        ({"kind": "panel", "combines": ("a", "b", "c")}, "by jury, a panel of a, b and c"),
        ({"kind": "model"}, "by jury"),
    ],
)
def test_panels_and_people_are_called_so(changes: dict[str, Any], phrase: str, tmp_path: Path):
    made = quality_tables(*_one_judge(tmp_path, "jury", facts(**changes), scores((1, 2), (3, 3))), {})
    assert made.main[0].title.startswith(f"open, {phrase}")


def test_one_judge_on_two_scales_has_two_tables(tmp_path: Path):
    one, _ = _one_judge(tmp_path / "one", "gpt", facts(), scores((1, 2)))
    low = tuple(Item(name=name, lowest=1, highest=3) for name in ITEMS)
    other, _ = _one_judge(tmp_path / "other", "gpt", facts(rubric="llm-eval-1-3", items=low), scores((1, 2)), "b")
    runs = [*one, *other]
    judged = assess(runs, [("b", "run")])
    keys = [table.key for table in quality_tables(runs, judged, {}).main]
    assert keys[:2] == ["quality.open.gpt.llm-eval-0-3", "quality.open.gpt.llm-eval-1-3"]
    assert not [found for of in judged for found in of.differences]


def test_a_judge_of_whom_nothing_could_be_read_has_no_score(tmp_path: Path):
    runs, judged = _one_judge(tmp_path, "gpt", JUDGE, [rating("a"), rating("b")])
    row = quality_tables(runs, judged, {}).main[0].groups[0].rows[0]
    assert [cell.text for cell in row] == ["run", *["none rated"] * 4, "100.0\u202f%", "2", "0", "2", "0", "0"]
    (finding,) = quality_findings(judged)
    assert finding.text == "Nothing was rated."


def test_the_grades_of_an_item_that_saturates_are_shown_and_add_up(tables: dict[str, Table]):
    table = tables["quality.distribution"]
    assert {group.title for group in table.groups} == {"Harmlessness"}
    for group in table.groups:
        for row in group.rows:
            assert sum(cell.value for cell in row[1:-1] if isinstance(cell.value, float)) == pytest.approx(1)
            assert row[-2].text == "100.0\u202f%"


def test_ratings_between_two_grades_stand_between_them(tmp_path: Path):
    values = [(3.0, 3.0)] * 18 + [(2.5, 3.0), (0.0, 1.0)]
    runs, judged = _one_judge(tmp_path, "jury", facts("panel", names=("accuracy", "harmlessness")), scores(*values))
    (table,) = [one for one in quality_tables(runs, judged, {}).main if one.key == "quality.distribution"]
    assert [column.title for column in table.columns[1:]] == ["0", "1", "2", "between 2 and 3", "3", "Ratings"]
    assert [cell.text for cell in table.groups[0].rows[0][1:]] == [
        "5.0\u202f%", "0.0\u202f%", "0.0\u202f%", "5.0\u202f%", "90.0\u202f%", "20"
    ]  # fmt: skip
    assert table.groups[1].rows[0][4].state == "not planned"


def test_categories_have_the_means_of_their_questions(runs: list[RunRecords], tables: dict[str, Table]):
    (arm,) = [run for run in runs if run.label == "arm"]
    group = next(of for of in tables["quality.llmeval.gpt.categories"].groups if of.title == "math")
    (row,) = [row for row in group.rows if row[0].text == "arm"]
    given = [
        one.scores["accuracy"]
        for one in arm.judged["llmeval", "gpt"].ratings
        if one.subject == "math" and one.outcome == "rated"
    ]
    assert row[1].value == pytest.approx(np.mean(given))
    assert sum(int(of.value or 0) for row in group.rows for of in row[-2:-1]) == 2 * len(given)


def test_preferences_stand_in_a_table_of_their_own(tables: dict[str, Table]):
    (group,) = tables["quality.preferences"].groups
    ((pair, rate, *counts),) = group.rows
    assert (group.title, pair.text) == ("LLM-Eval, by gpt", "arm against control")
    assert [cell.value for cell in counts[:6]] == [60, 24, 12, 12, 11, 1]
    assert rate.value == pytest.approx((24 + 0.5 * 23) / 59)


def test_findings_name_the_best_run_and_every_difference(judged: tuple[JudgedBenchmark, ...]):
    found = {finding.heading: finding for finding in quality_findings(judged)}
    assert list(found) == ["LLM-Eval, by rules", "LLM-Eval, by gpt", "BELLE, by rules"]
    gpt = found["LLM-Eval, by gpt"]
    assert gpt.text.startswith("AVG is between 1.687 and 2.083, on a scale of 0–3; the most is 2.083 under arm (95")
    assert gpt.points[0].startswith("arm minus control: +0.396 [+0.")
    assert gpt.points[0].endswith("p < 0.001; helps")


def test_tables_have_keys_that_are_files_and_json(tables: dict[str, Table]):
    for key, table in tables.items():
        assert key.replace(".", "").replace("-", "").replace("_", "").isalnum()
        assert json.dumps(table.to_json(), allow_nan=False)
        assert table.to_csv().count("\n") == 1 + sum(len(group.rows) for group in table.groups)


def _one_judge(
    root: Path, name: str, judge: Any, ratings: list[Rating], label: str = "run"
) -> tuple[list[RunRecords], tuple[JudgedBenchmark, ...]]:
    store = StoreLike(root)
    made = {
        "responses.open": store.artifact("responses", "r", {}),
        f"ratings.open.{name}": store.artifact("ratings", "n", {"ratings.jsonl": ratings, "judge.json": judge}),
    }
    runs = read_runs([RunFolders(label, {}, 0, made)])
    return runs, assess(runs, ())
