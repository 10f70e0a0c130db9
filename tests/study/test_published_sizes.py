"""Facts about published data sets and vocabularies: as counted, and used where nothing is at hand."""

from pathlib import Path

import pytest
import sentencepiece

from loanword.recipe import BaseConfig, CorpusConfig, HubFiles
from loanword.study.estimate.published import (
    OF_CHINESE_LLAMA,
    OF_LLAMA,
    published_bytes_per_document,
    published_bytes_per_token,
    published_corpus_bytes,
)


@pytest.mark.parametrize(
    ("model", "counted"),
    [("llama-32k/tokenizer.model", OF_LLAMA), ("chinese-llama-2-55k/tokenizer.model", OF_CHINESE_LLAMA)],
)
def test_bytes_a_token_are_as_the_vocabularies_count_them(model: str, counted: dict[str, float], shared_data: Path):
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(shared_data / "tokenizers" / model))
    for language in OF_LLAMA:
        path = shared_data / "parallel" / "flores200-devtest" / f"{language}.txt"
        text = path.read_text(encoding="utf-8")
        assert len(text.encode()) / len(pieces.encode(text)) == pytest.approx(counted[language], abs=0.01), language


def test_a_vocabulary_is_known_by_the_base_and_what_is_put_to_it():
    def of(**base: object) -> float | None:
        return published_bytes_per_token(BaseConfig.model_validate(base), "zh-Hans")

    assert of(model="huggyllama/llama-7b") == of(model="meta-llama/Llama-2-7b-hf@main") == OF_LLAMA["zh"]
    assert of(model="huggyllama/llama-7b", adapter="hfl/chinese-llama-plus-lora-7b") == OF_CHINESE_LLAMA["zh"]
    assert of(model="hfl/chinese-llama-2-7b") == OF_CHINESE_LLAMA["zh"]
    assert of(model="org/other") is None
    assert published_bytes_per_token(BaseConfig(model="huggyllama/llama-7b"), "de") is None


def test_a_corpus_is_known_by_its_data_sets_and_its_limit():
    def corpus(*ids: str, files: tuple[str, ...] = (), limit: int | None = 10**9) -> CorpusConfig:
        hub = tuple(HubFiles(id=one, files=("*",)) for one in ids)
        return CorpusConfig(hub=hub, files=files, limit_bytes=limit)

    known = corpus("Skywork/SkyPile-150B")
    assert published_corpus_bytes(known) == 10**9
    assert published_bytes_per_document(known) == pytest.approx(2_661, abs=1)
    assert published_corpus_bytes(corpus("Skywork/SkyPile-150B", limit=None)) is None
    for other in (corpus("org/other"), corpus("Skywork/SkyPile-150B", "org/other"), corpus(files=("here.jsonl",))):
        assert published_bytes_per_document(other) is None
        assert published_corpus_bytes(other) is None
