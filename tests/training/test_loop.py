"""The loop learns, weighs every token alike, and continues bit for bit."""

import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM

from loanword.errors import UserError
from loanword.model.attention import packed_attention
from loanword.model.load import save_model
from loanword.records import Execution
from loanword.tokens.rows import Row
from loanword.training.data import read_rows
from loanword.training.loop import Training, batch_slope, train
from loanword.training.optimizer import save_optimizer
from loanword.training.schedule import constant_rate, decaying_rate
from tests.training.small import NUM_PIECES, ROW_TOKENS, STEPS, CountingRows, small_model

REPOSITORY = Path(__file__).parents[2]
SEED = time.time_ns() % 10**6
"""Other moments to be killed at in every run; told where the test fails."""


def trained(model: LlamaForCausalLM, folder: Path, first_row: int, last_row: int, **changes) -> Training:
    settings = {
        "steps": STEPS,
        "learning_rate": constant_rate(STEPS),
        "state_folder": folder,
        "execution": Execution(),
    } | changes
    return train(model, CountingRows(), first_row=first_row, last_row=last_row, **settings)


def same_weights(one: LlamaForCausalLM, two: LlamaForCausalLM) -> bool:
    return all(torch.equal(x, y) for x, y in zip(one.parameters(), two.parameters(), strict=True))


def test_training_learns_what_there_is_to_learn(tmp_path: Path) -> None:
    training = trained(small_model(), tmp_path, 0, 402)
    losses = [point.nats_per_token for point in training.curve]
    assert losses[0] == pytest.approx(math.log(NUM_PIECES), abs=0.2)
    assert losses[-1] < 0.6 * losses[0]


def test_the_curve_has_a_point_for_every_step_and_counts_what_was_read(tmp_path: Path) -> None:
    training = trained(small_model(), tmp_path, 8, 30, learning_rate=decaying_rate(STEPS, 30))
    assert [point.step for point in training.curve] == [2, 3, 4, 5, 6, 7]
    assert [point.rows for point in training.curve] == [12, 16, 20, 24, 28, 30]
    assert [point.tokens for point in training.curve] == [count * (ROW_TOKENS - 2) for count in (4, 8, 12, 16, 20, 22)]
    assert [point.learning_rate for point in training.curve] == [decaying_rate(STEPS, 30)(r) for r in range(8, 30, 4)]
    assert (training.num_rows, training.num_steps, training.num_tokens) == (22, 6, 22 * (ROW_TOKENS - 2))


def test_no_rows_leave_the_model_as_it_was(tmp_path: Path) -> None:
    model = small_model()
    assert trained(model, tmp_path, 4, 4).curve == ()
    assert same_weights(model, small_model())


@pytest.mark.parametrize("micro_batch_tokens", [1, 2 * ROW_TOKENS, 10**6])
def test_a_gradient_is_that_of_the_mean_over_documents_one_by_one(micro_batch_tokens: int) -> None:
    ours, plain = small_model(), small_model()
    rows = read_rows(CountingRows(), 0, 5)
    rows[1].labels[:] = -100  # a row that weighs nothing
    rows[2].labels[:10] = -100
    loose = STEPS.model_copy(update={"clip_norm": 1e9})
    with packed_attention(ours):
        slope = batch_slope(ours, rows, loose, micro_batch_tokens)
    nats = torch.stack([_plain_nats(plain, row) for row in rows]).sum()
    num_tokens = sum(int((row.labels >= 0).sum()) for row in rows)
    (nats / num_tokens).backward()
    assert slope.num_tokens == num_tokens
    assert slope.nats_per_token == pytest.approx(nats.item() / num_tokens, rel=1e-5)
    for (name, one), two in zip(ours.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-4, atol=1e-6, msg=name)


def _plain_nats(model: LlamaForCausalLM, row: Row) -> torch.Tensor:
    nats = torch.zeros(())
    for begin, end in zip(row.starts, (*row.starts[1:], ROW_TOKENS), strict=True):
        logits = model(torch.from_numpy(row.ids[begin:end])[None], use_cache=False).logits[0]
        labels = torch.from_numpy(row.labels[begin:end])
        nats = nats + cross_entropy(logits, labels, reduction="sum", ignore_index=-100)
    return nats


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_branch_from_a_trunk_is_the_trunk_gone_on(tmp_path: Path, precision: str) -> None:
    steps = STEPS.model_copy(update={"precision": precision})
    whole, cut = small_model(), small_model()
    undivided = trained(whole, tmp_path / "whole", 0, 30, steps=steps)
    first = trained(cut, tmp_path / "trunk", 0, 16, steps=steps)
    save_optimizer(first.optimizer, cut, tmp_path / "optimizer.safetensors")
    state = tmp_path / "branch"
    rest = trained(cut, state, 16, 30, steps=steps, optimizer_file=tmp_path / "optimizer.safetensors")
    assert same_weights(whole, cut)
    assert [point.nats_per_token for point in undivided.curve[4:]] == [point.nats_per_token for point in rest.curve]


def test_a_run_that_stopped_after_a_step_continues_from_its_state(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(done: int, total: int, unit: str) -> None:
        if done == 12 * ROW_TOKENS:
            raise Stopped

    often = Execution(checkpoint_seconds=1e-9)
    undisturbed, continued = small_model(), small_model(seed=5)
    expected = trained(undisturbed, tmp_path / "one", 0, 30)
    with pytest.raises(Stopped):
        trained(small_model(), tmp_path / "two", 0, 30, execution=often, progress=stop)
    # The weights come from the state, whatever the model held.
    training = trained(continued, tmp_path / "two", 0, 30, execution=often)
    assert same_weights(undisturbed, continued)
    assert training.curve == expected.curve


def test_a_run_killed_again_and_again_ends_byte_for_byte_as_if_left_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.training.killed", str(tmp_path), str(SEED)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert all(told and status == signal.SIGKILL for told, status in json.loads(done.stdout))
    for name in ("model.safetensors", "optimizer.safetensors", "curve.jsonl"):
        disturbed, undisturbed = (tmp_path / which / name for which in ("disturbed", "undisturbed"))
        assert disturbed.read_bytes() == undisturbed.read_bytes(), f"{name} with seed {SEED} after kills {done.stdout}"


def test_a_loss_that_is_not_finite_names_its_step_and_rows(tmp_path: Path) -> None:
    model = small_model()
    with torch.no_grad():
        model.model.norm.weight[3] = float("nan")
    with pytest.raises(UserError, match=r"training step 2 \(rows 8 to 11\) - loss nan(?s:.*)lower peak_learning_rate"):
        trained(model, tmp_path, 8, 30)


def test_the_loop_leaves_a_model_that_answers_as_usual(tmp_path: Path) -> None:
    model = small_model()
    trained(model, tmp_path / "state", 0, 8)
    save_model(model, tmp_path / "checkpoint")
    ids_BT = torch.arange(9)[None]
    again = LlamaForCausalLM.from_pretrained(tmp_path / "checkpoint")
    assert torch.equal(model(ids_BT).logits, again(ids_BT).logits)
