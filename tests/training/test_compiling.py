"""Layers compiled in place: one graph for all, whatever documents come."""

from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import HashStore
from torch._dynamo.utils import counters
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel

from loanword.errors import UserError
from loanword.model.attention import documents_of, packed_attention
from loanword.model.layers import decoder_layers
from loanword.records import Execution
from loanword.training import compiling
from loanword.training.activations import Activations, keep_activations
from loanword.training.compiling import compile_layers, compiles
from tests.model.families import NUM_PIECES, small_model

# The compiler itself looks for gradients where there are none, and keeps quiet about it unless warnings are errors.
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")

CPU, GPU = torch.device("cpu"), torch.device("cuda")
ROW_TOKENS = 32
BATCHES = (((0, 9), (0,)), ((0,), (0, 3, 5, 20)), ((0, 1, 2), (0, 31)))


@pytest.fixture(autouse=True)
def new_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def compiled(family: str, activations: Activations = "keep") -> PreTrainedModel:
    model = small_model(family)
    keep_activations(model, activations)
    compile_layers(model, backend="aot_eager")
    return model


def gradients(model: PreTrainedModel) -> dict[str, Tensor]:
    """Of all batches together, by name."""
    ids_BT = torch.arange(2 * ROW_TOKENS).view(2, ROW_TOKENS) * 7 % NUM_PIECES
    with packed_attention(model, "masked"):
        for starts in BATCHES:
            documents = documents_of(starts, ROW_TOKENS)
            hidden_BTD = model.base_model(
                input_ids=ids_BT, position_ids=documents.position_ids_BT, use_cache=False, documents=documents
            ).last_hidden_state
            hidden_BTD.square().sum().backward()
    return {name: whole(parameter.grad) for name, parameter in model.named_parameters() if parameter.grad is not None}


def whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert list(found) == list(expected)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-4 * float(gradient.abs().max()))


@pytest.mark.parametrize("activations", ["keep", "selective", "recompute"])
def test_one_graph_serves_all_layers_and_all_documents(activations: Activations) -> None:
    model = compiled("llama", activations)
    assert list(model.state_dict()) == list(small_model("llama").state_dict())
    assert_close(gradients(model), gradients(small_model("llama")))
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]


def test_layers_of_two_kinds_take_two_graphs() -> None:
    assert_close(gradients(compiled("gemma 2")), gradients(small_model("gemma 2")))
    assert counters["stats"]["unique_graphs"] == 2


@pytest.fixture
def process_group() -> Iterator[None]:
    dist.init_process_group("gloo", store=HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("activations", ["keep", "recompute"])
def test_sharding_stays_outside_the_graph(process_group: None, activations: Activations) -> None:
    model = compiled("llama", activations)
    for layer in decoder_layers(model):
        fully_shard(layer)
    fully_shard(model.base_model)
    assert_close(gradients(model), gradients(small_model("llama")))
    assert counters["frames"]["total"] == counters["stats"]["unique_graphs"] == 1


def test_layers_are_compiled_on_a_gpu_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "has_triton", lambda: True)
    assert compiles(Execution(), GPU) and not compiles(Execution(compile=False), GPU)
    assert not compiles(Execution(), CPU)
    monkeypatch.setattr(compiling, "has_triton", lambda: False)
    assert not compiles(Execution(), GPU)
    with pytest.raises(UserError, match=r"no compiler\n  expected: triton"):
        compiles(Execution(compile=True), GPU)


def test_compiling_on_a_cpu_wants_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(compiling.shutil, "which", lambda name: f"/bin/{name}")
    assert compiles(Execution(compile=True), CPU)
    monkeypatch.setattr(compiling.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="asked for on cpu, and there is no compiler"):
        compiles(Execution(compile=True), CPU)
