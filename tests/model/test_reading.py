"""How models are read when they are asked something."""

from collections.abc import Callable

import pytest
import torch

from loanword.model.reading import reading
from loanword.model.score import LocalModel
from loanword.model.vectors import LocalEncoder
from loanword.protocols import ChoicePrompt, OpenPrompt
from loanword.records import Decoding
from loanword.tokenizer.learn import learn
from tests.model.families import small_model

CHOICE = ChoicePrompt("q", "", (), "it", (" a", " b"))
OPEN = OpenPrompt("q", "", (), "it")
ASKED: dict[str, Callable[[LocalModel], object]] = {
    "choose": lambda model: model.choose([CHOICE]),
    "choose singly": lambda model: model.choose_singly([CHOICE]),
    "likelihoods": lambda model: model.likelihoods(["it is"], window_tokens=8, stride_tokens=4),
    "generate": lambda model: model.generate([OPEN], Decoding(max_new_tokens=2)),
    "vectors": lambda model: LocalEncoder(model.model, model.tokenizer).vectors(["it is"], "mean"),
}


@pytest.mark.parametrize("asked", ASKED)
def test_whatever_a_model_is_asked_no_plan_is_made_for_its_shape(asked: str) -> None:
    model, seen = small_model("llama"), list[bool]()
    hook = torch.nn.Module.register_forward_pre_hook
    for module in model.modules():
        hook(module, lambda *_: seen.append(torch.backends.cuda.cudnn_sdp_enabled()))
    pieces = learn(["it is what it is, a b"] * 9, 280)
    model.resize_token_embeddings(pieces.num_pieces)
    before = torch.backends.cuda.cudnn_sdp_enabled()
    ASKED[asked](LocalModel(model, pieces))
    assert seen and not any(seen)
    assert torch.backends.cuda.cudnn_sdp_enabled() is before


def test_nothing_is_learned_while_reading() -> None:
    with reading():
        assert torch.is_inference_mode_enabled()
    assert not torch.is_inference_mode_enabled()
