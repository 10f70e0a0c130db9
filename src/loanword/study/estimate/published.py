"""Published facts about data sets on the Hub, and counts of published vocabularies: plans need no download."""

from loanword.recipe import BaseConfig, CorpusConfig, SourceConfig

BYTES_PER_DOCUMENT = {
    "Skywork/SkyPile-150B": 620e9 / 233e6,
    "tiiuae/falcon-refinedweb": 2.8e12 / 968e6,
}
"""Text of a document. Source: the data sets' cards (620 GB in 233M pages; 2.8 TB in 968M)."""

OF_LLAMA = {
    "en": 4.11, "zh": 1.98, "ar": 2.00, "bn": 2.07, "gu": 1.07, "hi": 2.37, "id": 2.56, "ml": 2.40, "mr": 2.50,
    "ne": 2.44, "sw": 2.36, "ta": 2.32, "te": 1.07, "ur": 1.72, "vi": 2.01,
}  # fmt: skip
"""Bytes a token of LLaMA's 32,000 pieces, counted on FLORES-200 devtest."""
OF_CHINESE_LLAMA = OF_LLAMA | {"zh": 4.15}
"""The same of Chinese LLaMA2's 55,296 pieces; Chinese LLaMA's 49,953 were not at hand, and are taken to be as they."""

_LLAMAS = (
    "huggyllama/llama-",
    "meta-llama/Llama-2-",
    "openlmlab/open-chinese-llama-",
)
_CHINESE_LLAMAS = ("hfl/chinese-llama-",)


def published_bytes_per_document(config: SourceConfig) -> float | None:
    """Mean over the data sets that a source names; None where one of them is not known, or there are files too."""
    sizes = [BYTES_PER_DOCUMENT.get(one.id) for one in config.hub]
    known = [size for size in sizes if size is not None]
    return sum(known) / len(known) if known and len(known) == len(sizes) and not config.files else None


def published_corpus_bytes(config: CorpusConfig) -> int | None:
    """Text of a corpus from a known data set: up to its limit; None where it has none, or the data set is not known."""
    return None if published_bytes_per_document(config) is None else config.limit_bytes


def published_bytes_per_token(base: BaseConfig, language: str) -> float | None:
    """Of text in a language with a published model's vocabulary; None where it was not counted."""
    if any(name.startswith(_CHINESE_LLAMAS) for name in (*base.adapter, str(base.model))):
        return OF_CHINESE_LLAMA.get(language.partition("-")[0])
    return OF_LLAMA.get(language.partition("-")[0]) if str(base.model).startswith(_LLAMAS) else None
