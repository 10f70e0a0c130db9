"""Vectors of sentences: transformers' own states whatever else is read, in bounded memory, and what they align."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from loanword.errors import UserError
from loanword.evaluation.alignment import aligned
from loanword.model import vectors
from loanword.model.embeddings import input_table
from loanword.model.load import new_model, save_model
from loanword.model.opening import open_asked, open_encoder
from loanword.model.score import LocalModel
from loanword.model.vectors import LocalEncoder
from loanword.recipe import AlignmentConfig, ArchitectureConfig
from loanword.records import Execution
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.learn import learn
from tests.model.families import CONTEXT_TOKENS, FAMILIES, small_model

SENTENCES = [
    "Which letter is it, sooner or later?",
    "A",
    "题目：甲乙丙丁？",
    "The cat sees the dog.",
    "The dog sees the cat.",
    "答案：甲",
    "é",
]
POOLINGS: tuple[Literal["mean", "last"], ...] = ("mean", "last")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return learn(SENTENCES * 20, 330)


@pytest.fixture(scope="module")
def encoder_of(tokenizer: Tokenizer) -> Callable[[str], LocalEncoder]:
    def encoder(family: str) -> LocalEncoder:
        model = small_model(family)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            model.resize_token_embeddings(tokenizer.num_pieces, mean_resizing=False)
        return LocalEncoder(model.eval(), tokenizer, micro_batch_tokens=50)

    return encoder


@pytest.fixture(scope="module")
def encoder(encoder_of: Callable[[str], LocalEncoder]) -> LocalEncoder:
    return encoder_of("llama")


@torch.no_grad()
def states_alone(encoder: LocalEncoder, text: str) -> torch.Tensor:
    """What transformers gives of a sentence by itself, [layer, token, width], that of BOS among them."""
    ids = torch.tensor([[encoder.tokenizer.bos_id, *encoder.tokenizer.encode(text)]])
    return torch.stack(encoder.model(ids, output_hidden_states=True).hidden_states)[:, 0]


@pytest.mark.parametrize("family", FAMILIES)
def test_vectors_are_the_states_of_each_sentence_by_itself(encoder_of: Callable[[str], LocalEncoder], family: str):
    encoder = encoder_of(family)
    means, lasts = (encoder.vectors(SENTENCES, pooling) for pooling in POOLINGS)
    assert means.dtype == lasts.dtype == np.float32
    assert means.shape == lasts.shape == (3, len(SENTENCES), 32)
    for place, text in enumerate(SENTENCES):
        states = states_alone(encoder, text)
        np.testing.assert_allclose(means[:, place], states[:, 1:].mean(dim=1), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(lasts[:, place], states[:, -1], rtol=1e-4, atol=1e-5)


def test_the_first_layer_is_the_mean_of_the_embeddings_without_bos(encoder: LocalEncoder):
    table = input_table(encoder.model).detach()
    for vector, text in zip(encoder.vectors(SENTENCES, "mean")[0], SENTENCES, strict=True):
        np.testing.assert_allclose(vector, table[encoder.tokenizer.encode(text)].mean(dim=0), rtol=1e-4, atol=1e-6)


@given(st.permutations(range(len(SENTENCES))), st.integers(1, 200), st.sampled_from(POOLINGS))
def test_neither_order_nor_company_of_sentences_changes_a_vector(
    encoder: LocalEncoder, order: list[int], at_once: int, pooling: Literal["mean", "last"]
):
    whole = encoder.vectors(SENTENCES, pooling)
    other = LocalEncoder(encoder.model, encoder.tokenizer, at_once)
    some = order[: 1 + at_once % len(order)]
    found = other.vectors([SENTENCES[place] for place in some], pooling)
    np.testing.assert_allclose(found, whole[:, some], rtol=1e-4, atol=1e-5)


def test_asking_again_gives_the_same_bits(encoder: LocalEncoder):
    assert np.array_equal(encoder.vectors(SENTENCES, "mean"), encoder.vectors(SENTENCES, "mean"))


def test_a_sentence_longer_than_the_context_is_cut_and_counted(encoder: LocalEncoder):
    long = "甲乙丙丁" * 40
    assert encoder.num_cut([*SENTENCES, long, long]) == 2
    ids = encoder.tokenizer.encode(long)
    with torch.no_grad():
        start = torch.tensor([[encoder.tokenizer.bos_id, *ids[: CONTEXT_TOKENS - 1]]])
        states = torch.stack(encoder.model(start, output_hidden_states=True).hidden_states)[:, 0]
    np.testing.assert_allclose(
        encoder.vectors(["A", long], "mean")[:, 1], states[:, 1:].mean(dim=1), rtol=1e-4, atol=1e-5
    )


def test_a_sentence_that_just_fits_is_not_cut(encoder: LocalEncoder):
    exact = "é" * 200
    while len(encoder.tokenizer.encode(exact)) >= CONTEXT_TOKENS:
        exact = exact[:-1]
    assert len(encoder.tokenizer.encode(exact)) == CONTEXT_TOKENS - 1
    assert encoder.num_cut([exact]) == 0
    assert encoder.num_cut([exact + "é"]) == 1


def test_no_more_states_are_held_than_one_forward_pass_may_have(encoder: LocalEncoder, monkeypatch: pytest.MonkeyPatch):
    read: list[int] = []
    hook = encoder.model.get_input_embeddings().register_forward_pre_hook(lambda _, ids: read.append(ids[0].numel()))
    monkeypatch.setattr(vectors, "AT_ONCE_STATES", 40 * 3 * 32)
    wide = LocalEncoder(encoder.model, encoder.tokenizer)
    sentences = random.Random(1).choices(SENTENCES, k=60)
    found = wide.vectors(sentences, "mean")
    hook.remove()
    assert max(read) <= 40
    np.testing.assert_allclose(found, encoder.vectors(sentences, "mean"), rtol=1e-4, atol=1e-5)


def test_progress_counts_sentences(encoder: LocalEncoder):
    seen: list[tuple[int, int, str]] = []
    encoder.vectors(SENTENCES, "mean", lambda *told: seen.append(told))
    assert [done for done, _, _ in seen] == sorted({done for done, _, _ in seen})
    assert seen[-1] == (len(SENTENCES), len(SENTENCES), "sentences")


def test_a_sentence_without_tokens_is_refused_by_its_number(encoder: LocalEncoder):
    with pytest.raises(UserError, match="sentence 2 - the tokenizer makes no token of it"):
        encoder.vectors(["A", ""], "mean")


def test_a_sentence_without_tokens_is_refused_by_its_file_when_languages_are_compared(encoder: LocalEncoder):
    config = AlignmentConfig(texts={"en": "their/en.txt", "zh": "their/zh.txt"})
    with pytest.raises(UserError, match=r"their/zh\.txt, sentence 2 - the tokenizer makes no token of it") as error:
        aligned(encoder, {"en": ["A", "é"], "zh": ["甲", ""]}, config)
    assert (error.value.expected, error.value.do) == ("text", "remove its line, and those of its translations")


def test_a_model_in_bf16_gives_vectors_in_float32(encoder_of: Callable[[str], LocalEncoder]):
    encoder = encoder_of("llama, tied")
    precise = encoder.vectors(SENTENCES, "mean")
    encoder.model.bfloat16()
    coarse = encoder.vectors(SENTENCES, "mean")
    assert coarse.dtype == np.float32
    np.testing.assert_allclose(coarse, precise, atol=0.3)
    assert not np.array_equal(coarse, precise)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Path:
    folder = tmp_path_factory.mktemp("base")
    shape = ArchitectureConfig(
        width=32, num_layers=2, num_heads=2, num_key_value_heads=1, feed_forward_width=48, context_tokens=1_024
    )
    model = new_model(shape, tokenizer.num_pieces, 3, bos_id=tokenizer.bos_id, eos_id=tokenizer.eos_id)
    save_model(model, folder / "checkpoint")
    tokenizer.save(folder / "checkpoint")
    return folder


def test_an_artifact_is_loaded_once_for_questions_and_vectors(artifact: Path):
    asked = open_asked(artifact, Execution(), lambda _: None, precision="float32", choice_ids="in-context", key=None)
    encoder = open_encoder(artifact, Execution())
    assert isinstance(asked, LocalModel)
    assert encoder.model is asked.model
    again = open_asked(artifact, Execution(), lambda _: list, precision="float32", choice_ids="isolated", key=None)
    assert isinstance(again, LocalModel)
    assert again.model is encoder.model
    assert (again.choice_ids, again.encode_prompt) == ("isolated", list)


def test_a_served_model_shows_no_vectors(tmp_path: Path):
    (tmp_path / "served.json").write_text(json.dumps({"model": "theirs"}), encoding="utf-8")
    with pytest.raises(UserError, match=r"base\.served 'theirs' - a server does not show"):
        open_encoder(tmp_path, Execution(server="http://127.0.0.1:1"))


def test_real_sentences_find_themselves_at_every_layer_and_their_shuffled_selves_by_chance(
    artifact: Path, shared_data: Path
):
    lines = (shared_data / "parallel" / "flores200-devtest" / "en.txt").read_text(encoding="utf-8").splitlines()[:200]
    config = AlignmentConfig(texts={"en": "en", "zh": "zh"})
    for pooling, first in (("mean", 0), ("last", 1)):
        # Most sentences end in the same token: the embedding of the last one alone tells little apart.
        asked = config.model_copy(update={"pooling": pooling})
        found = aligned(open_encoder(artifact, Execution()), {"en": lines, "zh": lines}, asked)
        assert len(found) == 3
        for layer in found[first:]:
            assert layer.forward_hits == layer.backward_hits == "1" * 200
            assert layer.shuffled_accuracy <= 6 / 200
        assert ("0" in found[0].forward_hits) == (pooling == "last")
