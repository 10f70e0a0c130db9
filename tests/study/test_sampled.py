"""Samples of sources: what files hold, from their beginnings."""

import gzip
import json
import random
from pathlib import Path

import pytest

from loanword.corpus.sources import local_files
from loanword.recipe import CorpusConfig, InstructionsConfig
from loanword.study.estimate.sampled import (
    Samples,
    bytes_per_token_of_other,
    bytes_per_token_of_own,
    unpacked_bytes,
)

NUM_DOCUMENTS = 40_000


def written(path: Path, words: str, num_documents: int = NUM_DOCUMENTS) -> int:
    """Writes documents of some of the words; bytes of their texts."""
    drawn = random.Random(1)
    texts = ["".join(drawn.choices(words, k=drawn.randint(20, 60))) for _ in range(num_documents)]
    lines = "".join(json.dumps({"text": text, "id": str(n)}, ensure_ascii=False) + "\n" for n, text in enumerate(texts))
    path.write_bytes(gzip.compress(lines.encode()) if path.suffix == ".gz" else lines.encode())
    return sum(len(text.encode()) for text in texts)


@pytest.mark.parametrize("name", ["text.jsonl", "text.jsonl.gz"])
def test_text_and_documents_of_a_file_follow_from_its_beginning(tmp_path: Path, name: str):
    num_bytes = written(tmp_path / name, "abcdefgh ")
    sample = Samples(tmp_path).of(CorpusConfig(files=(name,)))
    assert sample is not None and sample.num_documents is not None
    assert sample.text_bytes == pytest.approx(num_bytes, rel=0.02)
    assert sample.num_documents == pytest.approx(NUM_DOCUMENTS, rel=0.02)


def test_a_gzip_file_says_what_it_unpacks_to(tmp_path: Path):
    written(tmp_path / "text.jsonl.gz", "abcdefgh ")
    (file,) = local_files(tmp_path / "text.jsonl.gz")
    assert unpacked_bytes(file) == len(gzip.decompress((tmp_path / "text.jsonl.gz").read_bytes()))


def test_scripts_are_told_apart(tmp_path: Path):
    for name, words in {"en": "abcdefgh ", "zh": "山水火木金土日月", "hi": "कखगघचछज "}.items():
        written(tmp_path / f"{name}.jsonl", words, 100)
    latin, chinese, hindi = (Samples(tmp_path).of(CorpusConfig(files=(f"{n}.jsonl",))) for n in ("en", "zh", "hi"))
    assert latin and chinese and hindi
    assert (latin.spaced, chinese.spaced, hindi.spaced) == (True, False, True)
    assert (latin.foreign_share, chinese.foreign_share) == (0, 1)
    assert chinese.bytes_per_character == 3
    # A character a token where no spaces are, three tokens a character where there are no pieces for it.
    assert 2.5 < bytes_per_token_of_own(chinese, 2_000) < 3.5
    assert bytes_per_token_of_other(chinese) == pytest.approx(1)
    assert bytes_per_token_of_own(latin, 32_000) > bytes_per_token_of_own(latin, 1_024)


def test_text_of_instructions_is_that_of_all_their_fields(tmp_path: Path):
    (tmp_path / "some.jsonl").write_text('{"instruction": "abc", "input": "", "output": "de"}\n' * 50)
    sample = Samples(tmp_path).of(InstructionsConfig(files=("some.jsonl",)))
    assert sample is not None
    assert (sample.text_bytes, sample.num_documents) == (5 * 50, 50)


def test_a_source_that_is_not_here_has_no_sample(tmp_path: Path):
    assert Samples(tmp_path).of(CorpusConfig(files=("nowhere.jsonl",))) is None
