"""AdamW as configured, and its state without pickle."""

from pathlib import Path

import pytest
import torch

from loanword.errors import UserError
from loanword.model.embeddings import extend_embeddings
from loanword.records import file_sha256
from loanword.training.optimizer import (
    clip_gradients,
    load_optimizer,
    new_optimizer,
    save_optimizer,
    take_step,
)
from tests.training.small import NUM_PIECES, STEPS, small_model


def give_gradients(model: torch.nn.Module, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=random)


def gradient_of(parameter: torch.Tensor) -> torch.Tensor:
    assert parameter.grad is not None
    return parameter.grad


def test_only_matrices_between_the_embeddings_decay() -> None:
    model = small_model()
    decayed, others = new_optimizer(model, STEPS).param_groups
    kept = {id(parameter) for parameter in others["params"]}
    assert decayed["weight_decay"] == STEPS.weight_decay and others["weight_decay"] == 0.0
    for name, parameter in model.named_parameters():
        assert (id(parameter) in kept) == ("norm" in name or "embed_tokens" in name), name


def test_a_step_is_the_textbook_step() -> None:
    model = small_model()
    optimizer = new_optimizer(model, STEPS)
    weight = model.get_parameter("model.layers.0.mlp.up_proj.weight")
    expected, first, second = weight.detach().double(), 0.0, 0.0
    for step in (1, 2, 3):
        give_gradients(model, step)
        gradient = gradient_of(weight).double()
        first = STEPS.beta1 * first + (1 - STEPS.beta1) * gradient
        second = STEPS.beta2 * second + (1 - STEPS.beta2) * gradient**2
        moved = first / (1 - STEPS.beta1**step) / ((second / (1 - STEPS.beta2**step)).sqrt() + 1e-8)
        expected = expected * (1 - 0.01 * step * STEPS.weight_decay) - 0.01 * step * moved
        take_step(optimizer, 0.01 * step)
    torch.testing.assert_close(weight.detach().double(), expected, rtol=1e-5, atol=1e-6)
    assert weight.grad is None


def test_a_saved_state_continues_bit_for_bit(tmp_path: Path) -> None:
    models = [small_model(), small_model()]
    optimizers = [new_optimizer(model, STEPS) for model in models]
    give_gradients(models[0], 0)
    take_step(optimizers[0], 0.01)
    save_optimizer(optimizers[0], models[0], tmp_path / "optimizer.safetensors")
    save_optimizer(optimizers[0], models[0], tmp_path / "again.safetensors")
    assert file_sha256(tmp_path / "optimizer.safetensors") == file_sha256(tmp_path / "again.safetensors")
    models[1].load_state_dict(models[0].state_dict())
    load_optimizer(optimizers[1], models[1], tmp_path / "optimizer.safetensors")
    for model, optimizer in zip(models, optimizers, strict=True):
        give_gradients(model, 1)
        take_step(optimizer, 0.01)
    for one, two in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_state_of_another_model_is_refused(tmp_path: Path) -> None:
    model = small_model()
    optimizer = new_optimizer(model, STEPS)
    give_gradients(model, 0)
    take_step(optimizer, 0.01)
    save_optimizer(optimizer, model, tmp_path / "optimizer.safetensors")
    extend_embeddings(model, [(1,)], NUM_PIECES)
    with pytest.raises(UserError, match=r"embed_tokens.weight has shape \(61, 16\), the model's is \(62, 16\)"):
        load_optimizer(new_optimizer(model, STEPS), model, tmp_path / "optimizer.safetensors")


def test_gradients_are_shortened_together_and_only_when_too_long() -> None:
    model = small_model()
    give_gradients(model, 0)
    exact = float(torch.cat([gradient_of(parameter).flatten() for parameter in model.parameters()]).double().norm())
    assert clip_gradients(model, 2 * exact) == pytest.approx(exact, rel=1e-5)
    assert clip_gradients(model, 0.5) == pytest.approx(exact, rel=1e-5)
    assert clip_gradients(model, 1.0) == pytest.approx(0.5, rel=1e-4)
