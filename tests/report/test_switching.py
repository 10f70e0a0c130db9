"""Tables of responses that leave their language."""

from math import comb
from pathlib import Path

import numpy as np
import pytest

from loanword.records import SwitchedSpan, Switching
from loanword.report.gather import RunFolders, RunRecords, read_runs
from loanword.report.quality.switching import (
    switching_differences,
    switching_findings,
    switching_score,
    switching_tables,
)
from loanword.report.statistics import wilson
from tests.report.conftest import StoreLike
from tests.report.judged_runs import COMPARISONS, facts, judged_runs, rating


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[RunRecords]:
    return judged_runs(tmp_path_factory.mktemp("judged"))


def _tables(runs, comparisons):
    return switching_tables(runs, switching_differences(runs, comparisons))


def _findings(runs, comparisons):
    return switching_findings(runs, switching_differences(runs, comparisons))


def seen(id: str, *languages: str, share: float = 0.0, lines: bool | None = True) -> Switching:
    spans = tuple(SwitchedSpan(start=at, end=at + 1, level="word", language=code) for at, code in enumerate(languages))
    return Switching(
        id=id,
        benchmark="open",
        subject="s",
        language="zh",
        switched=bool(spans),
        spans=spans,
        num_letters=10,
        share=share,
        line_passes=lines,
    )


def test_shares_languages_and_pass_rates_are_those_of_the_responses():
    found = switching_score(
        [
            seen("a", "en", "en", "fr", share=0.5, lines=False),
            seen("b", "en", share=0.1),
            seen("c"),
            seen("d", lines=None),
        ]
    )
    assert found is not None
    assert found.switched == wilson(2, 4)
    assert found.into == {"en": 2, "fr": 1}
    assert found.letters == pytest.approx(0.3)
    assert found.lines == wilson(2, 3)
    assert found.words is None


def test_nothing_that_switches_has_no_share_of_letters():
    found = switching_score([seen("a"), seen("b")])
    assert found is not None
    assert (found.letters, found.switched.value, found.into) == (None, 0.0, {})
    assert switching_score([]) is None


def test_languages_are_counted_in_the_order_of_their_spans():
    codes = [f"l{number}" for number in range(20)]
    found = switching_score([seen("a", *codes)])
    assert found is not None
    assert list(found.into) == codes


def test_a_table_has_every_run_and_its_coherence(runs: list[RunRecords]):
    table = _tables(runs, COMPARISONS)[0]
    assert table.title == "LLM-Eval: responses that leave Chinese"
    rows = {row[0].text: row for row in table.groups[0].rows}
    # 60 questions, of which one was never answered and every sixth of the arm's switches.
    assert [cell.text for cell in rows["arm"][1:4]] == ["60", "16.7\u202f%", "English 10"]
    columns = [column.title for column in table.columns[7:]]
    assert columns == ["Coherence where switched, by gpt (0–3)", "Rated of those"]
    assert [cell.state for cell in rows["base"][7:]] == ["not planned"] * 2
    (arm,) = [run for run in runs if run.label == "arm"]
    given = [one.scores["coherence"] for one in arm.judged["llmeval", "gpt (coherence)"].ratings if one.scores]
    assert rows["arm"][7].value == pytest.approx(np.mean(given))
    assert rows["arm"][8].value == len(given)


def test_without_a_judge_of_coherence_the_item_is_shown_of_switched_responses_and_of_others(tmp_path: Path):
    store = StoreLike(tmp_path)
    ratings = [
        rating(str(number), {"coherence": grade}, benchmark="open", subject="s")
        for number, grade in enumerate((0.0, 1.0, 3.0, 2.0))
    ]
    looked = [seen("0", "en"), seen("1", "en"), seen("2"), seen("3")]
    judge = facts(names=("coherence", "harmlessness"))
    made = {
        "responses.open": store.artifact("responses", "r", {}),
        "switching.open": store.artifact("switching", "s", {"switching.jsonl": looked}),
        "ratings.open.gpt": store.artifact("ratings", "n", {"ratings.jsonl": ratings, "judge.json": judge}),
    }
    (table,) = _tables(read_runs([RunFolders("run", {}, 0, made)]), ())
    assert [cell.value for cell in table.groups[0].rows[0][7:]] == [0.5, 2, 2.5]
    other = {"ratings.jsonl": [one for one in ratings if one.id != "0"], "judge.json": judge}
    made |= {
        "ratings.open.gpt 4": made["ratings.open.gpt"],
        "ratings.open.gpt_4": store.artifact("ratings", "o", other),
    }
    (table,) = _tables(read_runs([RunFolders("run", {}, 0, made)]), ())
    (row,) = table.to_json()["rows"]
    assert [row[f"num_rated.{name}"] for name in ("gpt", "gpt 4", "gpt_4")] == [2, 2, 1]


def test_differences_are_paired_over_the_questions_of_both(runs: list[RunRecords]):
    found = switching_differences(runs, COMPARISONS)
    assert [(one.benchmark, one.arm, one.control) for one in found] == [
        ("llmeval", "arm", "control"),
        ("belle.ar", "arm", "control"),
    ]
    (one, _) = found
    assert one.paired is not None
    assert one.values == pytest.approx((10 / 60, 15 / 60))
    assert one.paired.difference.value == pytest.approx(-5 / 60)
    # Of 60 questions, 5 switch under both, 5 under the arm alone and 10 under the control alone.
    assert one.paired.p_value == pytest.approx(2 * sum(comb(15, number) for number in range(6)) / 2**15)
    assert one.adjusted_p == pytest.approx(2 * one.paired.p_value)


def test_to_switch_less_often_helps(tmp_path: Path):
    store = StoreLike(tmp_path)
    runs = [
        RunFolders(
            label,
            {},
            0,
            {
                "responses.open": store.artifact("responses", label, {}),
                "switching.open": store.artifact(
                    "switching",
                    label,
                    {"switching.jsonl": [seen(str(number), *["en"] * (number % every == 0)) for number in range(90)]},
                ),
            },
        )
        for label, every in (("arm", 45), ("control", 2))
    ]
    *_, table = _tables(read_runs(runs), (("arm", "control"),))
    verdict = table.groups[0].rows[0][-1]
    assert (verdict.text, verdict.tone) == ("switches less often", "good")


def test_what_is_missing_says_so_and_what_is_not_planned_has_no_row(tmp_path: Path):
    store = StoreLike(tmp_path)
    made: dict[str, Path | None] = {
        "responses.open": store.artifact("responses", "r", {}),
        "switching.open": store.artifact("switching", "s", {"switching.jsonl": [seen("a")]}),
    }
    lacking = RunFolders("lacking", {}, 0, made | {"switching.open": None})
    runs = read_runs([RunFolders("run", {}, 0, made), lacking, RunFolders("other", {}, 0, {})])
    table, differences = _tables(runs, (("lacking", "run"), ("other", "run")))
    assert [row[0].text for row in table.groups[0].rows] == ["run", "lacking"]
    assert {cell.state for cell in table.groups[0].rows[1][1:]} == {"missing"}
    assert [row[0].text for row in differences.groups[0].rows] == ["lacking against run"]
    assert differences.groups[0].rows[0][-1].text == "missing"


def test_findings_say_who_switches_most_and_into_what(runs: list[RunRecords]):
    first, second = _findings(runs, COMPARISONS)
    assert (first.heading, second.heading) == ("LLM-Eval: switches of language", "BELLE: switches of language")
    assert first.text.startswith(
        "Between 16.7\u202f% and 33.3\u202f% of a run’s responses switch. 33.3\u202f% of the responses of base"
    )
    assert first.text.endswith("into English 20.")
    assert first.points[0].startswith("arm minus control: −8.3 [")
