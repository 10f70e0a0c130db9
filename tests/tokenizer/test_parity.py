"""The same ids from us, from the reference implementations, and from what we save in transformers' hands."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import pytest

from loanword.tokenizer.extend import extend
from loanword.tokenizer.learn import continue_bpe
from loanword.tokenizer.load import load_tokenizer
from tests.tokenizer.parity import LANGUAGES, Case, Compared, compare, compare_corpus, documents
from tests.tokenizer.texts import ODD_TEXTS, QUOTING_TEXTS

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

PUBLISHED = {
    "llama-32k": "tokenizers/llama-32k/tokenizer.model",
    "chinese-llama-2-55k": "tokenizers/chinese-llama-2-55k/tokenizer.model",
    "tok512": "checkpoints/stories260K/tok512.model",
    "gpt2": "tokenizers/gpt2",
}


@pytest.fixture(scope="module")
def case(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Case]:
    made: dict[str, Case] = {}

    def make(kind: str) -> Case:
        if kind not in made:
            saved = tmp_path_factory.mktemp("saved")
            load_tokenizer(shared_data / PUBLISHED[kind]).save(saved)
            made[kind] = Case(shared_data / PUBLISHED[kind], saved)
        return made[kind]

    return make


@pytest.fixture(scope="module")
def texts(shared_data: Path) -> list[str]:
    """The starts of 100 documents in each language, and what is odd."""
    starts = (text[:150] for language in LANGUAGES for text in islice(documents(shared_data, language), 100))
    return [*ODD_TEXTS, *QUOTING_TEXTS, *starts]


@pytest.mark.parametrize("kind", PUBLISHED)
def test_documents_and_odd_texts_have_the_references_ids(kind, case, texts):
    compared = compare(case(kind), "all", texts)
    assert (compared.num_documents, compared.num_unlike) == (len(texts), 0), compared.where


@pytest.mark.parametrize("kind", ["llama-32k", pytest.param("gpt2", marks=pytest.mark.vocabulary)])
def test_an_extension_has_the_same_ids_in_every_library(kind, case, shared_data, texts, tmp_path):
    base = load_tokenizer(case(kind).saved)
    target, source = ([text[:500] for text in islice(documents(shared_data, name), 80)] for name in ("zh", "sw"))
    extended = extend(base, continue_bpe(base, target, 300, source))
    extended.save(tmp_path)
    saved = tmp_path / "tokenizer.model"
    compared = compare(Case(saved if saved.is_file() else tmp_path, tmp_path), "all", texts)
    assert (compared.num_documents, compared.num_unlike) == (len(texts), 0), compared.where


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_half_of_a_surrogate_pair_is_refused_and_not_guessed(kind, request):
    with pytest.raises(TypeError):
        request.getfixturevalue(kind).encode("\ud83d")


@pytest.mark.vocabulary
def test_every_document_of_every_corpus_has_the_references_ids(case, shared_data):
    cases = [case(kind) for kind in PUBLISHED]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        pending = [pool.submit(compare_corpus, shared_data, one, language) for language in LANGUAGES for one in cases]
        compared: list[Compared] = [one.result() for one in pending]
    assert [one for one in compared if one.num_unlike] == []
    assert sum(one.num_documents for one in compared) == 4 * 157_311
