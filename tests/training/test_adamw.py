"""AdamW with weights in bf16 and moments in 8 bits, against AdamW in float32."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from loanword.model.load import new_model
from loanword.recipe import ArchitectureConfig, StepsConfig
from loanword.training import adamw as room
from loanword.training.adamw import adamw, moments, round_stochastically
from tests.training.small import NUM_PIECES, CountingRows

RATE = 3e-3
FLOAT32 = StepsConfig(peak_learning_rate=RATE, precision="float32")
EIGHT_BITS = StepsConfig(peak_learning_rate=RATE, precision="float32", optimizer_state="8-bit")
PURE = StepsConfig(peak_learning_rate=RATE, precision="pure-bf16")
BOTH = StepsConfig(peak_learning_rate=RATE, precision="pure-bf16", optimizer_state="8-bit")
SHAPE = ArchitectureConfig(
    width=64, num_layers=2, num_heads=2, num_key_value_heads=1, feed_forward_width=96, context_tokens=32
)
SHAPES = ((20, 64), (64, 96), (48,))


def weights(dtype: torch.dtype = torch.float32) -> list[nn.Parameter]:
    random = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=random).to(dtype)) for shape in SHAPES]


def optimizer(parameters: list[nn.Parameter], steps: StepsConfig, seed: int = 0) -> torch.optim.Optimizer:
    return adamw([{"params": parameters, "weight_decay": 0.1}], steps, seed)


def gradients(step: int) -> Iterator[Tensor]:
    random = torch.Generator().manual_seed(1000 + step)
    # Entries of one tensor differ in size by orders of magnitude, as gradients do.
    for shape in SHAPES:
        yield torch.randn(shape, generator=random) * torch.logspace(-3, 0, shape[-1])


def take_steps(parameters: list[nn.Parameter], moved: torch.optim.Optimizer, first: int, last: int) -> None:
    for step in range(first, last):
        for parameter, gradient in zip(parameters, gradients(step), strict=True):
            parameter.grad = gradient.to(parameter.dtype)
        moved.step()


def trained(steps: StepsConfig, num_steps: int, seed: int = 0) -> list[nn.Parameter]:
    parameters = weights(torch.bfloat16 if steps.precision == "pure-bf16" else torch.float32)
    take_steps(parameters, optimizer(parameters, steps, seed), 0, num_steps)
    return parameters


@pytest.mark.parametrize("value", [1.0 + 2**-10, -3.14159, 1e-30, 65280.5, -(2.0**-7) * 1.003])
def test_rounding_is_right_on_average(value: float) -> None:
    noise = torch.arange(2**16, dtype=torch.int32)
    rounded = round_stochastically(torch.full((2**16,), value), noise)
    assert rounded.dtype == torch.bfloat16
    exact = torch.tensor(value).double()
    assert torch.equal(rounded.double().mean(), exact)
    assert len(set(rounded.tolist())) == 2


def test_what_bf16_holds_and_what_is_not_finite_stays() -> None:
    values = torch.tensor([0.0, -0.0, 1.0, -2.5, float("inf"), float("-inf")])
    # The NaN that GPUs make has all bits set: adding to them would give a number.
    nan = torch.tensor([0x7FFFFFFF], dtype=torch.int32).view(torch.float32)
    noise = torch.full((1,), 2**16 - 1, dtype=torch.int32)
    assert torch.equal(round_stochastically(values, noise).float(), values)
    assert round_stochastically(nan, noise).isnan().all()


def test_updates_too_small_for_bf16_arrive_in_expectation() -> None:
    # Each of 100 updates is 1e-4 of the weight, and bf16 steps by 2**-8 to either side of one: nearest loses them all.
    steps = StepsConfig(peak_learning_rate=1e-4, precision="pure-bf16")
    weight = nn.Parameter(torch.ones(20_000, 1, dtype=torch.bfloat16))
    moved = adamw([{"params": [weight], "weight_decay": 0.0}], steps, 0)
    for _ in range(100):
        weight.grad = torch.full_like(weight, 0.5)
        moved.step()
    # A step down from one is 2**-8: the mean of 20,000 weights has a standard error of about 4e-5.
    assert float(weight.detach().double().mean()) == pytest.approx(0.99, abs=2e-4)


def test_rounding_is_drawn_from_seed_slice_and_step_alone() -> None:
    before = torch.get_rng_state()
    one = trained(PURE, 3)
    torch.rand(5)
    two, other = trained(PURE, 3), trained(PURE, 3, seed=1)
    assert all(torch.equal(x, y) for x, y in zip(one, two, strict=True))
    assert not any(torch.equal(x, y) for x, y in zip(one, other, strict=True))
    torch.set_rng_state(before)
    trained(PURE, 1)
    assert torch.equal(torch.get_rng_state(), before)


def test_equal_slices_are_rounded_independently() -> None:
    pair = [nn.Parameter(torch.ones(500, 1, dtype=torch.bfloat16)) for _ in range(2)]
    moved = adamw([{"params": pair, "weight_decay": 0.0}], PURE, 0)
    for weight in pair:
        weight.grad = torch.ones_like(weight)
    moved.step()
    assert not torch.equal(*pair)


def losses(steps: StepsConfig, num_steps: int) -> list[float]:
    model = new_model(SHAPE, NUM_PIECES, 0, bos_id=1, eos_id=2)
    if steps.precision == "pure-bf16":
        model.bfloat16()
    moved = optimizer(list(model.parameters()), steps)
    found = []
    for step in range(num_steps):
        ids_BT = torch.stack([torch.from_numpy(CountingRows().row(index).ids) for index in range(step, step + 4)])
        loss = model(input_ids=ids_BT, labels=ids_BT).loss
        loss.backward()
        moved.step()
        moved.zero_grad()
        found.append(float(loss.detach()))
    return found


def test_few_bytes_track_the_loss_in_float32() -> None:
    exact = losses(FLOAT32, 24)
    assert exact[-1] < 0.8 * exact[0]
    assert losses(EIGHT_BITS, 24) == pytest.approx(exact, rel=0.002)
    assert losses(PURE, 24) == pytest.approx(exact, rel=0.005)
    assert losses(BOTH, 24) == pytest.approx(exact, rel=0.005)


def test_float32_state_is_that_of_torch_adamw_in_the_same_precision() -> None:
    # The update of bf16 weights is the textbook one until it is rounded: in float32 weights nothing is.
    exact, ours = weights(), weights()
    take_steps(exact, optimizer(exact, FLOAT32), 0, 5)
    take_steps(ours, room.SmallAdamW([{"params": ours, "weight_decay": 0.1}], PURE, 0), 0, 5)
    for one, two in zip(exact, ours, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-7)


def test_eight_bits_hold_a_matrix_in_a_quarter() -> None:
    matrix, norm, narrow = torch.zeros(10, 512), torch.zeros(512), torch.zeros(512, 16)
    small = moments(matrix, EIGHT_BITS)
    assert sum(tensor.nbytes for tensor in small.values()) == 2 * 10 * (512 + 2 * 4)
    assert all(tensor.shape[0] == 10 for tensor in small.values())
    for kept in (norm, narrow):
        assert {key: tensor.dtype for key, tensor in moments(kept, EIGHT_BITS).items()} == dict.fromkeys(
            room.MOMENTS, torch.float32
        )
    assert moments(matrix.bfloat16(), PURE)["exp_avg"].dtype == torch.float32


@pytest.mark.parametrize("steps", [EIGHT_BITS, PURE, BOTH])
def test_state_goes_through_plain_tensors_bit_for_bit(steps: StepsConfig) -> None:
    parameters = weights(torch.bfloat16 if steps.precision == "pure-bf16" else torch.float32)
    moved = optimizer(parameters, steps)
    take_steps(parameters, moved, 0, 3)
    copies = [nn.Parameter(parameter.detach().clone()) for parameter in parameters]
    resumed = optimizer(copies, steps)
    for parameter, copy in zip(parameters, copies, strict=True):
        state = {"step": torch.zeros(())} | moments(copy, steps)
        for key, tensor in moved.state[parameter].items():
            assert type(tensor) is Tensor
            state[key].copy_(tensor)
        resumed.state[copy] = state
    take_steps(parameters, moved, 3, 6)
    take_steps(copies, resumed, 3, 6)
    assert all(torch.equal(x, y) for x, y in zip(parameters, copies, strict=True))


def test_slices_of_rows_move_as_the_whole_does() -> None:
    # Blocks stay inside rows, so a table in two slices, whose moments are views, has the very same codes and scales.
    whole, table = nn.Parameter(torch.randn(12, 64)), torch.empty(12, 64)
    table.copy_(whole.detach())
    slices = [nn.Parameter(table[:5]), nn.Parameter(table[5:])]
    one, two = optimizer([whole], EIGHT_BITS), optimizer(slices, EIGHT_BITS)
    shared = moments(table, EIGHT_BITS)
    for weight, rows in zip(slices, (slice(0, 5), slice(5, None)), strict=True):
        two.state[weight] = {"step": torch.zeros(())} | {key: tensor[rows] for key, tensor in shared.items()}
    for step in range(3):
        whole.grad = torch.randn(12, 64, generator=torch.Generator().manual_seed(step))
        slices[0].grad, slices[1].grad = whole.grad[:5], whole.grad[5:]
        one.step()
        two.step()
    assert torch.equal(whole, table)
    assert all(torch.equal(one.state[whole][key], shared[key]) for key in shared)


def test_large_slices_are_taken_in_chunks_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = trained(EIGHT_BITS, 3)
    monkeypatch.setattr(room, "CHUNK", 200)
    assert all(torch.equal(x, y) for x, y in zip(expected, trained(EIGHT_BITS, 3), strict=True))


def test_a_row_without_gradient_does_not_leap() -> None:
    # A piece occurs once and then no more. Were its small second moments rounded to zero, its row would move by
    # its mean over epsilon; in float32 no number moves further in a step than the learning rate times ten.
    random = torch.Generator().manual_seed(0)
    row = nn.Parameter(torch.zeros(1, 4096))
    moved = adamw([{"params": [row], "weight_decay": 0.0}], EIGHT_BITS, 0)
    for step in range(6):
        before = row.detach().clone()
        row.grad = torch.randn(1, 4096, generator=random) if step == 0 else torch.zeros(1, 4096)
        moved.step()
        assert float((row.detach() - before).abs().max()) < 10 * RATE


def test_small_second_moments_are_kept() -> None:
    # Gradients of 1e-9 have squares of 1e-18: scales must not end where float32 is far from ending.
    weight = nn.Parameter(torch.zeros(1, 256))
    moved = adamw([{"params": [weight], "weight_decay": 0.0, "eps": 1e-15}], EIGHT_BITS, 0)
    for _ in range(3):
        weight.grad = torch.full_like(weight, 1e-9)
        moved.step()
    torch.testing.assert_close(weight.detach(), torch.full_like(weight, -3 * RATE), rtol=1e-3, atol=0.0)


def test_codes_stand_for_what_they_do_in_torchao() -> None:
    quantization = pytest.importorskip("torchao.optim.quant_utils")
    for signed in (True, False):
        theirs = torch.tensor(quantization.create_dynamic_map(signed))
        torch.testing.assert_close(room._levels(signed, torch.device("cpu")), theirs, rtol=1e-6, atol=0.0)
        numbers = torch.randn(4, 512) if signed else torch.rand(4, 512) ** 8
        codes, scale = torch.zeros(4, 512, dtype=torch.uint8), torch.zeros(4, 2)
        room._write(numbers, codes, scale, room._levels(signed, torch.device("cpu")), lowest=0)
        shares, expected_scale = quantization.scale_tensor(numbers, 256)
        assert torch.equal(scale.flatten(), expected_scale)
        assert torch.equal(codes, quantization.quantize_8bit_with_qmap(shares, theirs))
