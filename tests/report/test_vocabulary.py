"""Larger vocabularies: paired with the right control, compared at equal text and equal compute, and never beyond."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from loanword.model.shape import DecoderShape
from loanword.records import TokenizerMeasure
from loanword.report.comparisons import compare
from loanword.report.extensions import Decoder, Extension, PassedOver, SourceChange, read_decoder, read_extension
from loanword.report.gather import RunRecords, StudyInfo, read_runs
from loanword.report.knowledge import score_knowledge
from loanword.report.likelihoods import score_languages
from loanword.report.page import render
from loanword.report.sections import compose
from loanword.report.vocabulary import NEVER, break_even, vocabulary_pairs
from loanword.report.vocabulary_tables import costs_table, extensions_table, levels_table
from loanword.report.vocabulary_words import answers, break_even_text, interval_text

SHAPE = DecoderShape(192, 3, 3, 1, 64, 512, 4_000)
NEW_PIECES = 2_000


@pytest.fixture(scope="module")
def runs(study) -> list[RunRecords]:
    """The finished runs, each with the model that it would end with."""
    finished = [run for run in read_runs(study.runs) if not run.missing()]
    return [replace(run, decoder=Decoder(SHAPE.extended(_pieces(run)), 1_024)) for run in finished]


def _pieces(run: RunRecords) -> int:
    return int(run.settings["tokenizer.num_new_pieces"])


def pairs_of(runs):
    return vocabulary_pairs(runs, score_languages(runs))


def with_settings(run: RunRecords, label: str, **settings) -> RunRecords:
    changed = {key.replace("__", "."): value for key, value in settings.items()}
    return replace(run, label=label, settings={**run.settings, **changed})


def test_an_arm_is_paired_with_the_control_that_differs_in_its_pieces_alone(runs):
    found = [(pair.arm.runs[-1].label, pair.control.runs[-1].label) for pair in pairs_of(runs)]
    assert found == [
        ("extended-2MB-r0.2", "original-2MB-r0.2"),
        ("extended-2MB-r0", "original-2MB-r0"),
    ]
    slower = [
        with_settings(run, run.label, pretraining__steps__peak_learning_rate=1e-4) if _pieces(run) else run
        for run in runs
    ]
    assert pairs_of(slower) == []


def test_arms_that_differ_in_how_new_rows_start_share_a_control(runs):
    others = [
        with_settings(run, f"{run.label}-focus", initialisation__input="focus", tokenizer__method="append")
        for run in runs
        if _pieces(run)
    ]
    controls = {pair.arm.runs[-1].label: pair.control.runs[-1].label for pair in pairs_of([*runs, *others])}
    assert controls["extended-2MB-r0.2-focus"] == controls["extended-2MB-r0.2"] == "original-2MB-r0.2"


def test_controls_that_settings_of_new_pieces_tell_apart_are_one(runs):
    others = [with_settings(run, f"{run.label}-focus", initialisation__input="focus") for run in runs]
    found = [pair.control.runs[-1].label for pair in pairs_of([*runs, *others])]
    assert sorted(found) == ["original-2MB-r0", "original-2MB-r0", "original-2MB-r0.2", "original-2MB-r0.2"]


def test_seeds_are_lines_of_their_own(runs):
    again = [replace(run, label=f"{run.label}-again", seed=1) for run in runs]
    assert [pair.arm.runs[-1].seed == pair.control.runs[-1].seed for pair in pairs_of([*runs, *again])] == [True] * 4


def test_the_difference_at_equal_text_is_that_of_the_comparisons(runs):
    pair, *_ = pairs_of(runs)
    scores = score_languages(runs)
    (found,) = compare([("extended-2MB-r0.2", "original-2MB-r0.2")], runs, scores, score_knowledge(runs))
    assert pair.last is not None
    assert pair.last.equal_text.paired == found.differences[0].paired


def test_the_control_at_equal_compute_is_interpolated_in_the_logarithm_of_flops(runs):
    pair, *_ = pairs_of(runs)
    by_label = {run.label: run for run in runs}
    bits = {}
    for label, run in by_label.items():
        read = run.likelihoods["zh"]
        bits[label] = read.nats.sum() / math.log(2) / read.num_bytes.sum()
    flops = {
        label: run.summaries["pretraining"].train_flops
        for label, run in by_label.items()
        if run.summaries.get("pretraining")
    }
    small, large, arm = "original-0.4MB-r0.2", "original-2MB-r0.2", "extended-2MB-r0.2"
    share = math.log(flops[arm] / flops[small]) / math.log(flops[large] / flops[small])
    expected = bits[arm] - (bits[small] + share * (bits[large] - bits[small]))
    assert 0 < share < 1
    assert pair.last is not None
    measured = pair.last.equal_compute.paired
    assert measured is not None
    assert measured.difference.value == pytest.approx(expected, abs=1e-12)
    assert measured.difference.low < expected < measured.difference.high


def test_nothing_is_said_beyond_the_compute_that_the_control_was_measured_at(runs):
    pair, *_ = pairs_of(runs)
    small = next(level for level in pair.levels if level.asked == "400\u202fkB")
    assert small.equal_compute.outside == "below"
    assert small.equal_compute.paired is None
    costly = [
        replace(
            run,
            summaries={role: found.model_copy(update={"train_flops": 1e18}) for role, found in run.summaries.items()},
        )
        if run.label == "extended-2MB-r0.2"
        else run
        for run in runs
    ]
    beyond, *_ = pairs_of(costly)
    assert beyond.levels[-1].equal_compute.outside == "beyond"
    assert beyond.at_equal_compute is None
    assert "beyond the control\u2019s" in json.dumps(levels_table([beyond]).to_json(), ensure_ascii=False)


def test_other_documents_are_not_compared(runs):
    fewer = [_without_a_document(run) if run.label == "extended-2MB-r0.2" else run for run in runs]
    pair, *_ = pairs_of(fewer)
    assert pair.levels[-1].equal_text.paired is None
    assert pair.levels[-1].equal_compute.paired is None
    assert pair.at_equal_text is not None
    assert pair.at_equal_text.largest < 1e6


def _without_a_document(run: RunRecords) -> RunRecords:
    read = run.likelihoods["zh"]
    cut = replace(
        read, ids=read.ids[1:], nats=read.nats[1:], num_tokens=read.num_tokens[1:], num_bytes=read.num_bytes[1:]
    )
    return replace(run, likelihoods={**run.likelihoods, "zh": cut})


# Break-even.

BUDGETS = np.array([1e5, 1e6, 1e7])


def found_for(*differences: float, spread: float = 0.0):
    resampled = np.array(differences) + spread * np.random.default_rng(3).normal(size=(4_000, 1))
    return break_even(BUDGETS[: len(differences)], np.array(differences), resampled)


def test_a_crossing_halfway_lies_halfway_in_the_logarithm():
    found = found_for(0.2, -0.2, -0.4)
    assert found.bytes.value == pytest.approx(10**5.5)
    assert (found.bytes.low, found.median, found.bytes.high) == pytest.approx([10**5.5] * 3)


def test_an_arm_that_is_always_ahead_breaks_even_at_the_smallest_budget():
    found = found_for(-0.1, -0.2)
    assert (found.bytes.value, found.share_from_start, found.share_never) == (0, 1, 0)
    assert break_even_text(found, "equal text") == "already at the smallest measured budget, 100\u202fkB"


def test_an_arm_that_is_behind_at_the_largest_budget_does_not_break_even():
    behind, ahead_before = found_for(0.1, 0.2), found_for(-0.1, 0.2)
    assert break_even_text(behind, "equal text") == "at no measured budget up to 1\u202fMB"
    expected = "ahead before, but not at the largest measured budget, 1\u202fMB"
    assert break_even_text(ahead_before, "equal text") == expected


def test_budgets_that_were_measured_and_have_no_control_at_their_compute_are_not_passed_over_in_silence():
    expected = "already at the smallest budget with a control at such compute, 100\u202fkB"
    assert break_even_text(found_for(-0.1, -0.2), "equal compute") == expected
    assert "at no budget with a control at such compute" in break_even_text(found_for(0.1, 0.2), "equal compute")


def test_a_crossing_counts_only_if_the_arm_stays_ahead():
    assert found_for(0.2, -0.2, 0.2).bytes.value == NEVER
    assert found_for(-0.2, 0.2, -0.2).bytes.value == pytest.approx(10**6.5)


def test_resamples_without_a_crossing_are_counted_and_bound_the_interval():
    found = found_for(0.05, -0.05, spread=0.1)
    resampled = 0.1 * np.random.default_rng(3).normal(size=4_000)
    assert found.share_never == pytest.approx(np.mean(resampled > 0.05))
    assert found.share_from_start == pytest.approx(np.mean(resampled <= -0.05))
    assert interval_text(found) == "below 100\u202fkB to beyond 1\u202fMB"


@given(st_numpy.arrays(np.float64, (5, 4), elements=st.floats(-1, 1).filter(lambda value: abs(value) > 1e-3)))
def test_crossings_are_those_found_by_walking_from_the_largest_budget(differences_RB):
    budgets = np.array([1e3, 1e4, 3e5, 1e6])
    crossings = [_walked(budgets, row) for row in differences_RB]
    found = break_even(budgets, differences_RB[0], differences_RB)
    assert found.bytes.value == pytest.approx(crossings[0])
    assert found.median == pytest.approx(sorted(crossings)[2])
    assert found.share_never == sum(math.isinf(one) for one in crossings) / 5


def _walked(budgets, differences) -> float:
    """In steps of a thousandth of the way between budgets, down from the largest for as long as the arm is ahead."""
    if differences[-1] > 0:
        return math.inf
    for place in range(len(budgets) - 2, -1, -1):
        if differences[place] > 0:
            low, high = 0.0, 1.0
            for _ in range(60):
                middle = (low + high) / 2
                behind = differences[place] * (1 - middle) + differences[place + 1] * middle > 0
                low, high = (middle, high) if behind else (low, middle)
            return float(budgets[place] ** (1 - low) * budgets[place + 1] ** low)
    return 0.0


# What is said.


def test_the_answer_is_yes_where_the_arm_helps_at_equal_text_and_hurts_nowhere(runs):
    (answer,) = answers(pairs_of(runs)[:1])
    assert answer.heading == "A larger vocabulary for Chinese: yes"
    assert "51.9\u202f% fewer tokens (2.320 to 1.115 a character)" in answer.points[0]
    assert "at equal compute" in answer.short
    assert "Break-even at equal text: " in answer.points[0]


def test_the_answer_says_where_nothing_was_measured_at_equal_compute(runs):
    _, pair = pairs_of(runs)
    assert pair.last is not None
    assert pair.last.equal_compute.paired is None
    (answer,) = answers([pair])
    assert answer.outcome == "yes at equal text (compute not measured)"
    assert answer.tone == ""
    assert "nothing was measured at equal compute" in answer.short


def test_an_answer_counts_text_as_it_was_read(runs):
    more = [
        replace(
            run,
            summaries={
                role: found.model_copy(update={"num_target_bytes": 35_000 + found.num_target_bytes})
                for role, found in run.summaries.items()
            },
        )
        for run in runs
    ]
    (answer,) = answers(pairs_of(more)[:1])
    assert answer.short.startswith("At the largest budget, 2.04\u202fMB: ")


def test_the_answer_depends_where_arms_disagree(runs):
    worse = [_with_nats(run, 1.5) if run.label == "extended-2MB-r0" else run for run in runs]
    (answer,) = answers(pairs_of(worse))
    assert answer.outcome == "it depends"
    assert answer.short == "Of 2 arms with new pieces: yes for 1 and no at equal text (compute not measured) for 1."


def _with_nats(run: RunRecords, factor: float) -> RunRecords:
    read = run.likelihoods["zh"]
    return replace(run, likelihoods={**run.likelihoods, "zh": replace(read, nats=factor * read.nats)})


def test_a_study_that_has_not_measured_both_says_so(runs):
    bare = [replace(run, likelihoods={}) for run in runs]
    (answer,) = answers(pairs_of(bare)[:1])
    assert answer.outcome == "missing"
    assert "No budget has bits per byte of both vocabularies yet." in answer.points[0]


def test_costs_are_those_of_the_formulas_on_held_out_tokens(runs):
    rows = costs_table(pairs_of(runs)).to_json()["rows"]
    assert [row["vocabulary"] for row in rows] == ["original vocabulary", "+2,000 pieces"]
    before, after = rows
    # The matrices of three layers, seven norms, and the head; the input table is looked up.
    layer = 2 * 192 * 192 + 2 * 192 * 64 + 3 * 192 * 512
    multiplied = 3 * layer + 7 * 192 + 4_000 * 192
    assert before["flops_per_megabyte"] == pytest.approx(6 * multiplied * 1e6 / 1.25)
    assert after["flops_per_megabyte"] == pytest.approx(6 * (multiplied + NEW_PIECES * 192) * 1e6 / 2.6)
    # Two numbers of two bytes a head width and layer, and 2.9 bytes a character.
    assert before["key_value_bytes_per_character"] == pytest.approx(2 * 2 * 3 * 64 * 2.9 / 1.25)
    assert after["context_bytes"] == pytest.approx(1_024 * 2.6)
    assert after["parameters"] - before["parameters"] == 2 * NEW_PIECES * 192


def test_without_measures_tokens_are_those_of_the_held_out_documents(runs):
    bare = [replace(run, measures=()) for run in runs]
    rows = costs_table(pairs_of(bare)).to_json()["rows"]
    scores = score_languages(runs)
    expected = 1 - scores["extended-2MB-r0.2", "zh"].num_tokens / scores["original-2MB-r0.2", "zh"].num_tokens
    assert rows[1]["tokens_saved"] == pytest.approx(expected)
    assert rows[1]["tokens_per_character"] == {"state": "missing"}


def test_the_bases_own_measures_in_an_extensions_artifact_stand_for_the_control(runs):
    measure = next(one for one in runs[0].measures if one.language == "zh")
    elsewhere = [
        replace(run, measures=run.measures if _pieces(run) else (), extension=Extension((measure,))) for run in runs
    ]
    assert costs_table(pairs_of(elsewhere)).to_json() == costs_table(pairs_of(runs)).to_json()


def test_source_words_and_passed_over_pieces_are_shown_once_a_tokenizer(runs):
    change = SourceChange.model_validate(
        {"num_words": 4_000, "num_changed_words": 2, "firing_pieces": [{"text": "ba", "num_words": 2}]}
    )
    passed = tuple(PassedOver(text=text, reason="fires in gate text", num_tokens=3) for text in "abc")
    told = [replace(run, extension=Extension((), change, passed)) if _pieces(run) else run for run in runs]
    (row,) = extensions_table(told).to_json()["rows"]
    assert row["changed_share"] == 0.0005
    assert row["changed_pieces"] == "ba (2)"
    assert (row["num_passed_over"], row["reasons"]) == (3, "fires in gate text: 3")


def test_an_artifact_is_read_with_and_without_what_later_stages_write(tmp_path):
    assert read_extension(tmp_path) == Extension()
    assert read_decoder(tmp_path) is None
    measure = TokenizerMeasure(
        language="zh", num_tokens=1, num_bytes=3, tokens_per_character=1.0, bytes_per_token=3.0,
        tokens_per_word=None, byte_fallback_share=0.0,
    )  # fmt: skip
    (tmp_path / "base_measures.jsonl").write_text(measure.to_json() + "\n", encoding="utf-8")
    (tmp_path / "source_change.json").write_text('{"num_words":9,"num_changed_words":1,"later":0}', encoding="utf-8")
    (tmp_path / "skipped.jsonl").write_text('{"text":"a","reason":"too long","num_tokens":2}\n', encoding="utf-8")
    found = read_extension(tmp_path)
    assert found.base_measures == (measure,)
    assert found.change == SourceChange(num_words=9, num_changed_words=1)
    assert found.passed_over == (PassedOver(text="a", reason="too long", num_tokens=2),)


def test_the_page_answers_the_question_and_leaves_it_out_where_no_vocabulary_is_larger(runs):
    told = render(compose(runs, StudyInfo("s", "")))
    assert '<section id="vocabulary" class="detail">' in told
    assert "<dt>A larger vocabulary for Chinese: yes at equal text</dt>" in told
    assert "Bits per byte against training compute" in told
    without = render(compose([run for run in runs if not _pieces(run)], StudyInfo("s", "")))
    assert '<section id="vocabulary"' not in without
    assert "This study has no pair that tells. Two runs would" in without
    assert "A larger vocabulary for" not in without


def test_one_name_of_a_vocabulary_stands_in_every_place(runs):
    appended = [with_settings(run, f"{run.label}-appended", tokenizer__method="append") for run in runs if _pieces(run)]
    learned = [
        with_settings(run, run.label, tokenizer__method="continued-bpe") if _pieces(run) else run for run in runs
    ]
    page = render(compose([*learned, *appended], StudyInfo("s", "")))
    assert "+2,000 pieces, appended, replay 20" in page
    assert "pieces by" not in page
    assert "extended, +2,000 pieces" not in page
