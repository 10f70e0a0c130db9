"""What a study takes: distinct artifacts once, shared work once, more budget never for less."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import loanword.stages
from loanword.store import Sources, Store
from loanword.study.costs import Costs, StageLine, in_total
from loanword.study.hardware import HardwareProfile
from loanword.study.machines import machine
from loanword.study.study import load_study
from tests.small_base import RECIPE

STUDY = (
    f'name = "costs"{RECIPE}'
    + """\
[recipe.corpus.en]
files = ["en.jsonl"]
[recipe.corpus.zh]
files = ["zh.jsonl"]
[recipe.pretraining]
replay = 0.2
steps = { peak_learning_rate = 1e-3, row_tokens = 256, batch_tokens = 1024 }
[recipe.likelihoods.texts]
zh = "zh.txt"
"""
)
BUDGETS = """
[axes.budget]
"a" = {{ "pretraining.budget" = {{ bytes = {} }} }}
"b" = {{ "pretraining.budget" = {{ bytes = {} }} }}
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for language, text in {"en": "The rain falls on the hill.", "zh": "雨落在山上。"}.items():
        lines = [json.dumps({"text": f"{text} {number}"}, ensure_ascii=False) for number in range(400)]
        (root / f"{language}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (root / f"{language}.txt").write_text(f"{text}\n" * 3, encoding="utf-8")
    return root


def costs(
    data: Path, text: str, profile: HardwareProfile | None = None, finished: frozenset[str] = frozenset()
) -> Costs:
    (data / "study.toml").write_text(text, encoding="utf-8")
    study = load_study(data / "study.toml", loanword.stages, Sources(data))  # type: ignore[arg-type]
    profile = machine("cpu-2") if profile is None else profile
    return Costs(study, Store(data / "store"), Sources(data), set(finished), loanword.stages.STAGES, profile)


def total(made: Costs) -> StageLine:
    return in_total(made.lines())


def test_the_total_is_the_sum_over_distinct_artifacts(data: Path):
    made = costs(data, STUDY + BUDGETS.format(20_000, 50_000))
    taken = [made.estimate(job) for job in made.jobs.values()]
    assert total(made).disk_bytes == sum(one.disk_bytes for one in taken)
    assert total(made).flops == pytest.approx(sum(one.flops for one in taken))
    assert total(made).artifacts == total(made).to_build == len(made.jobs)
    assert total(made).seconds == pytest.approx(
        sum(made.seconds(job, made.estimate(job)) or 0 for job in made.jobs.values())
    )


def test_a_run_that_shares_its_work_adds_only_what_is_its_own(data: Path):
    text = STUDY + BUDGETS.format(20_000, 50_000)
    again = '[[runs]]\nname = "again"\nset = { "pretraining.budget" = { bytes = 50_000 } }\n'
    asked = again.replace("50_000 }", '50_000 }, "likelihoods.texts" = { en = "en.txt" }')
    plain, same, more = (costs(data, one) for one in (text, text + again, text + asked))
    assert replace(total(same)) == total(plain)
    (own,) = set(more.jobs) - set(plain.jobs)
    added = more.estimate(more.jobs[own])
    assert total(more).disk_bytes - total(plain).disk_bytes == added.disk_bytes
    assert total(more).flops - total(plain).flops == pytest.approx(added.flops, rel=1e-3)
    assert own.startswith("likelihoods/")


@given(st.integers(2_000, 10_000), st.integers(0, 10_000))
def test_a_larger_budget_never_takes_less(data: Path, budget: int, more: int):
    small, large = (total(costs(data, STUDY + BUDGETS.format(1_000, size))) for size in (budget, budget + more))
    assert small.num_tokens <= large.num_tokens
    assert small.flops <= large.flops
    assert small.disk_bytes <= large.disk_bytes
    assert small.seconds is not None and large.seconds is not None
    assert small.seconds <= large.seconds + 1e-9


def test_a_trunk_is_trained_once_for_all_cuts(data: Path):
    sharing = costs(data, STUDY + BUDGETS.format(20_000, 50_000)).trunk_sharing()
    # Either budget decays over a fifth of itself; apart, the smaller one is trained in full as well.
    assert sharing.separate_tokens / sharing.shared_tokens == pytest.approx((20 + 50) / (0.8 * 50 + 0.2 * 70), rel=0.01)
    assert sharing.separate_seconds is not None and sharing.shared_seconds is not None
    assert sharing.separate_seconds > sharing.shared_seconds


def test_runs_by_themselves_take_what_each_of_them_takes(data: Path):
    both = costs(data, STUDY + BUDGETS.format(20_000, 50_000)).sharing()
    alone = [
        total(costs(data, f'{STUDY}[axes.budget]\n"x" = {{ "pretraining.budget" = {{ bytes = {size} }} }}\n'))
        for size in (20_000, 50_000)
    ]
    assert both.separate_flops == pytest.approx(sum(one.flops for one in alone), rel=1e-3)
    assert both.separate_seconds == pytest.approx(sum(one.seconds or 0 for one in alone), rel=1e-3)
    assert both.shared_seconds == pytest.approx(total(costs(data, STUDY + BUDGETS.format(20_000, 50_000))).seconds)


def test_what_is_finished_takes_nothing_more(data: Path):
    text = STUDY + BUDGETS.format(20_000, 50_000)
    made = costs(data, text)
    done = frozenset(job.key for job in made.jobs.values() if job.stage in ("pretraining", "likelihoods"))
    left = costs(data, text, finished=done)
    assert {line.stage for line in left.lines() if line.to_build} == set()
    assert left.time(2).schedule.seconds == total(left).flops == 0


def test_a_base_that_is_not_known_is_named_and_makes_no_zero(data: Path):
    base = STUDY[STUDY.index("[recipe.base.train]") : STUDY.index("[recipe.corpus.en]")]
    made = costs(data, STUDY.replace(base, '[recipe.base]\nmodel = "org/model"\n') + BUDGETS.format(20_000, 50_000))
    lines = {line.stage: line for line in made.lines()}
    assert lines["trunk"].unknown == lines["pretraining"].unknown == ("the shape of org/model",)
    assert lines["corpus"].unknown == ()
    assert "the shape of org/model" in total(made).unknown


def test_sources_that_are_not_here_are_named_and_training_is_planned_all_the_same(data: Path, tmp_path: Path):
    here = costs(data, STUDY + BUDGETS.format(20_000, 50_000))
    elsewhere = Costs(here.study, Store(tmp_path), Sources(tmp_path), set(), loanword.stages.STAGES, machine("h100"))
    lines = {line.stage: line for line in elsewhere.lines()}
    assert set(lines["corpus"].unknown) == {"the size of en.jsonl", "the size of zh.jsonl"}
    assert lines["likelihoods"].unknown == ("the size of zh.txt",)
    assert lines["trunk"].unknown == ()
    assert lines["trunk"].flops > 0


def test_more_devices_never_take_longer_and_as_many_device_hours_at_least(data: Path):
    made = costs(data, STUDY + BUDGETS.format(20_000, 50_000), machine("h100"))
    times = [made.time(devices) for devices in (1, 2, 4, 8)]
    assert [one.schedule.seconds for one in times] == sorted((one.schedule.seconds for one in times), reverse=True)
    assert all(one.device_seconds >= times[0].device_seconds - 1e-6 for one in times)
    assert times[0].device_seconds == pytest.approx(total(made).seconds)
