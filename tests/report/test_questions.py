"""The four questions: answered by their rules, or said to be beyond the study, with what limits the evidence."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from loanword.report import RunFolders, StudyInfo, write_report
from loanword.report.gather import RunRecords, read_runs
from loanword.report.knowledge import score_knowledge
from loanword.report.likelihoods import score_languages
from loanword.report.questions import Verdict, loss_verdict, replay_differences, replay_pairs
from loanword.report.retention import retained
from loanword.report.section import Section
from loanword.report.sections import compose
from loanword.report.steps import instruction_pairs, steps, text_pairs

REPLAY = "pretraining.replay"


@pytest.fixture(scope="module")
def runs(study) -> list[RunRecords]:
    return read_runs(study.runs)


@pytest.fixture(scope="module")
def asked(runs, study) -> dict[str, Section]:
    return {section.key: section for section in compose(runs, study.info).questions}


def verdict_of(section: Section) -> Verdict:
    assert section.verdict is not None
    return section.verdict


def losses(runs: list[RunRecords]) -> Verdict:
    scores = score_languages(runs)
    return loss_verdict(runs, retained(runs, scores, score_knowledge(runs)), replay_differences(runs, scores))


def test_each_question_has_verdict_table_figure_and_limits(asked: dict[str, Section]):
    assert list(asked) == ["larger-vocabulary", "how-much", "retention", "aligned"]
    for key in ("larger-vocabulary", "how-much", "retention"):
        section = asked[key]
        assert verdict_of(section).is_told
        assert section.tables and section.figures and section.limits
    assert verdict_of(asked["larger-vocabulary"]).outcome == "Chinese: yes at equal text (compute not measured)" or (
        verdict_of(asked["larger-vocabulary"]).outcome == "Chinese: yes at equal text"
    )


def test_a_question_without_a_pair_that_tells_says_which_runs_would(study):
    alone = compose(read_runs([study.run("original-0MB")]), StudyInfo("s", ""))
    verdicts = [verdict_of(section) for section in alone.questions]
    assert [verdict.is_told for verdict in verdicts] == [False] * 4
    assert all("would" in verdict.text or "It takes" in verdict.text for verdict in verdicts)


def test_steps_lie_between_neighbours_that_differ_in_one_amount_alone(runs: list[RunRecords]):
    by_label = {run.label: run for run in runs}
    texts, instructions = text_pairs(runs), instruction_pairs(runs)
    assert ("original-2MB-r0.2", "original-0.4MB-r0.2") in texts
    assert ("original-2MB-r0.2", "original-0MB") not in texts
    assert ("original-2MB-r0.2-sft1000", "original-2MB-r0.2-sft200") in instructions
    assert ("original-2MB-r0.2-sft1000", "original-2MB-r0.2") not in instructions
    for arm, control in instructions:
        ours, theirs = by_label[arm].settings, by_label[control].settings
        assert {key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)} == {"tuning.num_conversations"}


def test_steps_in_text_are_told_in_bits_per_byte_of_the_target_language(runs: list[RunRecords]):
    found = steps(runs, score_languages(runs), score_knowledge(runs))
    text = [one for one in found if one.about == "text"]
    assert {one.measure for one in text} == {"Chinese, bits per byte"}
    assert {one.word for one in text} == {"helps"}


def test_replay_prevents_a_loss_lessens_it_or_is_not_there_to_tell(runs: list[RunRecords]):
    assert losses(runs).outcome == "it loses; replay lessens the loss and does not prevent it"
    kept = [replace(run, likelihoods=_of_base(run, runs)) if run.settings.get(REPLAY) else run for run in runs]
    assert losses(kept).outcome == "replay prevents the loss"
    without = [run for run in runs if not run.settings.get(REPLAY)]
    assert replay_pairs(without) == []
    assert losses(without).outcome == "it loses; what replay does cannot be told"
    untouched = [run for run in runs if run.is_pretrained]
    assert not losses(untouched).is_told


def _of_base(run: RunRecords, runs: list[RunRecords]):
    base = next(one for one in runs if one.label == "original-0MB")
    return {**run.likelihoods, "en": base.likelihoods["en"]} if run.likelihoods else run.likelihoods


def test_limits_name_the_seed_the_missing_run_and_other_executions(study, asked: dict[str, Section], tmp_path: Path):
    limits = " ".join(asked["how-much"].limits)
    assert "with seed 0" in limits
    assert "1 of 12 runs still lack records that belong here: extended-2MB-r0.2-sft1000" in limits
    assert "200 held-out documents" in limits
    assert "executions" not in " ".join(asked["larger-vocabulary"].limits)
    runs = [_moved(run, tmp_path) if run.label == "extended-2MB-r0.2" else run for run in study.runs]
    moved = compose(read_runs(runs), study.info).questions[0]
    assert any(
        "1 of the compared pairs were built under different executions" in limit and "extended-2MB-r0.2" in limit
        for limit in moved.limits
    )


def _moved(run: RunFolders, folder: Path) -> RunFolders:
    """A run whose further pretraining ran on another device."""
    before = run.artifacts["pretraining"]
    assert before is not None
    after = folder / "pretraining"
    after.mkdir()
    for file in before.iterdir():
        (after / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((after / "manifest.json").read_text(encoding="utf-8"))
    manifest["provenance"]["execution"]["device"] = "cuda"
    (after / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return RunFolders(run.label, run.settings, run.seed, {**run.artifacts, "pretraining": after})


def test_the_json_holds_each_answer_with_its_rule_and_limits(study, tmp_path: Path):
    write_report(study.runs, study.info, tmp_path)
    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [one["key"] for one in told["questions"]] == ["larger-vocabulary", "how-much", "retention", "aligned"]
    for one in told["questions"]:
        assert one["rule"].startswith("Rule: ") and one["text"]
        assert all(key in told["tables"] for key in one["tables"])
