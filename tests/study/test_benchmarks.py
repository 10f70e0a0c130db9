"""Benchmarks in a study file: what names what, and what is refused before anything is built."""

from pathlib import Path
from typing import Any

import pytest

from loanword import stages
from loanword.errors import UserError
from loanword.recipe import Recipe
from loanword.store import Naming, Sources


@pytest.fixture
def wire(tmp_path: Path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "mmlu").mkdir()
    (tmp_path / "mmlu" / "file.csv").write_text("x")

    def wired(benchmarks: dict[str, dict[str, Any]]) -> dict[str, str]:
        recipe = Recipe.model_validate(
            {
                "target": "zh",
                "base": {"model": "model"},
                "benchmarks": {name: {"folder": "mmlu", **values} for name, values in benchmarks.items()},
                "responses": {"benchmarks": tuple(benchmarks)},
            }
        )
        naming = Naming(Sources(tmp_path), {name: stage.version for name, stage in stages.STAGES.items()})
        jobs = stages.wire(recipe, naming.job)
        return {role.partition(".")[2]: job.name for role, job in jobs.items() if role.startswith("responses.")}

    return wired


def test_what_a_protocol_decides_may_be_said_or_left_unsaid(wire):
    names = wire(
        {
            "mmlu": {},
            "said": {"name": "mmlu", "answering": "likelihood", "num_shots": 5, "protocol": "official"},
            "unused": {"name": "mmlu", "decoding": {"seed": 3}},
        }
    )
    assert len(set(names.values())) == 1


def test_other_ways_of_asking_have_names_of_their_own(wire):
    names = wire(
        {
            "mmlu": {},
            "harness": {"name": "mmlu", "protocol": "harness"},
            "written": {"name": "mmlu", "answering": "generation"},
            "drawn": {"name": "mmlu", "answering": "generation", "decoding": {"temperature": 0.5}},
            "rough": {"name": "mmlu", "precision": "bf16"},
            "isolated": {"name": "mmlu", "choice_ids": "isolated"},
            "fewer": {"name": "mmlu", "num_shots": 0},
        }
    )
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": "alchemy"}, "no such benchmark"),
        ({"answering": "chain-of-thought"}, "is not answered by chain-of-thought"),
        ({"name": "gaokao", "protocol": "harness"}, "has no protocol 'harness'"),
        ({"chat": True}, "likelihoods are asked for after plain text"),
    ],
)
def test_what_there_is_not_is_refused_when_a_study_is_read(values: dict[str, Any], said: str, wire):
    with pytest.raises(UserError, match=said):
        wire({"mmlu": values})


def test_a_served_base_can_be_asked_and_nothing_else():
    values: dict[str, Any] = {"target": "zh", "base": {"served": "some-model"}}
    assert Recipe.model_validate(values).base.served == "some-model"
    with pytest.raises(ValueError, match="can answer benchmarks, but neither be trained nor read text"):
        Recipe.model_validate(values | {"likelihoods": {"texts": {"zh": "zh.txt"}}})
