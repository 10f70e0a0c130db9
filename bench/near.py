"""Near duplicates: signatures at 10 MB/s and likeness to 300 texts at 20 MB/s on one core, English and Chinese.

The ratio is the smallest of speed / goal, in megabytes of text a CPU second. Beside it, where it is installed, what
one would write with datasketch: n-grams by Python, hashes by SHA-1, 128 slots.

In: text/{en,zh}.jsonl.gz below the folder that LOANWORD_TEST_DATA names, or ../shared/data.
"""

import gzip
import importlib.util
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from loanword.corpus.near import NUM_SLOTS, Likeness, signature

SIGNATURE_GOAL, LIKENESS_GOAL = 10.0, 20.0
NUM_HELD_OUT = 300


def run(quick: bool) -> dict[str, Any]:
    """Speeds of both against their goals: the median of the rounds."""
    data = Path(os.environ.get("LOANWORD_TEST_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
    if not (data / "text").is_dir():
        return {"skipped": f"no {data.name}/text: LOANWORD_TEST_DATA names the folder"}
    signature("tables are made once")
    rows = [_row(data, language, 2_000 if quick else 10**9, 1 if quick else 3) for language in ("en", "zh")]
    ratio = min(min(row["signature MB/s"] / SIGNATURE_GOAL, row["likeness MB/s"] / LIKENESS_GOAL) for row in rows)
    return {"name": "near", "ratio": ratio, "goal": 1.0, "rows": rows}


def _row(data: Path, language: str, num_documents: int, num_rounds: int) -> dict[str, Any]:
    with gzip.open(data / f"text/{language}.jsonl.gz") as lines:
        texts = [json.loads(line)["text"] for line, _ in zip(lines, range(num_documents), strict=False)]
    likeness, texts = Likeness(texts[:NUM_HELD_OUT], 0.7), texts[NUM_HELD_OUT:]
    arms: dict[str, tuple[Callable[[str], object], Sequence[str]]] = {
        "signature MB/s": (signature, texts),
        "likeness MB/s": (likeness.resembled, texts),
    }
    if importlib.util.find_spec("datasketch") is not None:
        arms["datasketch MB/s"] = (_datasketch(language), texts[: min(1_000, num_documents // 5)])
    rounds = [{arm: _speed(function, some) for arm, (function, some) in arms.items()} for _ in range(num_rounds)]
    medians = {arm: sorted(each[arm] for each in rounds)[num_rounds // 2] for arm in arms}
    return {"text": language, "documents": len(texts), **medians}


def _speed(function: Callable[[str], object], texts: Sequence[str]) -> float:
    started = time.process_time()
    for text in texts:
        function(text)
    return sum(len(text.encode()) for text in texts) / 1e6 / (time.process_time() - started)


def _datasketch(language: str) -> Callable[[str], object]:
    from datasketch import MinHash  # pyright: ignore[reportMissingImports]

    empty = MinHash(NUM_SLOTS)

    def sketch(text: str) -> object:
        tokens = list(text.lower()) if language == "zh" else text.lower().split()
        made = empty.copy()
        made.update_batch(["".join(tokens[at : at + 5]).encode() for at in range(max(1, len(tokens) - 4))])
        return made

    return sketch
