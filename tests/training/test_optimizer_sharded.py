"""Two processes move a model as one does: groups, clipping and state, sharded and copied."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from loanword.training.optimizer import Optimizer
from loanword.training.parallel import ALONE
from tests.training.sharded_optimizer import NUM_OLD, NUM_STEPS, RECIPES, learner, take_steps

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    command = [sys.executable, "-m", "tests.training.sharded_optimizer", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(params=["sharded", "copied"])
def made(trained: Path, request: pytest.FixtureRequest) -> Path:
    return trained / request.param


@pytest.mark.parametrize("recipe", RECIPES)
def test_groups_and_clipping_agree_with_one_process(made: Path, recipe: str) -> None:
    model = learner(RECIPES[recipe])
    optimizer = Optimizer(model, RECIPES[recipe], num_old_rows=NUM_OLD)
    norms = take_steps(model, optimizer, range(NUM_STEPS), ALONE)
    assert json.loads((made / f"{recipe}.norms.json").read_text()) == pytest.approx(norms, rel=1e-4)
    whole = load_file(made / f"{recipe}.weights.safetensors")
    assert whole.keys() == dict(model.named_parameters()).keys()
    for name, weight in whole.items():
        torch.testing.assert_close(weight, model.get_parameter(name).detach(), rtol=1e-4, atol=1e-5, msg=name)
    sharded = load_file(made / f"{recipe}.optimizer.safetensors")
    alone = optimizer.tensors()
    assert sharded.keys() == alone.keys()
    for name, state in sharded.items():
        # Codes of 8 bits may fall on either side of a middle.
        apart = 1 if state.dtype == torch.uint8 else 1e-6
        torch.testing.assert_close(state, alone[name], rtol=1e-3, atol=apart, msg=name)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_state_goes_from_two_processes_to_two_and_to_one(made: Path, recipe: str) -> None:
    whole = (made / f"{recipe}.optimizer.safetensors").read_bytes()
    assert (made / f"{recipe}.again.safetensors").read_bytes() == whole
    optimizer = Optimizer(learner(RECIPES[recipe]), RECIPES[recipe], num_old_rows=NUM_OLD)
    optimizer.load(made / f"{recipe}.optimizer.safetensors")
    optimizer.save(made / f"{recipe}.alone.safetensors", ALONE)
    assert (made / f"{recipe}.alone.safetensors").read_bytes() == whole


def test_frozen_rows_stay_bit_identical_in_every_process(made: Path) -> None:
    before = learner(RECIPES["groups"]).get_parameter("model.embed_tokens.weight")
    after = load_file(made / "groups.weights.safetensors")["model.embed_tokens.weight"]
    assert (after != before).any(1).tolist() == [False] * NUM_OLD + [True] * (before.shape[0] - NUM_OLD)
