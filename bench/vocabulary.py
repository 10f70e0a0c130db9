"""Learning pieces: 30,000 merges on 45 MB of Chinese, from documents to pieces, in 45 s and 1 GB on two cores.

The ratio is the smaller of goal / seconds and goal / memory of our continued BPE, its gate of 5 MB of English included.
Beside it, in turns, the peers' trainers on the same text. An arm is a process: its time has everything from its start
to its end, its memory is the largest sum of what it and its children hold (proportional set size, looked at often).

In: text/{zh,en}.jsonl.gz and tokenizers/llama-32k below the folder that LOANWORD_TEST_DATA names, or ../shared/data.
"""

import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from bench._learners import ARMS, Problem, documents
from bench._processes import memory_is_told, taken
from loanword.tokenizer.interface import NewPiece
from loanword.tokenizer.load import load_tokenizer

GOAL_SECONDS, GOAL_MEGABYTES = 45.0, 1000.0


class Measurement(NamedTuple):
    """What a process took, with its children, and what it wrote."""

    seconds: float
    cpu_seconds: float
    peak_megabytes: float
    pieces: list[Any]


def run(quick: bool) -> dict[str, Any]:
    """Our time and memory against the goals; medians of the rounds."""
    data = Path(os.environ.get("LOANWORD_TEST_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
    if not (data / "text").is_dir():
        return {"skipped": f"no {data.name}/text: LOANWORD_TEST_DATA names the folder"}
    if not memory_is_told():
        return {"skipped": "memory is read from /proc, which only Linux has"}
    problem = (
        Problem(str(data), 5_000_000, 1_000_000, 10_000) if quick else Problem(str(data), 10**9, 5_000_000, 30_000)
    )
    rounds = []
    for _ in range(1 if quick else 3):
        rounds.append({arm: measured(arm, problem) for arm in ARMS})
        _check(problem, rounds[-1]["loanword"].pieces)
    rows = [_row(arm, [each[arm] for each in rounds]) for arm in ARMS]
    for row in rows:
        row["seconds / ours"] = row["seconds"] / rows[0]["seconds"]
    ratio = min(GOAL_SECONDS / rows[0]["seconds"], GOAL_MEGABYTES / rows[0]["peak MB"])
    return {"name": "vocabulary", "ratio": ratio, "goal": 1.0, "rows": rows}


def measured(arm: str, problem: Problem) -> Measurement:
    """One arm in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "pieces.json"
        arguments = [arm, json.dumps(problem), str(out)]
        return Measurement(*taken("bench._learners", arguments), json.loads(out.read_text(encoding="utf-8")))


def _check(problem: Problem, learned: list[tuple[str, str | None, str | None]]) -> None:
    """Every piece is reached, no base id has moved, and text comes back as from the base."""
    base = load_tokenizer(Path(problem.data) / "tokenizers/llama-32k/tokenizer.model")
    extended = base.with_pieces([NewPiece(text=text, left=left, right=right) for text, left, right in learned])
    assert len(learned) == problem.num_pieces
    assert extended.pieces[: base.num_pieces] == base.pieces
    new = range(base.num_pieces, extended.num_pieces)
    assert extended.encode_spans(text for text, _, _ in learned) == [[id] for id in new]
    for language in ("zh", "en", "hi"):
        for text in documents(problem.data, language, 500_000, skip_bytes=2_000_000):
            assert extended.decode(extended.encode(text)) == base.decode(base.encode(text))


def _row(arm: str, rounds: list[Measurement]) -> dict[str, Any]:
    return {
        "arm": arm,
        "pieces": len(rounds[0].pieces),
        "seconds": statistics.median(each.seconds for each in rounds),
        "CPU-seconds": statistics.median(each.cpu_seconds for each in rounds),
        "peak MB": statistics.median(each.peak_megabytes for each in rounds),
    }
