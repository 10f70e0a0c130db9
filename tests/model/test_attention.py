"""Rule 1: packed rows equal separate documents, forward and backward, for every decoder family and every path."""

from functools import cache
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch._dynamo.utils import counters
from torch.nn.functional import cross_entropy
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GptOssConfig,
    GptOssForCausalLM,
    PreTrainedModel,
    Qwen3NextConfig,
    Qwen3NextForCausalLM,
)

from loanword.errors import UserError
from loanword.model import attention_paths
from loanword.model.attention import PathName, attention_path, documents_of, packed_attention, works_on
from loanword.model.layers import decoder_layers
from tests.model.families import ALTERNATING, FAMILIES, NUM_PIECES, SHAPE, WINDOW, small_model

ROW_TOKENS = 48
Starts = list[tuple[int, ...]]

STARTS: Starts = [(0, 20, 23), (0,), (0, 1, 2, 30)]
"""Documents shorter and longer than WINDOW, a whole row, and documents of one token."""

BF16_TOLERANCE = 0.05
"""transformers rounds capped scores to 8 bits, which adds up over two layers, forward and backward."""

UNFUSED = "ignore:flex_attention called without torch.compile"
CHECKED_BY_DYNAMO = "ignore:The .grad attribute of a Tensor that is not a leaf"


def rows_of_ids(num_rows: int, seed: int = 0) -> Tensor:
    return torch.randint(0, NUM_PIECES, (num_rows, ROW_TOKENS), generator=torch.Generator().manual_seed(seed))


def pieces(ids_BT: Tensor, starts: Starts) -> list[Tensor]:
    return [
        row[begin:end]
        for row, begins in zip(ids_BT, starts, strict=True)
        for begin, end in zip(begins, (*begins[1:], ROW_TOKENS), strict=True)
    ]


def packed_logits(model: PreTrainedModel, ids_BT: Tensor, starts: Starts, path: PathName | None = None) -> Tensor:
    documents = documents_of(starts, ROW_TOKENS, ids_BT.device)
    with packed_attention(model, path):
        return model(
            input_ids=ids_BT, position_ids=documents.position_ids_BT, use_cache=False, documents=documents
        ).logits


def separate_logits(model: PreTrainedModel, ids_BT: Tensor, starts: Starts) -> Tensor:
    """The independent reference: transformers' own attention over one document at a time."""
    logits = [model(input_ids=document[None], use_cache=False).logits[0] for document in pieces(ids_BT, starts)]
    return torch.cat(logits).view(*ids_BT.shape, -1)


def loss(logits_BTV: Tensor, ids_BT: Tensor, starts: Starts) -> Tensor:
    """Nats of every document's tokens but its first, from the logits before them."""
    labels = [torch.cat([document[1:], torch.tensor([-100])]) for document in pieces(ids_BT, starts)]
    return cross_entropy(logits_BTV.flatten(0, 1).float(), torch.cat(labels), reduction="sum")


class Outcome(NamedTuple):
    """What a forward and a backward pass over rows left; gradients by parameter."""

    logits_BTV: Tensor
    nats: Tensor
    gradients: dict[str, Tensor]


def outcome(model: PreTrainedModel, logits_BTV: Tensor, ids_BT: Tensor, starts: Starts) -> Outcome:
    nats = loss(logits_BTV, ids_BT, starts)
    model.zero_grad()
    nats.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    return Outcome(logits_BTV.detach(), nats.detach(), gradients)


def packed(model: PreTrainedModel, starts: Starts, path: PathName) -> Outcome:
    ids_BT = rows_of_ids(len(starts))
    return outcome(model, packed_logits(model, ids_BT, starts, path), ids_BT, starts)


def separate(model: PreTrainedModel, starts: Starts) -> Outcome:
    ids_BT = rows_of_ids(len(starts))
    return outcome(model, separate_logits(model, ids_BT, starts), ids_BT, starts)


@cache
def separate_in_family(family: str) -> Outcome:
    return separate(small_model(family), STARTS)


def assert_same(found: Outcome, expected: Outcome, tolerance: float) -> None:
    """Logits, loss and the gradient of every parameter, each to `tolerance` of its largest number."""
    largest = float(expected.logits_BTV.abs().max())
    torch.testing.assert_close(found.logits_BTV, expected.logits_BTV, rtol=0, atol=tolerance * largest)
    torch.testing.assert_close(found.nats, expected.nats, rtol=tolerance, atol=0)
    assert found.gradients.keys() == expected.gradients.keys()
    for name, gradient in expected.gradients.items():
        # A bias of keys shifts no softmax: its gradient is noise.
        largest = max(float(gradient.abs().max()), 1e-3)
        torch.testing.assert_close(found.gradients[name], gradient, rtol=0, atol=tolerance * largest, msg=name)


@pytest.mark.parametrize("path", ["each", "masked"])
@pytest.mark.parametrize("family", FAMILIES)
def test_packed_rows_equal_separate_documents_in_every_family(family: str, path: PathName) -> None:
    model = small_model(family)
    found = packed(model, STARTS, path)
    assert found.gradients.keys() == dict(model.named_parameters()).keys()
    assert_same(found, separate_in_family(family), tolerance=2e-5)


@pytest.mark.filterwarnings(UNFUSED)
@pytest.mark.parametrize("family", ["llama", "qwen 2, sliding", "gemma", "gemma 2"])
@torch.no_grad()
def test_flex_attention_sees_the_same_documents(family: str) -> None:
    with torch.enable_grad():
        expected_BTV = separate_in_family(family).logits_BTV
    logits_BTV = packed_logits(small_model(family), rows_of_ids(len(STARTS)), STARTS, "flex")
    torch.testing.assert_close(logits_BTV, expected_BTV, rtol=0, atol=1e-5)


@pytest.mark.parametrize("multiplies", [False, True])
@pytest.mark.parametrize(("family", "path"), [("mistral, short window", "each"), ("gemma 2", "masked")])
def test_packed_rows_equal_separate_documents_in_bf16(
    monkeypatch: pytest.MonkeyPatch, family: str, path: PathName, multiplies: bool
) -> None:
    monkeypatch.setattr(attention_paths, "CPU_MULTIPLIES_BF16", multiplies)
    model, starts = small_model(family), STARTS[:1]
    with torch.autocast("cpu", torch.bfloat16):
        assert_same(packed(model, starts, path), separate(small_model(family), starts), tolerance=BF16_TOLERANCE)


starts_of_a_row = st.sets(st.integers(1, ROW_TOKENS - 1), max_size=6).map(lambda inner: (0, *sorted(inner)))


@pytest.mark.parametrize("path", ["each", "masked"])
@given(starts=st.lists(starts_of_a_row, min_size=1, max_size=3))
@settings(max_examples=4, deadline=None)
def test_wherever_documents_start_packed_rows_equal_them(path: PathName, starts: Starts) -> None:
    family = "qwen 2, sliding"
    assert_same(packed(small_model(family), starts, path), separate(small_model(family), starts), tolerance=2e-5)


@pytest.mark.parametrize("path", ["each", "masked"])
def test_a_document_does_not_see_its_neighbours(path: PathName) -> None:
    model, ids_BT, starts = small_model("llama"), rows_of_ids(1), [(0, 20)]
    others_BT = ids_BT.clone()
    others_BT[0, :20] = (ids_BT[0, :20] + 1) % NUM_PIECES
    with torch.no_grad():
        first, second = packed_logits(model, ids_BT, starts, path), packed_logits(model, others_BT, starts, path)
    assert torch.equal(first[0, 20:], second[0, 20:])
    assert not torch.equal(first[0, :20], second[0, :20])


def test_the_way_of_transformers_leaks_across_documents_with_a_cache() -> None:
    # Why we pass documents ourselves. Where this fails, transformers has mended it and the reason is gone.
    model, ids_BT, starts = small_model("llama"), rows_of_ids(1), [(0, 20)]
    documents = documents_of(starts, ROW_TOKENS)
    with torch.no_grad():
        theirs = model(input_ids=ids_BT, position_ids=documents.position_ids_BT).logits
        assert not torch.allclose(theirs, separate_logits(model, ids_BT, starts), atol=1e-3)


@pytest.mark.parametrize(("family", "attention"), [("llama", "sdpa"), ("gemma 2", "eager")])
def test_plain_attention_is_back_after_the_block_even_after_an_error(family: str, attention: str) -> None:
    model, ids_BT = small_model(family), rows_of_ids(1)
    with torch.no_grad():
        before = model(input_ids=ids_BT).logits
        with pytest.raises(RuntimeError, match="stop"), packed_attention(model):
            raise RuntimeError("stop")
        assert torch.equal(model(input_ids=ids_BT).logits, before)
    assert model.config._attn_implementation == attention


def test_documents_are_numbered_and_positions_counted_from_their_starts() -> None:
    documents = documents_of([(0, 2, 3), (0,)], 5)
    assert documents.position_ids_BT.tolist() == [[0, 1, 0, 0, 1], [0, 1, 2, 3, 4]]
    assert documents.document_BT.tolist() == [[0, 0, 1, 2, 2], [3, 3, 3, 3, 3]]


@pytest.mark.parametrize("starts", [(), (1,), (0, 5, 5), (0, ROW_TOKENS)])
def test_documents_that_do_not_cover_their_row_are_refused(starts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="documents must start at 0"):
        documents_of([starts], ROW_TOKENS)


# Compiled layers. The backend `eager` traces and guards as any other does, and generates no code.


def compiled(family: str, **settings: Any) -> PreTrainedModel:
    torch._dynamo.reset()
    counters.clear()
    model = small_model(family)
    for layer in decoder_layers(model):
        layer.forward = torch.compile(layer.forward, backend="eager", **settings)
    return model


BATCHES: list[Starts] = [[(0, 20, 23), (0,)], [(0,), (0,)], [(0, *range(1, 30)), (0, 4, 9, 40)], [(0, 11), (0, 30)]]


@pytest.mark.filterwarnings(CHECKED_BY_DYNAMO)
def test_layers_are_compiled_once_however_many_documents_come() -> None:
    model = compiled("llama", fullgraph=True)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for starts in BATCHES:
            found = packed(model, starts, "masked")
            assert_same(found, separate(small_model("llama"), starts), tolerance=2e-5)
    assert counters["stats"]["unique_graphs"] == 1


@pytest.mark.filterwarnings(CHECKED_BY_DYNAMO)
def test_documents_taken_one_by_one_stay_out_of_compiled_layers() -> None:
    model = compiled("llama")
    packed_logits(model, rows_of_ids(2), BATCHES[0], "each")
    num_graphs = counters["stats"]["unique_graphs"]
    for starts in BATCHES[1:]:
        packed_logits(model, rows_of_ids(2), starts, "each")
    assert counters["stats"]["unique_graphs"] == num_graphs


@pytest.mark.filterwarnings(UNFUSED)
@pytest.mark.parametrize(("path", "device"), [("varlen", "meta"), ("flex", "cpu")])
@torch.no_grad()
def test_what_gpu_paths_read_compiles_once_however_many_documents_come(path: PathName, device: str) -> None:
    model = compiled("mistral, short window", fullgraph=True)
    nn.Module.to(model, device)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for starts in BATCHES:
            packed_logits(model, rows_of_ids(2).to(device), starts, path)
    assert counters["stats"]["unique_graphs"] == 1


# Paths that only GPUs have.


@pytest.mark.parametrize("grouped", [True, False])
@torch.no_grad()
def test_heads_are_repeated_where_varlen_attention_does_not_group_them(
    monkeypatch: pytest.MonkeyPatch, grouped: bool
) -> None:
    seen: list[tuple[int, ...]] = []

    def kernel(query_NHD: Tensor, key_NGD: Tensor, value_NGD: Tensor, *rest: object, **how: object) -> Tensor:
        assert ("enable_gqa" in how) is grouped
        seen.append((query_NHD.shape[1], key_NGD.shape[1], value_NGD.shape[1]))
        return query_NHD

    monkeypatch.setattr(attention_paths, "varlen_attn", kernel)
    monkeypatch.setattr(attention_paths, "VARLEN_GROUPS", grouped)
    packed_logits(small_model("llama"), rows_of_ids(1), [(0, 20)], "varlen")
    assert set(seen) == {(4, 2, 2) if grouped else (4, 4, 4)}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="its kernels need a GPU")
@pytest.mark.parametrize("path", ["varlen", "masked", "each"])  # its heads are too narrow for flex
@pytest.mark.parametrize("family", ["llama", "mistral, short window"])
def test_on_a_gpu_packed_rows_equal_separate_documents_on_every_path(family: str, path: PathName) -> None:
    ids_BT, model = rows_of_ids(len(STARTS)).cuda(), small_model(family).bfloat16()
    nn.Module.to(model, "cuda")
    with torch.no_grad():
        found_BTV = packed_logits(model, ids_BT, STARTS, path).float().cpu()
    expected_BTV = separate_in_family(family).logits_BTV
    tolerance = BF16_TOLERANCE * float(expected_BTV.abs().max())
    torch.testing.assert_close(found_BTV, expected_BTV, rtol=0, atol=tolerance)


# Which path is taken.


@pytest.mark.parametrize(
    ("row_tokens", "starts", "path"),
    [
        (512, (0, 300, 450), "each"),
        (512, tuple(range(0, 512, 60)), "each"),
        (2048, tuple(range(0, 2048, 8)), "each"),
        (512, tuple(range(0, 512, 4)), "masked"),
        (128, tuple(range(0, 128, 32)), "masked"),
        (2048, (0,), "masked"),
    ],
)
def test_on_a_cpu_documents_are_masked_where_they_are_too_short_to_pay_for_being_taken_one_by_one(
    row_tokens: int, starts: tuple[int, ...], path: PathName
) -> None:
    assert attention_path(documents_of([starts] * 4, row_tokens), torch.float32) == path


@pytest.mark.parametrize(
    ("kind", "capped", "head_width", "working", "path"),
    [
        (torch.bfloat16, False, 128, {"varlen", "flex"}, "varlen"),
        (torch.bfloat16, False, 128, {"flex"}, "flex"),
        (torch.bfloat16, False, 512, {"varlen", "flex"}, "masked"),
        (torch.bfloat16, True, 128, {"varlen", "flex"}, "flex"),
        (torch.bfloat16, True, 8, {"varlen", "flex"}, "masked"),
        (torch.bfloat16, False, 8, {"flex"}, "masked"),
        (torch.bfloat16, False, 8, {"varlen", "flex"}, "varlen"),
        (torch.float32, True, 128, {"varlen"}, "masked"),
        (torch.float32, False, 128, {"varlen", "flex"}, "masked"),
        (torch.bfloat16, False, 128, set(), "masked"),
    ],
)
def test_on_a_gpu_the_fastest_path_that_works_is_taken_whatever_the_documents(
    kind: torch.dtype, capped: bool, head_width: int, working: set[PathName], path: PathName
) -> None:
    for starts in BATCHES:
        documents = documents_of(starts, ROW_TOKENS, "cuda")
        chosen = attention_path(
            documents, kind, capped=capped, head_width=head_width, works=lambda name, _: name in working
        )
        assert chosen == path


@pytest.mark.filterwarnings(UNFUSED)
@pytest.mark.parametrize(("path", "works"), [("each", True), ("masked", True), ("varlen", False), ("flex", False)])
def test_a_path_that_does_not_run_here_is_found_out(path: PathName, works: bool) -> None:
    assert works_on(path, torch.device("cpu")) is works


# Models that cannot be packed.


def sinks() -> PreTrainedModel:
    return GptOssForCausalLM(
        GptOssConfig(
            **SHAPE, num_local_experts=2, num_experts_per_tok=1, sliding_window=WINDOW, layer_types=ALTERNATING
        )
    )


def both_ways() -> PreTrainedModel:
    return Gemma3ForCausalLM(
        Gemma3TextConfig(**SHAPE, sliding_window=WINDOW, layer_types=ALTERNATING, use_bidirectional_attention=True)
    )


def recurrent() -> PreTrainedModel:
    return Qwen3NextForCausalLM(
        Qwen3NextConfig(**SHAPE, layer_types=["linear_attention", "full_attention"], num_experts=2)
    )


def of_its_own() -> PreTrainedModel:
    return BloomForCausalLM(BloomConfig(vocab_size=NUM_PIECES, hidden_size=32, n_layer=1, n_head=2))


@pytest.mark.parametrize(
    ("model", "what"),
    [
        (sinks, "attention with s_aux"),
        (both_ways, "attention with tokens that see what follows them"),
        (recurrent, "layers of linear_attention"),
        (of_its_own, "attention that asks transformers for no function"),
    ],
)
def test_models_that_would_mix_documents_are_refused(model: Any, what: str) -> None:
    with pytest.raises(UserError, match=f"{what} cannot be trained on packed rows"):
        packed_logits(model().eval(), rows_of_ids(1), [(0, 20)])
