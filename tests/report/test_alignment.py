"""Alignment in the report: paired over sentences, against the right control, in words that follow from the numbers."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from loanword.records import AlignedLayer
from loanword.report.alignment.scores import (
    accuracy,
    accuracy_estimate,
    compare_alignment,
    compare_layers,
    is_above_chance,
    score_alignment,
    vocabulary_controls,
)
from loanword.report.alignment.tables import alignment_figure, alignment_layer_tables, alignment_tables
from loanword.report.alignment.words import HYPOTHESIS, alignment_findings
from loanword.report.gather import RunFolders, RunRecords, read_runs
from loanword.report.summary import Finding

NUM_SENTENCES = 400
ORIGINAL, EXTENDED = "original-2MB-r0.2", "extended-2MB-r0.2"


def layer(forward: str, backward: str, place: int = 0, *, shuffled: float = 0.0) -> AlignedLayer:
    return AlignedLayer(
        source="en",
        target="zh",
        layer=place,
        texts="a digest",
        num_sentences=len(forward),
        forward_hits=forward,
        backward_hits=backward,
        forward_margin=-0.1,
        backward_margin=0.3,
        shuffled_accuracy=shuffled,
    )


def drawn(share: float, seed: int, place: int = 0) -> AlignedLayer:
    """Hits of which the same sentences are the easy ones, whatever the seed."""
    easy = np.random.default_rng(0).random((2, NUM_SENTENCES))
    noise = np.random.default_rng(seed).normal(0, 0.03, (2, NUM_SENTENCES))
    forward, backward = ("".join("1" if hit else "0" for hit in side) for side in easy + noise < share)
    return layer(forward, backward, place, shuffled=0.003)


def curve(middle: float, seed: int) -> tuple[AlignedLayer, ...]:
    """Four layers, of which the second is the best and the third the middle one."""
    return tuple(drawn(share, seed, place) for place, share in enumerate((0.05, middle + 0.1, middle, middle - 0.05)))


@pytest.fixture(scope="module")
def bare(study) -> list[RunRecords]:
    return read_runs(study.runs)


def with_alignment(runs: Sequence[RunRecords], **shares: float | None) -> list[RunRecords]:
    """The runs that are named (by vocabulary and budget), aligned so well at their middle layer; None is missing."""
    found: list[RunRecords] = []
    for run in runs:
        name = run.label.removesuffix("-r0.2").replace("-", "_").replace(".", "_")
        if name in shares:
            share = shares[name]
            artifact = None if share is None else run.artifacts["corpus.en"]
            layers = () if share is None else curve(share, len(found))
            found.append(replace(run, alignment=layers, artifacts={**run.artifacts, "alignment": artifact}))
    return found


@pytest.fixture(scope="module")
def runs(bare: list[RunRecords]) -> list[RunRecords]:
    return with_alignment(
        bare, original_0MB=0.3, original_2MB=0.5, extended_0MB=0.1, extended_2MB=0.35, extended_0_4MB=0.2,
        original_0_4MB=0.4,
    )  # fmt: skip


def findings_of(runs: Sequence[RunRecords]) -> tuple[Finding, ...]:
    return alignment_findings(runs, compare_alignment(runs))


def table_rows(runs: Sequence[RunRecords], key: str) -> list[dict]:
    return next(table for table in alignment_tables(runs, compare_alignment(runs)) if table.key == key).to_json()[
        "rows"
    ]


@given(st.lists(st.tuples(*[st.booleans()] * 4), min_size=2, max_size=60))
def test_a_sentence_counts_once_in_an_exact_sign_test(hits: list[tuple[bool, bool, bool, bool]]):
    ours, ours_back, theirs, theirs_back = ("".join("01"[hit] for hit in side) for side in zip(*hits, strict=True))
    arm, control = layer(ours, ours_back), layer(theirs, theirs_back)
    paired = compare_layers(arm, control)
    assert paired is not None
    assert paired.difference.value == pytest.approx(accuracy(arm) - accuracy(control))
    assert paired.difference.low <= paired.difference.value <= paired.difference.high
    changes = [a + b - c - d for a, b, c, d in hits]
    gained, lost = sum(change > 0 for change in changes), sum(change < 0 for change in changes)
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert paired.p_value == pytest.approx(expected)
    assert paired.num_examples == len(hits)


def test_equal_hits_are_no_certainty():
    paired = compare_layers(drawn(0.4, 1), drawn(0.4, 1))
    assert paired is not None
    assert paired.difference.low < 0 < paired.difference.high
    assert paired.p_value == 1


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=9))
def test_an_estimate_is_of_the_accuracy_itself(hits: list[tuple[bool, bool]]):
    forward, backward = ("".join("01"[hit] for hit in side) for side in zip(*hits, strict=True))
    found = layer(forward, backward)
    estimate = accuracy_estimate(found)
    assert estimate.value == pytest.approx(accuracy(found))
    assert estimate.low <= estimate.value <= estimate.high


def test_an_odd_number_of_sentences_that_are_each_hit_from_one_side_is_hit_half_the_time():
    estimate = accuracy_estimate(layer("110", "001"))
    assert estimate.value == 0.5
    assert estimate.low < 0.4
    assert estimate.high > 0.6


@pytest.mark.parametrize("hits", ["1" * 50, "0" * 50])
def test_where_all_sentences_are_alike_the_interval_has_width(hits: str):
    estimate = accuracy_estimate(layer(hits, hits))
    assert estimate.value == float(hits[0])
    assert estimate.high - estimate.low > 0.02


def test_chance_is_one_of_all_sentences():
    assert not is_above_chance(layer("1" + "0" * 99, "0" * 99 + "1"))
    assert is_above_chance(layer("1" * 20 + "0" * 80, "0" * 100))
    assert not is_above_chance(layer("0" * 100, "0" * 100))


def test_other_sentences_are_not_compared_even_where_they_are_as_many(runs: list[RunRecords]):
    other = drawn(0.5, 2).model_copy(update={"texts": "another digest"})
    assert compare_layers(drawn(0.5, 1), drawn(0.5, 2)) is not None
    assert compare_layers(drawn(0.5, 1), other) is None
    changed = [
        replace(run, alignment=tuple(one.model_copy(update={"texts": "another digest"}) for one in run.alignment))
        if run.label == EXTENDED
        else run
        for run in runs
    ]
    words = {(row["group"], row["verdict"]) for row in table_rows(changed, "alignment.comparisons")}
    assert (f"{EXTENDED} against {ORIGINAL}", "not comparable: different sentences") in words
    assert not any(group.startswith(ORIGINAL) and word.startswith("not comparable") for group, word in words)


def test_the_middle_layer_is_halfway_and_the_best_has_the_most_hits(runs: list[RunRecords]):
    found = score_alignment(runs)["original-0MB", ("en", "zh")]
    assert [found.middle.layer, found.best.layer] == [2, 1]
    thirty_three = replace(found, layers=tuple(drawn(0.2, place, place) for place in range(33)))
    assert thirty_three.middle.layer == 16


def test_new_pieces_are_compared_at_the_same_text_and_everything_with_the_base(runs: list[RunRecords]):
    compared = compare_alignment(runs)
    assert {(found.arm, found.control, found.about) for found in compared} == {
        ("extended-0MB", "original-0MB", "vocabulary"),
        ("extended-0.4MB-r0.2", "original-0.4MB-r0.2", "vocabulary"),
        (EXTENDED, ORIGINAL, "vocabulary"),
        ("original-0.4MB-r0.2", "original-0MB", "base"),
        (ORIGINAL, "original-0MB", "base"),
        ("extended-0.4MB-r0.2", "original-0MB", "base"),
        (EXTENDED, "original-0MB", "base"),
    }


def test_runs_that_differ_in_more_than_their_pieces_are_no_test_of_them(runs: list[RunRecords]):
    slower = [
        replace(run, settings={**run.settings, "pretraining.replay": 0.5}) if run.label == EXTENDED else run
        for run in runs
    ]
    other_seed = [replace(run, seed=1) if run.label == EXTENDED else run for run in runs]
    for changed in (slower, other_seed):
        assert EXTENDED not in {arm.label for arm, _ in vocabulary_controls(changed)}
    focus = [
        replace(run, settings={**run.settings, "initialisation.input": "focus"}) if run.label == EXTENDED else run
        for run in runs
    ]
    assert (EXTENDED, ORIGINAL) in {(arm.label, control.label) for arm, control in vocabulary_controls(focus)}


def test_p_values_are_adjusted_over_the_whole_table(runs: list[RunRecords]):
    many = [one for found in compare_alignment(runs) for one in found.differences]
    two = [run for run in runs if run.label in (EXTENDED, ORIGINAL)]
    (few,) = compare_alignment(two)
    alone = few.differences[0]
    among = next(one for one in many if one.paired == alone.paired)
    assert alone.adjusted_p is not None
    assert among.adjusted_p is not None
    assert alone.paired is not None
    assert alone.paired.p_value <= alone.adjusted_p <= 2 * alone.paired.p_value
    assert among.adjusted_p >= alone.adjusted_p


def test_the_table_holds_what_the_records_hold(runs: list[RunRecords]):
    rows = table_rows(runs, "alignment")
    assert [row["run"] for row in rows] == [run.label for run in runs]
    for row, run in zip(rows, runs, strict=True):
        middle, best = run.alignment[2], run.alignment[1]
        assert (row["middle_layer"], row["best_layer"], row["num_cut"]) == (2, 1, 0)
        assert row["middle_accuracy"]["value"] == pytest.approx(accuracy(middle))
        assert row["middle_accuracy"]["low"] < accuracy(middle) < row["middle_accuracy"]["high"]
        assert row["best_accuracy"]["value"] == pytest.approx(accuracy(best))
        assert row["middle_forward"] == middle.forward_hits.count("1") / NUM_SENTENCES
        assert row["middle_margin"] == pytest.approx(0.1)
    (layers,) = alignment_layer_tables(runs)
    assert len(layers.to_json()["rows"]) == 4 * len(runs)


def test_a_run_that_is_planned_and_not_finished_is_missing_and_one_without_is_left_out(bare: list[RunRecords]):
    aligned = with_alignment(bare, original_2MB=0.5, extended_2MB=None)
    unplanned = next(run for run in bare if run.label == "original-0MB")
    found = [unplanned, *aligned]
    rows = {row["run"]: row for row in table_rows(found, "alignment")}
    assert rows.keys() == {ORIGINAL, EXTENDED}
    assert rows[EXTENDED]["middle_accuracy"] == {"state": "missing"}
    compared = table_rows(found, "alignment.comparisons")
    assert {row["group"] for row in compared} == {f"{EXTENDED} against {ORIGINAL}"}
    assert {row["verdict"] for row in compared} == {"missing"}
    _, hypothesis = findings_of(found)
    assert hypothesis.heading.endswith("alignment? missing")
    assert "nothing can be compared yet" in hypothesis.text


def test_a_study_without_alignment_shows_none(bare: list[RunRecords]):
    assert alignment_tables(bare, []) == alignment_layer_tables(bare) == alignment_findings(bare, []) == ()
    assert compare_alignment(bare) == []
    assert alignment_figure(bare) is None


@pytest.mark.parametrize(
    ("small", "large", "outcome", "tone"),
    [
        (0.2, 0.3, "yes", "bad"),
        (0.4, 0.5, "not shown", ""),
        (0.2, 0.5, "in part", "bad"),
        (0.6, 0.7, "no, it gains", "good"),
        (0.2, 0.7, "it depends", ""),
    ],
)
def test_the_verdict_on_new_pieces_follows_from_the_pairs(
    bare: list[RunRecords], small: float, large: float, outcome: str, tone: str
):
    found = with_alignment(
        bare, original_0_4MB=0.4, original_2MB=0.5, extended_0_4MB=small, extended_2MB=large, original_0MB=0.3
    )
    _, hypothesis = findings_of(found)
    assert hypothesis.heading == f"Does a larger vocabulary cost English\u2013Chinese alignment? {outcome}"
    assert hypothesis.tone == tone
    assert hypothesis.text.startswith(HYPOTHESIS)
    words = [re.search(r"points at the middle layer, ([a-z ]+);", point) for point in hypothesis.points]
    told = [word.group(1) for word in words if word]
    assert len(told) == len(hypothesis.points) == 2
    assert f"in {told.count('hurts')} of 2 pairs, and aligns better in {told.count('helps')}" in hypothesis.text


def test_where_nobody_is_above_chance_nothing_is_said_to_be_lost(bare: list[RunRecords]):
    found = [
        replace(run, alignment=tuple(layer("0" * 99 + "1", "0" * 100, place) for place in range(4)))
        for run in with_alignment(bare, original_2MB=0.5, extended_2MB=0.5)
    ]
    level, hypothesis = findings_of(found)
    assert hypothesis.heading.endswith("nothing to lose yet")
    assert "in 1 neither side is above chance" in hypothesis.text
    assert "the untouched base" not in level.text


def test_the_level_is_told_from_the_base_to_the_best(runs: list[RunRecords]):
    level, _ = findings_of(runs)
    base, best = (next(run.alignment for run in runs if run.label == label) for label in ("original-0MB", ORIGINAL))
    assert f"{100 * accuracy(base[2]):.1f}\u202f% have their own translation nearest" in level.text
    assert f"{100 * accuracy(best[2]):.1f}\u202f% have their own translation nearest" in level.text
    assert "(2 of 3) under original-0MB, the untouched base" in level.text
    assert f"under {ORIGINAL}, the most of 6 runs" in level.text
    assert "Of 5 runs beside the base" in level.text


def test_the_figure_has_a_line_for_every_run_and_one_for_the_control(runs: list[RunRecords]):
    figure = alignment_figure(runs)
    assert figure is not None
    (drawing,) = figure.drawings
    assert drawing.count("<path") - drawing.count("leader") == len(runs) + 1
    assert drawing.count("stroke-dasharray") == 1
    assert "shuffled: 0.3 at layer 0" in drawing
    assert all(run.label in drawing for run in runs)


def test_many_runs_are_drawn_by_their_largest_budgets(runs: list[RunRecords]):
    again = [replace(run, label=f"{run.label}-again", seed=1) for run in runs]
    figure = alignment_figure([*runs, *again])
    assert figure is not None
    (drawing,) = figure.drawings
    described = drawing.partition('-desc">')[2].partition("</desc>")[0]
    drawn_runs = re.findall(r"(\S+): [\d.]+ at layer 0", described)
    assert drawn_runs == ["original-0MB", ORIGINAL, EXTENDED, f"{ORIGINAL}-again", f"{EXTENDED}-again", "shuffled"]
    assert "at most 6 are drawn" in figure.caption


def test_every_target_has_a_panel_and_findings_of_its_own(runs: list[RunRecords]):
    swahili = [
        replace(
            run,
            label=f"{run.label}-sw",
            settings={**run.settings, "target": "sw"},
            alignment=tuple(one.model_copy(update={"target": "sw"}) for one in run.alignment),
        )
        for run in runs
    ]
    found = [*runs, *swahili]
    figure = alignment_figure(found)
    assert figure is not None
    assert len(figure.drawings) == 2
    assert {row["group"] for row in table_rows(found, "alignment")} == {"English\u2013Chinese", "English\u2013Swahili"}
    assert len(findings_of(found)) == 4
    arms = {(one.arm, one.control) for one in compare_alignment(found)}
    assert (f"{EXTENDED}-sw", f"{ORIGINAL}-sw") in arms
    assert not any(arm.endswith("-sw") != control.endswith("-sw") for arm, control in arms)


def test_alignment_is_read_from_a_runs_artifact(tmp_path: Path, study):
    folder = tmp_path / "alignment"
    folder.mkdir()
    (folder / "manifest.json").write_text('{"name": "a1", "stage": "alignment"}', encoding="utf-8")
    layers = curve(0.4, 1)
    (folder / "alignment.jsonl").write_text("".join(f"{one.model_dump_json()}\n" for one in layers), encoding="utf-8")
    first: RunFolders = study.runs[0]
    (run,) = read_runs([replace(first, artifacts={**first.artifacts, "alignment": folder})])
    assert run.alignment == layers
