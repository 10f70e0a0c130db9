"""Arms against controls: what the synthetic study was built to show is what the report says."""

from dataclasses import replace

import pytest

from loanword.report.arms import budget_arms, factors
from loanword.report.comparisons import all_pairs, best_run, compare, reference_run
from loanword.report.gather import RunFolders, RunRecords, read_runs
from loanword.report.knowledge import score_knowledge
from loanword.report.likelihoods import score_languages


@pytest.fixture(scope="module")
def runs(study) -> list[RunRecords]:
    return read_runs(study.runs)


@pytest.fixture(scope="module")
def verdicts(study, runs):
    scores, knowledge = score_languages(runs), score_knowledge(runs)
    found = compare(all_pairs(study.info, runs, scores), runs, scores, knowledge)
    return {
        (one.arm, one.control, difference.measure.key): difference for one in found for difference in one.differences
    }


def test_extension_helps_the_target_and_leaves_the_source(verdicts):
    pair = ("extended-2MB-r0.2", "original-2MB-r0.2")
    assert verdicts[(*pair, "bits_per_byte.zh")].verdict.word == "helps"
    assert verdicts[(*pair, "bits_per_byte.en")].verdict.word == "no difference"
    assert "no difference larger than 0.0" in verdicts[(*pair, "bits_per_byte.en")].verdict_text


def test_replay_helps_the_source(verdicts):
    found = verdicts["original-2MB-r0.2", "original-2MB-r0", "bits_per_byte.en"]
    assert found.verdict.word == "helps"
    assert found.paired.difference.value == pytest.approx(-0.37, abs=0.03)


def test_a_few_hundred_questions_do_not_decide(verdicts):
    assert verdicts["extended-2MB-r0.2", "original-2MB-r0.2", "accuracy.ceval"].verdict.word == "not enough data"


def test_a_missing_arm_is_missing_not_equal(verdicts):
    found = verdicts["extended-2MB-r0.2-sft1000", "extended-2MB-r0.2", "bits_per_byte.zh"]
    assert (found.paired, found.verdict_text) == (None, "missing")


def test_p_values_are_adjusted_over_the_whole_page(verdicts):
    paired = [one for one in verdicts.values() if one.paired is not None]
    smallest = min(paired, key=lambda one: one.paired.p_value)
    assert smallest.adjusted_p == pytest.approx(min(1.0, len(paired) * smallest.paired.p_value))
    assert all(one.adjusted_p >= one.paired.p_value for one in paired)


def test_runs_over_other_documents_are_not_compared(runs):
    arm, control = runs[2], runs[1]
    chinese = arm.likelihoods["zh"]
    cut = replace(
        chinese,
        ids=chinese.ids[:-1],
        nats=chinese.nats[:-1],
        num_tokens=chinese.num_tokens[:-1],
        num_bytes=chinese.num_bytes[:-1],
    )
    shorter = replace(arm, likelihoods={**arm.likelihoods, "zh": cut})
    pair = [(shorter.label, control.label)]
    found = compare(pair, [shorter, control], score_languages([shorter, control]), {})[0].differences[0]
    assert found.verdict_text == "not comparable: different examples"


def test_a_comparison_names_every_factor_that_differs(runs):
    by_label = {run.label: run for run in runs}
    assert factors(by_label["extended-2MB-r0.2"], by_label["original-2MB-r0.2"]) == ["new pieces: 0 to 2,000"]
    # Replay comes with further pretraining and is no factor of its own against a run without any.
    assert len(factors(by_label["extended-2MB-r0.2"], by_label["original-0MB"])) == 2


def test_the_reference_is_the_untouched_base_and_the_best_has_the_fewest_bits(runs):
    scores = score_languages(runs)
    assert reference_run(runs).label == "original-0MB"  # type: ignore[union-attr]
    best = best_run(runs, scores, "zh")
    assert best is not None
    assert scores[best.label, "zh"].bits_per_byte.value == min(
        score.bits_per_byte.value for (_, language), score in scores.items() if language == "zh"
    )


def test_other_executions_are_marked(runs):
    arm, control = runs[2], runs[1]
    base = arm.artifacts["base"]
    assert base is not None
    provenance = base.manifest.provenance.model_copy(update={"execution": {"device": "cuda"}})
    moved = replace(base, manifest=base.manifest.model_copy(update={"provenance": provenance}))
    elsewhere = replace(arm, artifacts={**arm.artifacts, "base": moved})
    assert compare([(elsewhere.label, control.label)], [elsewhere, control], {}, {})[0].other_execution
    assert not compare([(arm.label, control.label)], [arm, control], {}, {})[0].other_execution


def test_a_pair_that_names_no_run_is_a_bug(runs):
    with pytest.raises(ValueError, match="nobody"):
        compare([("nobody", runs[0].label)], runs, {}, {})


def test_lines_against_budget_start_at_the_run_without_text(runs):
    arms = {arm.phrases: [run.label for run in arm.runs] for arm in budget_arms(runs)}
    assert arms == {
        ("original vocabulary", "replay 20\u202f%"): ["original-0MB", "original-0.4MB-r0.2", "original-2MB-r0.2"],
        ("+2,000 pieces", "replay 20\u202f%"): ["extended-0MB", "extended-0.4MB-r0.2", "extended-2MB-r0.2"],
        ("original vocabulary", "no replay"): ["original-0MB", "original-2MB-r0"],
        ("+2,000 pieces", "no replay"): ["extended-0MB", "extended-2MB-r0"],
    }


def test_settings_of_new_pieces_are_no_factors_where_there_are_none():
    common = {"tokenizer.gate_bytes": 20, "initialisation.input": "focus", "pretraining.budget.bytes": 9}
    settings = {
        "original": {"tokenizer.num_new_pieces": 0, "tokenizer.method": "continued-bpe", **common},
        "extended": {"tokenizer.num_new_pieces": 5, "tokenizer.method": "continued-bpe", **common},
        "appended": {"tokenizer.num_new_pieces": 5, "tokenizer.method": "append", **common},
    }
    original, extended, appended = read_runs([RunFolders(name, made, 0, {}) for name, made in settings.items()])
    assert factors(extended, original) == ["new pieces: 0 to 5"] == factors(appended, original)
    assert factors(appended, extended) == ["pieces by: continued-bpe to append"]
    names = [arm.phrases for arm in budget_arms([original, extended, appended])]
    assert names == [("original vocabulary",), ("+5 pieces",), ("+5 pieces, appended",)]


def test_a_published_base_is_one_factor_whatever_it_is_put_together_from(runs):
    original = replace(runs[0], settings={**runs[0].settings, "base.model": "org/original"})
    patch = {"base.model": "org/patch", "base.patch": "org/patch", "base.original_weights": "org/original"}
    patched = replace(original, settings={**original.settings, **patch})
    adapted = replace(original, settings={**original.settings, "base.adapter": "org/adapter"})
    assert len(factors(patched, original)) == len(factors(adapted, original)) == 1
    assert "org/adapter" in factors(adapted, original)[0]
    other = replace(adapted, settings={**adapted.settings, "tuning.epochs": 7})
    assert len(factors(other, original)) == 2
