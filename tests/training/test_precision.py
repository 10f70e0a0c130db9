"""The bits of weights and products."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from loanword.errors import UserError
from loanword.model.embeddings import input_table, output_table
from loanword.model.load import load_model, new_model, save_model
from loanword.recipe import ArchitectureConfig, StepsConfig
from loanword.training import precision
from loanword.training.precision import check_float8, multiply_in_float8, prepare, products
from tests.training.small import NUM_PIECES, small_model
from tests.training.small import SHAPE as SMALL

CPU = torch.device("cpu")
SHAPE = ArchitectureConfig(
    width=32, num_layers=2, num_heads=2, num_key_value_heads=1, feed_forward_width=48, context_tokens=32
)


def steps(name: str) -> StepsConfig:
    return StepsConfig.model_validate({"peak_learning_rate": 1e-3, "precision": name})


@pytest.mark.parametrize(("name", "kind"), [("float32", torch.float32), ("bf16", torch.bfloat16)])
def test_products_of_float32_weights_are_taken_in_the_precision_asked_for(name: str, kind: torch.dtype) -> None:
    layer = nn.Linear(4, 4)
    with products(steps(name), CPU):
        assert layer(torch.ones(1, 4)).dtype == kind
    assert layer(torch.ones(1, 4)).dtype == torch.float32


def test_pure_bf16_casts_weights_and_neither_ties_nor_rotary_frequencies() -> None:
    model = small_model()
    names = list(model.state_dict())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    prepare(model, steps("pure-bf16"), CPU)
    assert list(model.state_dict()) == names
    for name, parameter in model.named_parameters():
        assert parameter.dtype == torch.bfloat16 and torch.equal(parameter, before[name].bfloat16())
    assert model.model.rotary_emb.inv_freq.dtype == torch.float32
    assert (output_table(model) is input_table(model)) == SMALL.tied_embeddings
    with products(steps("pure-bf16"), CPU):
        hidden_BTD = model.base_model(input_ids=torch.ones(1, 4, dtype=torch.long)).last_hidden_state
    assert hidden_BTD.dtype == torch.bfloat16


def test_a_model_in_bf16_is_saved_and_taken_up_again_to_the_bit(tmp_path: Path) -> None:
    model = small_model()
    prepare(model, steps("pure-bf16"), CPU)
    save_model(model, tmp_path)
    again = load_model(tmp_path)
    prepare(again, steps("pure-bf16"), CPU)
    for one, two in zip(model.parameters(), again.parameters(), strict=True):
        assert two.dtype == torch.bfloat16 and torch.equal(one, two)


@pytest.mark.parametrize("name", ["float32", "bf16"])
def test_float32_weights_are_left_alone(name: str) -> None:
    model, untouched = small_model(), small_model()
    prepare(model, steps(name), CPU)
    for one, two in zip(model.parameters(), untouched.parameters(), strict=True):
        assert one.dtype == torch.float32 and torch.equal(one, two)


def test_float8_where_nothing_multiplies_it_is_refused() -> None:
    with pytest.raises(UserError, match=r"float8 cannot be multiplied on cpu\n  expected: .* 8\.9 .*\n.* bf16"):
        prepare(small_model(), steps("float8"), CPU)


def test_float8_on_older_gpus_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    with pytest.raises(UserError, match="float8 cannot be multiplied on cuda:0"):
        check_float8(torch.device("cuda", 0))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(precision, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="without torchao"):
        check_float8(torch.device("cuda", 0))
    monkeypatch.setattr(precision, "find_spec", lambda name: name)
    check_float8(torch.device("cuda", 0))


def gradients(model: nn.Module) -> dict[str, Tensor]:
    ids_BT = torch.arange(32).view(2, 16) % NUM_PIECES
    model(input_ids=ids_BT, labels=ids_BT).loss.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}


def test_float8_products_give_nearly_the_same_gradients_under_the_same_names() -> None:
    pytest.importorskip("torchao")
    exact, model = (new_model(SHAPE, NUM_PIECES, 0, bos_id=1, eos_id=2) for _ in range(2))
    multiply_in_float8(model, emulated=True)
    expected, found = gradients(exact), gradients(model)
    assert list(found) == list(expected)
    for name, gradient in expected.items():
        assert found[name].dtype == torch.float32
        # e4m3 keeps 3 bits behind the first, e5m2 keeps 2: numbers are off by a sixteenth and an eighth at most.
        difference = float((found[name] - gradient).norm() / gradient.norm())
        assert 0.0 < difference < 0.2, name


def test_float8_refuses_a_layer_that_hardware_cannot_multiply() -> None:
    pytest.importorskip("torchao")
    odd = new_model(SHAPE.model_copy(update={"feed_forward_width": 40}), NUM_PIECES, 0, bos_id=1, eos_id=2)
    with pytest.raises(UserError, match=r"float8 cannot multiply mlp.down_proj, which is \(32, 40\)"):
        multiply_in_float8(odd, emulated=True)
    assert all(type(module) is nn.Linear for module in odd.modules() if isinstance(module, nn.Linear))
