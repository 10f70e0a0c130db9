"""AdamW group by group: what is frozen does not move by a bit, what moves does so as if it were alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import AdamW
from transformers import LlamaForCausalLM

from loanword.errors import UserError
from loanword.model.embeddings import add_rows, input_table
from loanword.model.load import new_model
from loanword.recipe import GroupConfig, GroupsConfig, StepsConfig
from loanword.records import file_sha256
from loanword.training.optimizer import Optimizer
from loanword.training.parallel import ALONE
from tests.training.small import NUM_PIECES, SHAPE, STEPS, small_model

NUM_OLD = 50
TABLE, HEAD, MATRIX, NORM = (
    "model.embed_tokens.weight",
    "lm_head.weight",
    "model.layers.0.mlp.up_proj.weight",
    "model.norm.weight",
)
FROZEN = GroupConfig(frozen=True)


def untied_model(seed: int = 0) -> LlamaForCausalLM:
    return new_model(SHAPE.model_copy(update={"tied_embeddings": False}), NUM_PIECES, seed, bos_id=1, eos_id=2)


def with_groups(**groups: GroupConfig) -> StepsConfig:
    return STEPS.model_copy(update={"groups": GroupsConfig(**groups)})


def give_gradients(model: nn.Module, seed: int) -> None:
    """Gradients of every parameter that asks for one, as a backward pass leaves them."""
    random = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        gradient = torch.randn(parameter.shape, generator=random)
        parameter.grad = gradient.to(parameter.dtype) if parameter.requires_grad else None


def take_steps(model: nn.Module, optimizer: Optimizer, indices: range, learning_rate: float = 0.01) -> list[float]:
    norms: list[float] = []
    for index in indices:
        optimizer.begin(index)
        give_gradients(model, index)
        norms.append(optimizer.clip(ALONE))
        optimizer.step(learning_rate)
    return norms


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def steps_taken(optimizer: Optimizer) -> Iterator[tuple[str, list[float]]]:
    for name, state in optimizer.tensors().items():
        if name.startswith("num_steps/"):
            yield name.removeprefix("num_steps/"), state.tolist()


def test_only_matrices_between_the_embeddings_decay() -> None:
    model = untied_model()
    before, optimizer = weights(model), Optimizer(model, STEPS, num_old_rows=NUM_OLD)
    optimizer.begin(0)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step(0.01)
    for name, weight in weights(model).items():
        kept = 1.0 if "norm" in name or name in (TABLE, HEAD) else 1 - 0.01 * STEPS.weight_decay
        torch.testing.assert_close(weight, before[name] * kept, rtol=1e-6, atol=0)


def test_a_group_decays_as_it_says() -> None:
    steps = with_groups(new_rows=GroupConfig(weight_decay=0.5), backbone=GroupConfig(weight_decay=0.0))
    model = small_model()
    before, optimizer = weights(model), Optimizer(model, steps, num_old_rows=NUM_OLD)
    optimizer.begin(0)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step(0.01)
    torch.testing.assert_close(input_table(model)[NUM_OLD:], before[TABLE][NUM_OLD:] * (1 - 0.01 * 0.5))
    assert torch.equal(input_table(model)[:NUM_OLD], before[TABLE][:NUM_OLD])
    assert torch.equal(model.get_parameter(MATRIX), before[MATRIX])


def test_a_step_is_the_textbook_step() -> None:
    model = small_model()
    optimizer = Optimizer(model, STEPS, num_old_rows=None)
    weight = model.get_parameter(MATRIX)
    expected, first, second = weight.detach().double(), 0.0, 0.0
    for step in (1, 2, 3):
        optimizer.begin(step)
        give_gradients(model, step)
        assert weight.grad is not None
        gradient = weight.grad.double()
        first = STEPS.beta1 * first + (1 - STEPS.beta1) * gradient
        second = STEPS.beta2 * second + (1 - STEPS.beta2) * gradient**2
        moved = first / (1 - STEPS.beta1**step) / ((second / (1 - STEPS.beta2**step)).sqrt() + 1e-8)
        expected = expected * (1 - 0.01 * step * STEPS.weight_decay) - 0.01 * step * moved
        optimizer.step(0.01 * step)
    torch.testing.assert_close(weight.detach().double(), expected, rtol=1e-5, atol=1e-6)
    assert weight.grad is None


def test_without_groups_it_is_torchs_adamw_and_clipping() -> None:
    model, reference = small_model(), small_model()
    optimizer = Optimizer(model, STEPS, num_old_rows=None)
    matrices = [one for name, one in reference.named_parameters() if one.ndim == 2 and name != TABLE]
    others = [one for name, one in reference.named_parameters() if one.ndim == 1 or name == TABLE]
    groups: list[dict[str, Any]] = [{"params": matrices, "weight_decay": STEPS.weight_decay}, {"params": others}]
    adamw = AdamW(groups, lr=0.01, betas=(STEPS.beta1, STEPS.beta2), weight_decay=0.0)
    for index in range(4):
        give_gradients(reference, index)
        expected = float(nn.utils.clip_grad_norm_(reference.parameters(), STEPS.clip_norm))
        adamw.step()
        assert take_steps(model, optimizer, range(index, index + 1)) == [pytest.approx(expected, rel=1e-6)]
    for one, two in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("tied", [True, False])
def test_old_and_new_rows_move_bit_for_bit_as_tables_of_their_own(tied: bool) -> None:
    steps = with_groups(
        old_rows=GroupConfig(learning_rate_factor=0.1),
        new_rows=GroupConfig(learning_rate_factor=3.0, weight_decay=0.2),
        old_head_rows=GroupConfig(learning_rate_factor=0.5),
        new_head_rows=GroupConfig(learning_rate_factor=2.0),
    ).model_copy(update={"clip_norm": 1e9})
    model = small_model() if tied else untied_model()
    rates = {(TABLE, False): 0.1, (TABLE, True): 3.0} | ({} if tied else {(HEAD, False): 0.5, (HEAD, True): 2.0})
    alone = {}
    for (name, new), factor in rates.items():
        table_VD = model.get_parameter(name).detach()
        part = nn.Parameter((table_VD[NUM_OLD:] if new else table_VD[:NUM_OLD]).clone())
        decay = 0.2 if (name, new) == (TABLE, True) else 0.0
        betas = (steps.beta1, steps.beta2)
        alone[name, new] = part, AdamW([part], lr=0.01 * factor, betas=betas, weight_decay=decay, fused=True)
    optimizer = Optimizer(model, steps, num_old_rows=NUM_OLD)
    for index in range(3):
        give_gradients(model, index)
        for (name, new), (part, adamw) in alone.items():
            gradient_VD = model.get_parameter(name).grad
            assert gradient_VD is not None
            part.grad = (gradient_VD[NUM_OLD:] if new else gradient_VD[:NUM_OLD]).clone()
            adamw.step()
        take_steps(model, optimizer, range(index, index + 1))
    for (name, new), (part, _) in alone.items():
        table_VD = model.get_parameter(name)
        assert torch.equal(table_VD[NUM_OLD:] if new else table_VD[:NUM_OLD], part), (name, new)


def test_padding_counts_as_new_rows() -> None:
    model = small_model()
    with torch.random.fork_rng(devices=[]):
        model.resize_token_embeddings(64, mean_resizing=False)
    before = weights(model)
    take_steps(model, Optimizer(model, with_groups(old_rows=FROZEN), num_old_rows=NUM_OLD), range(1))
    moved = (input_table(model) != before[TABLE]).any(1)
    assert moved.tolist() == [False] * NUM_OLD + [True] * 14


@pytest.mark.parametrize("changes", [{}, {"precision": "pure-bf16"}, {"optimizer_state": "8-bit"}])
def test_frozen_rows_stay_bit_identical_and_keep_no_moments(changes: dict[str, str]) -> None:
    decays = GroupConfig(weight_decay=0.3)
    frozen = GroupConfig(frozen=True, weight_decay=0.3)
    steps = with_groups(old_rows=frozen, new_rows=decays, old_head_rows=decays, new_head_rows=frozen)
    steps = steps.model_copy(update=changes)
    wide = SHAPE.model_copy(update={"tied_embeddings": False, "width": 32})
    model = new_model(wide, NUM_PIECES, 0, bos_id=1, eos_id=2)
    if steps.precision == "pure-bf16":
        model.bfloat16()
    before, optimizer = weights(model), Optimizer(model, steps, num_old_rows=NUM_OLD)
    take_steps(model, optimizer, range(3), 0.1)
    state = optimizer.tensors()
    for name, frozen_rows in ((TABLE, slice(0, NUM_OLD)), (HEAD, slice(NUM_OLD, NUM_PIECES))):
        assert torch.equal(model.get_parameter(name)[frozen_rows], before[name][frozen_rows])
        for kind in ("first_moment", "second_moment"):
            whole = state[f"{kind}/{name}"]
            assert not whole[frozen_rows].any()
            assert whole.count_nonzero() > 0.9 * (whole.numel() - whole[frozen_rows].numel())
    for name, trained_rows in ((TABLE, slice(NUM_OLD, NUM_PIECES)), (HEAD, slice(0, NUM_OLD))):
        assert (model.get_parameter(name)[trained_rows] != before[name][trained_rows]).any(1).all()
    taken = dict(steps_taken(optimizer))
    assert (taken[TABLE], taken[HEAD], taken[MATRIX]) == ([0.0, 3.0], [3.0, 0.0], [3.0])


def test_a_parameter_that_is_frozen_as_a_whole_asks_for_no_gradient_and_has_no_state() -> None:
    model = untied_model()
    optimizer = Optimizer(model, with_groups(norms=FROZEN, old_head_rows=FROZEN), num_old_rows=None)
    take_steps(model, optimizer, range(1))
    model(input_ids=torch.arange(9)[None], labels=torch.arange(9)[None]).loss.backward()
    stateful = dict(steps_taken(optimizer))
    for name, parameter in model.named_parameters():
        frozen = "norm" in name or name == HEAD
        assert (parameter.grad is None) == frozen, name
        assert (name in stateful) != frozen, name


def test_gradients_of_frozen_rows_do_not_count_in_the_norm() -> None:
    model = small_model()
    optimizer = Optimizer(model, with_groups(old_rows=FROZEN, norms=FROZEN), num_old_rows=NUM_OLD)
    optimizer.begin(0)
    give_gradients(model, 0)
    gradients = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
    moving = [one[NUM_OLD:] if name == TABLE else one for name, one in gradients.items()]
    exact = float(torch.cat([one.flatten() for one in moving]).double().norm())
    assert optimizer.clip(ALONE) == pytest.approx(exact, rel=1e-6)
    assert optimizer.clip(ALONE) == pytest.approx(STEPS.clip_norm, rel=1e-5)


def test_gradients_are_shortened_together_and_only_when_too_long() -> None:
    model = small_model()

    def norms(clip_norm: float) -> tuple[float, float]:
        optimizer = Optimizer(model, STEPS.model_copy(update={"clip_norm": clip_norm}), num_old_rows=None)
        optimizer.begin(0)
        give_gradients(model, 0)
        before = optimizer.clip(ALONE)
        left = torch.cat([one.grad.flatten() for one in model.parameters() if one.grad is not None])
        return before, float(left.double().norm())

    exact, untouched = norms(1e9)
    assert untouched == pytest.approx(exact, rel=1e-6)
    assert norms(2 * exact) == (exact, untouched)
    assert norms(0.5) == (exact, pytest.approx(0.5, rel=1e-5))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_makes_the_norm_tell(bad: float) -> None:
    model = small_model()
    optimizer = Optimizer(model, STEPS, num_old_rows=None)
    optimizer.begin(0)
    give_gradients(model, 0)
    gradient = input_table(model).grad
    assert gradient is not None
    gradient[3, 1] = bad
    assert not torch.tensor(optimizer.clip(ALONE)).isfinite()


def test_the_first_steps_move_only_rows_of_new_pieces() -> None:
    steps = STEPS.model_copy(update={"only_new_rows_steps": 2})
    model = untied_model()
    before, optimizer = weights(model), Optimizer(model, steps, num_old_rows=NUM_OLD)
    take_steps(model, optimizer, range(2))
    for name, weight in weights(model).items():
        new = NUM_OLD if name in (TABLE, HEAD) else weight.shape[0]
        assert torch.equal(weight[:new], before[name][:new]), name
        assert (weight[new:] != before[name][new:]).any(1).all() if name in (TABLE, HEAD) else True
    taken = dict(steps_taken(optimizer))
    assert (taken[TABLE], taken[HEAD], taken[MATRIX], taken[NORM]) == ([0.0, 2.0], [0.0, 2.0], [0.0], [0.0])
    assert not optimizer.tensors()[f"first_moment/{MATRIX}"].any()
    take_steps(model, optimizer, range(2, 3))
    taken = dict(steps_taken(optimizer))
    assert (taken[TABLE], taken[HEAD], taken[MATRIX], taken[NORM]) == ([1.0, 3.0], [1.0, 3.0], [1.0], [1.0])


def test_while_only_new_rows_move_the_backbone_computes_no_gradients() -> None:
    steps = STEPS.model_copy(update={"only_new_rows_steps": 1})
    model = small_model()
    optimizer = Optimizer(model, steps, num_old_rows=NUM_OLD)
    for index, asking in ((0, {TABLE}), (1, {name for name, _ in model.named_parameters()})):
        optimizer.begin(index)
        model(input_ids=torch.arange(9)[None], labels=torch.arange(9)[None]).loss.backward()
        assert {name for name, one in model.named_parameters() if one.grad is not None} == asking


def test_a_parameter_outside_the_loss_is_left_alone() -> None:
    model = small_model()
    before, optimizer = weights(model), Optimizer(model, STEPS, num_old_rows=None)
    optimizer.begin(0)
    give_gradients(model, 0)
    model.get_parameter(MATRIX).grad = None
    optimizer.clip(ALONE)
    optimizer.step(0.01)
    assert torch.equal(model.get_parameter(MATRIX), before[MATRIX])
    assert dict(steps_taken(optimizer))[MATRIX] == [0.0]


@pytest.mark.parametrize(
    "changes", [{}, {"only_new_rows_steps": 3}, {"precision": "pure-bf16"}, {"optimizer_state": "8-bit"}]
)
def test_a_saved_state_continues_bit_for_bit(changes: dict[str, Any], tmp_path: Path) -> None:
    steps = with_groups(old_rows=FROZEN, new_rows=GroupConfig(learning_rate_factor=2.0)).model_copy(update=changes)
    models = [new_model(SHAPE.model_copy(update={"width": 32}), NUM_PIECES, 0, bos_id=1, eos_id=2) for _ in range(2)]
    if steps.precision == "pure-bf16":
        models = [model.bfloat16() for model in models]
    optimizers = [Optimizer(model, steps, num_old_rows=NUM_OLD, seed=3) for model in models]
    take_steps(models[0], optimizers[0], range(2))
    for name in ("optimizer.safetensors", "again.safetensors"):
        optimizers[0].save(tmp_path / name, ALONE)
    assert file_sha256(tmp_path / "optimizer.safetensors") == file_sha256(tmp_path / "again.safetensors")
    models[1].load_state_dict(models[0].state_dict())
    optimizers[1].load(tmp_path / "optimizer.safetensors")
    for model, optimizer in zip(models, optimizers, strict=True):
        take_steps(model, optimizer, range(2, 5))
    for one, two in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, two)


def test_the_state_is_live_and_has_the_same_names_before_the_first_step() -> None:
    model = small_model()
    optimizer = Optimizer(model, STEPS, num_old_rows=NUM_OLD)
    state = optimizer.tensors()
    assert {name.partition("/")[2] for name in state} == {name for name, _ in model.named_parameters()}
    assert not any(tensor.any() for tensor in state.values())
    take_steps(model, optimizer, range(1))
    assert all(tensor.any() for tensor in state.values())
    assert state.keys() == optimizer.tensors().keys()


def test_a_state_of_another_shape_is_refused(tmp_path: Path) -> None:
    model = small_model()
    Optimizer(model, STEPS, num_old_rows=None).save(tmp_path / "optimizer.safetensors", ALONE)
    new_row = input_table(model)[:1]
    add_rows(model, new_row, None, NUM_PIECES)
    with pytest.raises(UserError, match=r"embed_tokens.weight has shape \(61, 16\), the model's is \(62, 16\)"):
        Optimizer(model, STEPS, num_old_rows=None).load(tmp_path / "optimizer.safetensors")


def test_a_state_of_other_parameters_is_refused_before_anything_is_put_back(tmp_path: Path) -> None:
    model = small_model()
    frozen = Optimizer(small_model(), with_groups(norms=FROZEN), num_old_rows=None)
    whole = Optimizer(model, STEPS, num_old_rows=None)
    frozen.save(tmp_path / "frozen.safetensors", ALONE)
    take_steps(model, whole, range(1))
    whole.save(tmp_path / "whole.safetensors", ALONE)
    with pytest.raises(UserError, match=r"first_moment/.*layernorm.weight is missing"):
        whole.load(tmp_path / "frozen.safetensors")
    with pytest.raises(UserError, match=r"first_moment/.*layernorm.weight is of nothing that the model trains"):
        frozen.load(tmp_path / "whole.safetensors")
    assert not any(tensor.any() for tensor in frozen.tensors().values())


def test_groups_that_leave_nothing_to_train_are_refused() -> None:
    everything = dict.fromkeys(GroupsConfig.model_fields, FROZEN)
    with pytest.raises(UserError, match="every group that the model has is frozen"):
        Optimizer(small_model(), with_groups(**everything), num_old_rows=NUM_OLD)
    # The head is tied, and without new pieces there are no new rows: what is not frozen is not there.
    only_absent = everything | {"old_head_rows": GroupConfig(), "new_rows": GroupConfig()}
    with pytest.raises(UserError, match="every group that the model has is frozen"):
        Optimizer(small_model(), with_groups(**only_absent), num_old_rows=None)


@pytest.mark.parametrize(("num_old_rows", "new_rows"), [(None, GroupConfig()), (NUM_OLD, FROZEN)])
def test_steps_for_new_rows_alone_want_new_rows(num_old_rows: int | None, new_rows: GroupConfig) -> None:
    steps = with_groups(new_rows=new_rows).model_copy(update={"only_new_rows_steps": 5})
    with pytest.raises(UserError, match="5 steps train only rows of new pieces"):
        Optimizer(small_model(), steps, num_old_rows=num_old_rows)
