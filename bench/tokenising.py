"""Text to packed rows: `datasets.map` with a tokenizer and `group_texts` over our corpus and tokens stages.

45 MB each of English and Chinese in gzip JSON Lines, two processes on two cores, rows of 1,024 tokens; LLaMA's 32,000
pieces by SentencePiece and GPT-2's 50,257 on bytes. Ours also splits off held-out text, removes duplicates, shuffles,
and keeps the ends of all documents; its rows are its stream, cut when it is read. The ratio is the smaller of (LLaMA's
times theirs over ours) / 3 and (GPT-2's) / 6, medians of the rounds.

Before anything is timed, every document's ids are those that SentencePiece, or the tokenizers library, gives it alone,
and those of the peer's tokenizer are equal on a sample (transformers' own conversion of LLaMA's tokenizer has other
ids, so that both read what we save).

In: text/{en,zh}.jsonl.gz, tokenizers/llama-32k and tokenizers/gpt2 below the folder that LOANWORD_TEST_DATA names, or
../shared/data.
"""

import gzip
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from bench._streams import ARMS, NUM_WORKERS, Measured, Problem
from loanword.corpus.build import documents
from loanword.tokenizer.load import load_tokenizer
from loanword.tokenizer.words import batches
from loanword.tokenizer.workers import ordered_map
from loanword.tokens.shards import TokenStream

GOALS = {"LLaMA-32k": 3.0, "GPT-2": 6.0}
TOKENIZERS = {"LLaMA-32k": "llama-32k/tokenizer.model", "GPT-2": "gpt2"}
LANGUAGES = ("en", "zh")
COMPARED_WITH_PEER = 300


def run(quick: bool) -> dict[str, Any]:
    """The smaller share of its goal that a tokenizer reaches."""
    data = Path(os.environ.get("LOANWORD_TEST_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
    if not (data / "text").is_dir():
        return {"skipped": f"no {data.name}/text: LOANWORD_TEST_DATA names the folder"}
    if importlib.util.find_spec("datasets") is None:
        return {"skipped": "datasets is not installed, which is what ours is compared with"}
    taken: dict[tuple[str, str], list[Measured]] = {}
    num_bytes = 0
    with tempfile.TemporaryDirectory() as folder:
        files = {language: _file(data, language, Path(folder), quick=quick) for language in LANGUAGES}
        for name, place in TOKENIZERS.items():
            load_tokenizer(data / "tokenizers" / place).save(Path(folder) / name)
            num_bytes, checked = _check(files, Path(folder) / name)
            if quick:
                # What was compared is timed already, and a smoke run does it once.
                taken[name, "loanword"] = [checked]
        for _ in range(1 if quick else 3):
            for name in TOKENIZERS:
                for arm in ARMS if not quick else ("datasets.map",):
                    taken.setdefault((name, arm), []).append(_measured(arm, files, Path(folder) / name))
    rows = [_row(name, arm, measured, num_bytes) for (name, arm), measured in taken.items()]
    shares: list[float] = []
    for name, goal in GOALS.items():
        ours, theirs = (row for row in rows if row["tokenizer"] == name)
        theirs["seconds / ours"] = theirs["seconds"] / ours["seconds"]
        shares.append(theirs["seconds / ours"] / goal)
    return {"name": "tokenising", "ratio": min(shares), "goal": 1.0, "rows": rows}


def _file(data: Path, language: str, folder: Path, *, quick: bool) -> str:
    """A language's file, in place; for a smoke run its first lines, 1 MB of them."""
    whole = data / f"text/{language}.jsonl.gz"
    if not quick:
        return str(whole.resolve())
    part = folder / f"{language}.jsonl.gz"
    with gzip.open(whole, "rb") as read, gzip.open(part, "wb") as written:
        while read.tell() < 1_000_000 and (line := read.readline()):
            written.write(line)
    return str(part)


def _measured(arm: str, files: dict[str, str], tokenizer: Path, work: Path | None = None) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "measured.json"
        problem = Problem(files, str(tokenizer), str(work or folder))
        command = [sys.executable, "-m", "bench._streams", arm, json.dumps(problem), str(out)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HF_HUB_OFFLINE": "1"}
        subprocess.run(command, env=environment, check=True)
        return Measured(*json.loads(out.read_text(encoding="utf-8")))


def _check(files: dict[str, str], tokenizer: Path) -> tuple[int, Measured]:
    """Compares every document of every corpus; the UTF-8 bytes of them, and what making them took."""
    num_bytes = 0
    peer = AutoTokenizer.from_pretrained(tokenizer)
    encode = _library(tokenizer)
    with tempfile.TemporaryDirectory() as folder:
        measured = _measured("loanword", files, tokenizer, Path(folder))
        for language in files:
            stream = TokenStream(Path(folder) / f"tokens-{language}")
            ends, number = stream.offsets.tolist(), 0
            num_bytes += int(stream.text_bytes[-1])
            texts = batches((document.text for document in documents(Path(folder) / f"corpus-{language}")), 500_000)
            for batch, ids in ordered_map(lambda batch: (batch, encode(batch)), texts, NUM_WORKERS):
                for expected in ids:
                    ours = stream.ids(ends[number] + 1, ends[number + 1] - 1)
                    assert np.array_equal(ours, expected), f"{tokenizer.name}, {language}, document {number}"
                    number += 1
                if number == len(batch):
                    theirs = peer(batch[:COMPARED_WITH_PEER], add_special_tokens=False).input_ids
                    assert theirs == ids[:COMPARED_WITH_PEER], f"{tokenizer.name}: the peer has other ids"
            assert number == len(ends) - 1
    return num_bytes, measured


def _library(tokenizer: Path) -> Callable[[Sequence[str]], list[list[int]]]:
    """The ids of SentencePiece, or where there is no model of its kind of the tokenizers library, by themselves."""
    if (tokenizer / "tokenizer.model").is_file():
        processor = SentencePieceProcessor(model_file=str(tokenizer / "tokenizer.model"))
        return lambda texts: processor.encode(list(texts), num_threads=1)
    library = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    library.encode_special_tokens = True
    return lambda texts: [one.ids for one in library.encode_batch_fast(list(texts), add_special_tokens=False)]


def _row(tokenizer: str, arm: str, rounds: list[Measured], num_bytes: int) -> dict[str, Any]:
    seconds = statistics.median(each.seconds for each in rounds)
    return {
        "tokenizer": tokenizer,
        "arm": arm,
        "seconds": seconds,
        "CPU-seconds": statistics.median(each.cpu_seconds for each in rounds),
        "MB/s": num_bytes / 1e6 / seconds,
        "rows": rounds[0].num_rows,
        "parts": ", ".join(
            f"{part} {statistics.median(each.parts[part] for each in rounds):.1f}" for part in rounds[0].parts
        ),
    }
