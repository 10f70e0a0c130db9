"""Named machines: what is assumed of them, against published speeds of training."""

import pytest

from loanword.errors import UserError
from loanword.model.shape import KNOWN
from loanword.study.estimate import Estimate
from loanword.study.machines import ACCELERATORS, machine
from loanword.study.speeds import seconds_of

PUBLISHED = {
    "LLaMA 7B": 10_643,  # llm-foundry's table for an H100, 7B, rows of 2048 tokens, bf16
    "LLaMA 1B": 45_455,  # the same table, 1B
    "LLaMA 8B": 6_667,  # torchtitan, 8B, rows of 8192 tokens, bf16, an H100 of 500 W
}
FACTOR = 1.5


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_h100_trains_as_fast_as_published_within_a_factor(name: str):
    shape = KNOWN[name]
    assumed = machine("h100").flops_per_second(shape.num_parameters, 2048) / (6 * shape.multiplied_parameters)
    assert 1 / FACTOR < assumed / PUBLISHED[name] < FACTOR


@pytest.mark.parametrize("name", [*ACCELERATORS, "cpu-2", "cpu-64"])
def test_what_is_assumed_is_said(name: str):
    assert machine(name).assumed
    assert machine(name).memory_bytes > 0


@pytest.mark.parametrize("name", ["h1000", "cpu-0", "cpu-", "cpu", ""])
def test_a_machine_that_nobody_knows_is_refused_with_those_that_are_known(name: str):
    with pytest.raises(UserError, match="a100-80gb"):
        machine(name)


def test_more_memory_speed_writes_faster_and_as_many_flops_train_as_fast():
    def seconds(on: str, kind: str, num_written: int) -> float:
        made = Estimate(
            flops=1e17, num_tokens=10**6, kind=kind, num_parameters=7 * 10**9, num_written_tokens=num_written
        )
        return seconds_of(machine(on), made) or 0.0

    assert seconds("h200", "tuning", 0) == seconds("h100", "tuning", 0) > 0
    assert seconds("h200", "responses, written", 10**6) < seconds("h100", "responses, written", 10**6)


def test_a_cpu_has_a_worker_for_each_core():
    assert machine("cpu-16").workers == 16
