"""Memory and time of building a corpus from gzip JSON Lines: ten times the text may take a tenth more memory at most.

The ratio is 1.1 / (peak memory with ten copies of 45 MB of English / with one), the smaller of those without and with
removal of near duplicates. One copy is built before and after ten, and the mean of its peaks counts. So that copies
are no duplicates, each is written in an alphabet of its own, letters moved on by some places. An arm is a process with
two workers: its memory is the largest sum of what it and its children hold.

In: text/en.jsonl.gz below the folder that LOANWORD_TEST_DATA names, or ../shared/data.
"""

import gzip
import itertools
import json
import os
import statistics
import string
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench._processes import Taken, memory_is_told, taken
from loanword.corpus.build import build_corpus
from loanword.corpus.sources import source_files
from loanword.recipe import CorpusConfig

GROWTH = 1.1
NUM_COPIES = 10
NUM_WORKERS = 2
ARMS: dict[str, dict[str, Any]] = {"default settings": {}, "near_duplicates = 0.7": {"near_duplicates": 0.7}}


def run(quick: bool) -> dict[str, Any]:
    """Growth of peak memory against what is allowed, and speeds."""
    data = Path(os.environ.get("LOANWORD_TEST_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
    text = data / "text" / "en.jsonl.gz"
    if not text.is_file():
        return {"skipped": f"no {data.name}/text: LOANWORD_TEST_DATA names the folder"}
    if not memory_is_told():
        return {"skipped": "memory is read from /proc, which only Linux has"}
    rows: list[dict[str, Any]] = []
    growths: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        num_bytes = _write_copies(text, Path(folder), 2_000 if quick else None)
        for arm in ARMS:
            before, ten, after = (_arm(arm, Path(folder), num_copies) for num_copies in (1, NUM_COPIES, 1))
            one = Taken(*(statistics.mean(pair) for pair in zip(before, after, strict=True)))
            growths.append(ten.peak_megabytes / one.peak_megabytes)
            rows += [_row(arm, num_bytes, one), _row(arm, NUM_COPIES * num_bytes, ten)]
    return {"name": "corpus", "ratio": GROWTH / max(growths), "goal": 1.0, "rows": rows}


def build(arm: str, folder: Path, num_copies: int) -> None:
    """One corpus of some of the copies that lie in `folder`."""
    names = tuple(f"{copy}.jsonl.gz" for copy in range(num_copies))
    config = CorpusConfig.model_validate({"language": "en", "files": names, **ARMS[arm]})
    with tempfile.TemporaryDirectory(dir=folder) as out:
        made = build_corpus(config, source_files(config, folder, {}), Path(out), num_workers=NUM_WORKERS)
    # A text is a near duplicate of the same others in every alphabet, and of none in another.
    num_kept = made.num_documents + made.num_held_out_documents
    assert num_kept > 0.98 * (num_kept + sum(made.num_removed.values()))


def _arm(arm: str, folder: Path, num_copies: int) -> Taken:
    return taken("bench.corpus", [arm, str(folder), str(num_copies)])


def _write_copies(text: Path, folder: Path, num_documents: int | None) -> int:
    """Copies of some documents in alphabets of their own; returns the bytes of the texts of one."""
    num_bytes = 0
    for copy in range(NUM_COPIES):
        moved = {
            ord(letter): letters[(place + copy) % len(letters)]
            for letters in (string.ascii_lowercase, string.ascii_uppercase)
            for place, letter in enumerate(letters)
        }
        with (
            gzip.open(text, "rt", encoding="utf-8") as lines,
            gzip.open(folder / f"{copy}.jsonl.gz", "wt", encoding="utf-8", compresslevel=1) as file,
        ):
            for line in itertools.islice(lines, num_documents):
                document = json.loads(line)
                document |= {"id": f"{document['id']}-{copy}", "text": document["text"].translate(moved)}
                file.write(json.dumps(document, ensure_ascii=False) + "\n")
                num_bytes += len(document["text"].encode("utf-8")) if not copy else 0
    return num_bytes


def _row(arm: str, num_bytes: int, one: Taken) -> dict[str, Any]:
    return {
        "arm": arm,
        "text MB": num_bytes / 1e6,
        "seconds": one.seconds,
        "CPU-seconds": one.cpu_seconds,
        "MB / CPU-second": num_bytes / 1e6 / one.cpu_seconds,
        "peak MB": one.peak_megabytes,
    }


if __name__ == "__main__":
    build(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
