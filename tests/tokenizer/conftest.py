"""Real text, and tokenizers learned and extended on it once a session."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from loanword.tokenizer.learn import LearnedPieces, continue_bpe, learn
from loanword.tokenizer.load import Tokenizer, load_tokenizer
from tests.tokenizer.texts import ODD_TEXTS

Documents = Callable[..., list[str]]


@pytest.fixture(scope="session")
def odd_texts() -> list[str]:
    return ODD_TEXTS


@pytest.fixture(scope="session")
def documents(shared_data: Path) -> Documents:
    """`documents(language, num_bytes, skip_bytes=0)`: real documents of about that many bytes."""

    def read(language: str, num_bytes: int, skip_bytes: int = 0) -> list[str]:
        found: list[str] = []
        seen = 0
        with gzip.open(shared_data / f"text/{language}.jsonl.gz", "rt", encoding="utf-8") as file:
            for line in file:
                text = json.loads(line)["text"]
                seen += len(text.encode())
                if seen > skip_bytes:
                    found.append(text)
                if seen >= skip_bytes + num_bytes:
                    return found
        return found

    return read


@pytest.fixture(scope="session")
def english(documents: Documents) -> Tokenizer:
    return learn(documents("en", 1_000_000), 1024)


@pytest.fixture(scope="session")
def llama(shared_data: Path) -> Tokenizer:
    return load_tokenizer(shared_data / "tokenizers/llama-32k/tokenizer.model")


@pytest.fixture(scope="session")
def gpt2(shared_data: Path) -> Tokenizer:
    return load_tokenizer(shared_data / "tokenizers/gpt2")


@pytest.fixture(scope="session")
def byte_level(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """The first 1,000 merges of GPT-2."""
    source, folder = shared_data / "tokenizers/gpt2", tmp_path_factory.mktemp("byte_level")
    vocab = json.loads((source / "vocab.json").read_text(encoding="utf-8"))
    kept = {piece: id for piece, id in vocab.items() if id < 1256} | {"<|endoftext|>": 1256}
    (folder / "vocab.json").write_text(json.dumps(kept), encoding="utf-8")
    merges = (source / "merges.txt").read_text(encoding="utf-8").split("\n")[:1001]
    (folder / "merges.txt").write_text("\n".join(merges), encoding="utf-8")
    return load_tokenizer(folder)


@pytest.fixture(scope="session")
def chinese_pieces(english: Tokenizer, documents: Documents) -> LearnedPieces:
    return continue_bpe(english, documents("zh", 400_000), 700, documents("en", 500_000))
