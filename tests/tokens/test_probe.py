"""Held-out text in rows: every id once, the same bytes for every vocabulary, the likelihood of documents."""

from collections import Counter
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

from loanword.errors import UserError
from loanword.evaluation.likelihood import document_likelihoods
from loanword.model.score import LocalModel
from loanword.recipe import LikelihoodsConfig
from loanword.records import Document
from loanword.tokenizer.learn import learn
from loanword.tokens.probe import ProbeRows, probe_rows
from loanword.tokens.rows import NOT_COUNTED, Row
from tests.tokens.fakes import Characters

TEXTS = ["one fine day", "语言模型", "x", "", "a document that is longer than any row of this test could ever be"]


class Bytes(Characters):
    """Another vocabulary: one id a byte."""

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return [[byte + 3 for byte in text.encode()] for text in texts]


def parts(row: Row) -> list[tuple[list[int], list[int]]]:
    """Ids and labels of each document, or part of one, in a row."""
    ends = (*row.starts[1:], len(row.ids))
    return [
        (row.ids[begin:end].tolist(), row.labels[begin:end].tolist())
        for begin, end in zip(row.starts, ends, strict=True)
    ]


def probed(texts: Sequence[str], tokenizer: Characters, row_tokens: int = 16, probe_bytes: int = 10**6) -> ProbeRows:
    return probe_rows(texts, tokenizer, "en", row_tokens=row_tokens, probe_bytes=probe_bytes)


@settings(max_examples=60)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1), st.integers(1, 40))
def test_every_id_is_predicted_once_from_the_id_before_it(texts: list[str], row_tokens: int) -> None:
    rows = probed(texts, Characters(), row_tokens).rows
    predicted = Counter()
    for row in rows:
        assert len(row.ids) == len(row.labels) == row_tokens and row.starts[0] == 0
        for ids, labels in parts(row):
            counted = [label for label in labels if label != NOT_COUNTED]
            assert not counted or (counted == labels and ids[1:] == labels[:-1])
            predicted.update(zip(ids, counted, strict=False))
    wanted = Counter()
    for ids in Characters().encode_batch(texts):
        wanted.update(zip([Characters.bos_id, *ids], ids, strict=False))
    assert predicted == wanted


def test_a_document_that_fits_lies_whole_in_one_row() -> None:
    begun = [ids[0] for row in probed(TEXTS[:4], Characters(), 12).rows for ids, labels in parts(row) if labels[0] >= 0]
    assert begun == [Characters.bos_id] * 3  # the empty document has nothing to predict


@given(st.integers(1, 200))
def test_the_text_is_cut_at_the_same_character_for_every_vocabulary(probe_bytes: int) -> None:
    characters, single = (probed(TEXTS, kind, probe_bytes=probe_bytes) for kind in (Characters(), Bytes()))
    total = sum(len(text.encode()) for text in TEXTS)
    assert characters.num_bytes == single.num_bytes == sum((row.labels >= 0).sum() for row in single.rows)
    assert min(total, probe_bytes) - 3 <= characters.num_bytes <= probe_bytes
    labels = [label for row in single.rows for label in row.labels if label >= 0]
    assert Counter(labels) == Counter(b + 3 for b in "".join(TEXTS).encode()[: characters.num_bytes])


@pytest.mark.parametrize("texts", [[], ["", ""]])
def test_without_held_out_text_there_is_nothing_to_watch(texts: list[str]) -> None:
    with pytest.raises(UserError, match=r"held-out text of en - there is none(?s:.*)corpus\.en\.held_out_documents"):
        probed(texts, Characters())


def test_the_nats_of_the_rows_are_those_that_evaluation_gives_the_documents() -> None:
    texts = ["Which letter is it, sooner or later?", "题目：甲乙丙丁？", "A. one B. two C. three D. four"]
    tokenizer = learn(texts * 20, 300)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=tokenizer.num_pieces,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    model = LlamaForCausalLM(config).eval()
    made = probe_rows(texts, tokenizer, "en", row_tokens=64, probe_bytes=10**6)
    nats = 0.0
    with torch.no_grad():
        for ids, labels in (part for row in made.rows for part in parts(row)):
            logits_TV = model(torch.tensor([ids]), use_cache=False).logits[0]
            nats += float(cross_entropy(logits_TV, torch.tensor(labels), reduction="sum", ignore_index=NOT_COUNTED))
    evaluated = document_likelihoods(
        LocalModel(model, tokenizer),
        [Document(id=text, text=text) for text in texts],
        "en",
        LikelihoodsConfig(window_tokens=64, stride_tokens=32),
    )
    assert len(made.rows) < len(texts)  # they share rows
    assert nats == pytest.approx(sum(document.nats for document in evaluated), rel=1e-5)
    assert made.num_bytes == sum(document.num_bytes for document in evaluated)
