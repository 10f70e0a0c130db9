"""Schedules: how long jobs take on so many workers, between what no scheduler can beat and one worker alone."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import loanword.stages
from loanword.protocols import Stage
from loanword.recipe import GradesConfig
from loanword.store import Job, Sources
from loanword.study.plan import smaller_cuts
from loanword.study.schedule import START_SECONDS, schedule
from loanword.study.study import load_study
from tests.small_base import RECIPE


def nothing(*_: object) -> None: ...


STAGES = {
    "any": Stage(nothing),
    "whole": Stage(nothing, whole_machine=True),
    "asks": Stage(nothing, model_input="model"),
}


def job(number: int, stage: str, inputs: Mapping[str, Job]) -> Job:
    return Job(stage, 1, GradesConfig(), {}, inputs, None, f"{number:03}")


@st.composite
def builds(draw: st.DrawFn) -> tuple[list[Job], dict[str, float]]:
    """Jobs, inputs first, each reading some of those before, and what they take."""
    jobs: list[Job] = []
    for number in range(draw(st.integers(1, 12))):
        read = draw(st.lists(st.sampled_from(jobs), unique_by=lambda one: one.key, max_size=3)) if jobs else []
        stage = draw(st.sampled_from(sorted(STAGES)))
        roles = {("model" if place == 0 else f"input{place}"): one for place, one in enumerate(read)}
        jobs.append(job(number, stage, roles))
    seconds = {one.key: draw(st.floats(0, 100)) for one in jobs}
    return jobs, seconds


@given(builds(), st.integers(1, 4))
def test_a_schedule_lies_between_its_longest_path_and_one_job_after_the_other(
    built: tuple[list[Job], dict[str, float]], workers: int
):
    jobs, seconds = built
    made = schedule(jobs, seconds, STAGES, {}, workers, start_seconds=0.0)
    near = 1e-6
    assert made.longest_path_seconds <= made.seconds + near
    assert made.busy_seconds / workers <= made.seconds + near
    assert made.seconds <= sum(seconds.values()) + near


@given(builds())
def test_one_worker_does_everything_one_after_the_other(built: tuple[list[Job], dict[str, float]]):
    jobs, seconds = built
    made = schedule(jobs, seconds, STAGES, {}, 1, start_seconds=0.0)
    assert made.seconds == pytest.approx(sum(seconds.values())) == pytest.approx(made.busy_seconds)


def test_jobs_that_ask_one_model_share_a_process_and_start_it_once():
    model = job(0, "any", {})
    asking = [job(number, "asks", {"model": model}) for number in range(1, 6)]
    seconds = {one.key: 1.0 for one in (model, *asking)}
    made = schedule([model, *asking], seconds, STAGES, {}, 4)
    assert made.seconds == pytest.approx(6.0 + 2 * START_SECONDS)


def test_what_wants_the_whole_machine_waits_for_it_and_counts_for_all_workers():
    first, second = job(0, "any", {}), job(1, "any", {})
    whole = job(2, "whole", {"input": first})
    seconds = {first.key: 1.0, second.key: 5.0, whole.key: 10.0}
    made = schedule([first, second, whole], seconds, STAGES, {}, 2, start_seconds=0.0)
    assert made.seconds == pytest.approx(15.0)
    assert made.busy_seconds == pytest.approx(1.0 + 5.0 + 2 * 10.0)


def test_cuts_of_one_trajectory_go_one_after_the_other(tmp_path: Path):
    study = tmp_path / "study.toml"
    for name in ("en.jsonl", "zh.jsonl", "zh.txt"):
        (tmp_path / name).write_text('{"text": "a text"}\n')
    study.write_text(CUTS)
    made = load_study(study, loanword.stages, Sources(tmp_path))  # type: ignore[arg-type]
    jobs = list(made.jobs.values())
    seconds = {one.key: 10.0 if one.stage == "trunk" else 0.0 for one in jobs}
    cuts = smaller_cuts(jobs, loanword.stages.STAGES)
    planned = schedule(jobs, seconds, loanword.stages.STAGES, cuts, 4, start_seconds=0.0)
    assert planned.seconds == planned.longest_path_seconds == pytest.approx(30.0)


CUTS = (
    f'name = "cuts"{RECIPE}'
    + """\
[recipe.corpus.en]
files = ["en.jsonl"]
[recipe.corpus.zh]
files = ["zh.jsonl"]
[recipe.pretraining]
steps = { peak_learning_rate = 1e-3, row_tokens = 256, batch_tokens = 1024 }
[recipe.likelihoods.texts]
zh = "zh.txt"
[axes.budget.small]
"pretraining.budget" = { bytes = 10_000 }
[axes.budget.middle]
"pretraining.budget" = { bytes = 20_000 }
[axes.budget.large]
"pretraining.budget" = { bytes = 50_000 }
"""
)
