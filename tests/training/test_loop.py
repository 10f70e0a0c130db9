"""The loop learns, weighs every token alike, goes on bit for bit, and steps over what goes wrong."""

import math
import os
import signal
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM

from loanword.errors import UserError
from loanword.interruption import REQUEUE
from loanword.model.attention import packed_attention
from loanword.model.load import save_model
from loanword.protocols import Work, quiet, silent
from loanword.records import Execution, SkippedRows
from loanword.tokens.rows import Row
from loanword.training.guard import ANCHOR_STEPS
from loanword.training.learner import prepared
from loanword.training.loop import Training, train
from loanword.training.parallel import ALONE
from loanword.training.passes import Passes
from loanword.training.schedule import constant_rate, decaying_rate
from loanword.training.state import Position
from tests.training.small import NUM_PIECES, ROW_TOKENS, STEPS, CountingRows, small_model


def trained(
    model: LlamaForCausalLM, folder: Path, first_row: int, last_row: int, execution: Execution | None = None, **changes
) -> Training:
    folder.mkdir(exist_ok=True)
    settings = {"steps": STEPS, "learning_rate": constant_rate(STEPS)} | changes
    work = Work(
        {},
        folder,
        0,
        execution or Execution(),
        progress=settings.pop("progress", silent),
        say=settings.pop("say", quiet),
    )
    return train(model, CountingRows(), settings.pop("start", Position(first_row)), last_row, work=work, **settings)


def same_weights(one: LlamaForCausalLM, two: LlamaForCausalLM) -> bool:
    return all(torch.equal(x, y) for x, y in zip(one.parameters(), two.parameters(), strict=True))


def test_training_learns_what_there_is_to_learn(tmp_path: Path) -> None:
    training = trained(small_model(), tmp_path, 0, 402)
    losses = [point.nats_per_token for point in training.position.curve]
    assert losses[0] == pytest.approx(math.log(NUM_PIECES), abs=0.2)
    assert losses[-1] < 0.6 * losses[0]


def test_the_curve_has_a_point_for_every_step_and_counts_what_was_read(tmp_path: Path) -> None:
    curve = trained(small_model(), tmp_path, 8, 30, learning_rate=decaying_rate(STEPS, 30)).position.curve
    assert [point.step for point in curve] == [2, 3, 4, 5, 6, 7]
    assert [point.rows for point in curve] == [12, 16, 20, 24, 28, 30]
    assert [point.tokens for point in curve] == [count * (ROW_TOKENS - 2) for count in (4, 8, 12, 16, 20, 22)]
    assert [point.learning_rate for point in curve] == [decaying_rate(STEPS, 30)(row) for row in range(8, 30, 4)]


def test_no_rows_leave_the_model_as_it_was(tmp_path: Path) -> None:
    model = small_model()
    assert trained(model, tmp_path, 4, 4).position.curve == []
    assert same_weights(model, small_model())


@pytest.mark.parametrize("micro_batch_tokens", [1, 2 * ROW_TOKENS, 10**6])
def test_a_gradient_is_that_of_the_mean_over_documents_one_by_one(tmp_path: Path, micro_batch_tokens: int) -> None:
    rows = [CountingRows().row(index) for index in range(5)]
    rows[1].labels[:] = -100  # a row that weighs nothing
    rows[2].labels[:10] = -100

    class Read:
        def row(self, index: int, /) -> Row:
            return rows[index]

    ours, plain, on = small_model(), small_model(), Execution(micro_batch_tokens=micro_batch_tokens)
    passes = Passes(prepared(ours, STEPS, on, ALONE, quiet), Read(), ALONE, Work({}, tmp_path, 0, on))
    with packed_attention(ours):
        _, nats_per_token, num_tokens = passes.gradient(0, 5)
        nats_alone = passes.nats(rows)
    nats = torch.stack([_plain_nats(plain, row) for row in rows]).sum()
    assert num_tokens == sum(int((row.labels >= 0).sum()) for row in rows)
    (nats / num_tokens).backward()
    assert nats_per_token == pytest.approx(nats.item() / num_tokens, rel=1e-5)
    assert nats_alone == pytest.approx(nats.item(), rel=1e-5)
    for (name, one), two in zip(ours.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, rtol=1e-4, atol=1e-6, msg=name)


def _plain_nats(model: LlamaForCausalLM, row: Row) -> torch.Tensor:
    nats = torch.zeros(())
    for begin, end in zip(row.starts, (*row.starts[1:], ROW_TOKENS), strict=True):
        logits = model(torch.from_numpy(row.ids[begin:end])[None], use_cache=False).logits[0]
        labels = torch.from_numpy(row.labels[begin:end])
        nats = nats + cross_entropy(logits, labels, reduction="sum", ignore_index=-100)
    return nats


@pytest.mark.parametrize(
    "changes", [{}, {"precision": "bf16"}, {"precision": "pure-bf16"}, {"optimizer_state": "8-bit"}]
)
def test_a_branch_from_a_trunk_is_the_trunk_gone_on(tmp_path: Path, changes: dict[str, str]) -> None:
    steps = STEPS.model_copy(update=changes)
    whole, cut = small_model(), small_model()
    undivided = trained(whole, tmp_path / "whole", 0, 30, steps=steps)
    first = trained(cut, tmp_path / "trunk", 0, 16, steps=steps)
    first.optimizer.save(tmp_path / "optimizer.safetensors", ALONE)
    start = Position(16, list(first.position.curve))
    file = tmp_path / "optimizer.safetensors"
    rest = trained(cut, tmp_path / "branch", 16, 30, steps=steps, start=start, optimizer_file=file)
    assert same_weights(whole, cut)
    assert undivided.position.curve == rest.position.curve


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_asked_to_stop_leaves_a_checkpoint_and_a_code_to_requeue_on(tmp_path: Path, number: int) -> None:
    def stop(done: int, total: int, unit: str) -> None:
        if done == 12 * ROW_TOKENS:
            os.kill(os.getpid(), number)

    undisturbed, continued = small_model(), small_model(seed=5)
    expected = trained(undisturbed, tmp_path / "one", 0, 30)
    with pytest.raises(SystemExit) as stopped:
        trained(small_model(), tmp_path / "two", 0, 30, progress=stop)
    assert stopped.value.code == REQUEUE
    # The weights come from the checkpoint, whatever the model held.
    training = trained(continued, tmp_path / "two", 0, 30)
    assert same_weights(undisturbed, continued)
    assert training.position.curve == expected.position.curve


def test_a_model_that_starts_with_weights_that_are_not_finite_names_its_step_and_rows(tmp_path: Path) -> None:
    model = small_model()
    with torch.no_grad():
        model.model.norm.weight[3] = float("nan")
    with pytest.raises(UserError, match=r"training step 2 \(rows 8 to 11\) - loss nan(?s:.*)lower peak_learning_rate"):
        trained(model, tmp_path, 8, 30)


def test_a_run_that_explodes_returns_to_an_earlier_step_and_passes_over_the_rows(tmp_path: Path) -> None:
    bad_row, last_row = (ANCHOR_STEPS + 5) * STEPS.batch_rows, (ANCHOR_STEPS + 20) * STEPS.batch_rows
    model, heard = small_model(), []
    training = trained(
        model,
        tmp_path,
        0,
        last_row,
        learning_rate=lambda row: 1e30 if row == bad_row else 1e-3,
        say=heard.append,
    )
    assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())
    anchor_row, resumed_row = ANCHOR_STEPS * STEPS.batch_rows, bad_row + 4 * STEPS.batch_rows
    assert training.position.skipped == [SkippedRows(first_row=anchor_row, last_row=resumed_row, reason="rolled back")]
    went_on = range(resumed_row + STEPS.batch_rows, last_row + 1, STEPS.batch_rows)
    assert [point.rows for point in training.position.curve if point.rows >= anchor_row] == [anchor_row, *went_on]
    assert "the weights return to an earlier step" in heard[-1]


def test_a_run_that_explodes_before_there_is_a_step_to_return_to_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no earlier step to return to(?s:.*)lower peak_learning_rate"):
        trained(small_model(), tmp_path, 0, 60, learning_rate=lambda row: 1e30)


def test_a_micro_batch_that_memory_does_not_hold_is_halved_and_kept(tmp_path: Path) -> None:
    def refuse(module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if given[0].shape[0] > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")

    model, kept, heard = small_model(), [], []
    model.model.layers[1].register_forward_pre_hook(refuse)
    work = Work({}, tmp_path, 0, Execution(micro_batch_tokens=4 * ROW_TOKENS), say=heard.append, resize=kept.append)
    train(model, CountingRows(), Position(0), 8, steps=STEPS, learning_rate=constant_rate(STEPS), work=work)
    assert kept == [2 * ROW_TOKENS, ROW_TOKENS]
    assert heard[-1] == f"out of memory: going on with a micro-batch of {ROW_TOKENS} tokens"
    undisturbed = small_model()
    trained(undisturbed, tmp_path / "undisturbed", 0, 8, Execution(micro_batch_tokens=ROW_TOKENS))
    assert same_weights(model, undisturbed)


def test_the_loop_leaves_a_model_that_answers_as_usual(tmp_path: Path) -> None:
    model = small_model()
    trained(model, tmp_path / "state", 0, 8)
    save_model(model, tmp_path / "checkpoint")
    ids_BT = torch.arange(9)[None]
    again = LlamaForCausalLM.from_pretrained(tmp_path / "checkpoint")
    assert torch.equal(model(ids_BT).logits, again(ids_BT).logits)
