"""Packing alone: tokens a second from lengths and ids to rows on disk, beside TRL's `pack_dataset`.

The conversations of alpaca_en as LLaMA's 32,000 pieces and the Alpaca template make them, and English documents, as
often as it takes to reach 20 million tokens; rows of 2,048. Documents longer than a row are cut into rows and a rest
before they are packed, as TRL's `bfd_split` cuts them (a study's documents are a stream instead, which has no padding
at all). Ours read what lies on disk and write rows, marks and starts to disk; TRL's go from a table in memory to one,
whole or in batches of 1,000 as they are by default. The ratio is the smaller of ours over 50 million tokens a second,
and 1 where at least 99.8 % of the rows is filled and every token is kept, else 0.

In: instructions/alpaca_en.jsonl.gz, text/en.jsonl.gz and tokenizers/llama-32k below the folder that LOANWORD_TEST_DATA
names, or ../shared/data.
"""

import gzip
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from datasets import Dataset, disable_progress_bars
from trl.data_utils import pack_dataset

from loanword.records import Conversation, Message
from loanword.tokenizer.fast import exact_encoder, framed
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.load import load_tokenizer
from loanword.tokens.chat import encode_conversations
from loanword.tokens.pack import write_rows
from loanword.tokens.shards import Ids, Integers
from loanword.tokens.templates import TEMPLATES

GOAL_TOKENS_A_SECOND, LEAST_FILL = 50e6, 0.998
ROW_TOKENS = 2048


class Items(NamedTuple):
    """Conversations or parts of documents, one after another, and as the table that TRL reads."""

    ids: Ids
    counted: Any
    lengths: Integers
    table: Any = None


class Measured(NamedTuple):
    """What packing took, and what its rows hold."""

    seconds: float
    cpu_seconds: float
    num_rows: int
    num_tokens: int


def run(quick: bool) -> dict[str, Any]:
    """Ours against the goal, where nothing is lost."""
    data = Path(os.environ.get("LOANWORD_TEST_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
    if not (data / "instructions").is_dir():
        return {"skipped": f"no {data.name}/instructions: LOANWORD_TEST_DATA names the folder"}
    disable_progress_bars()
    tokenizer = load_tokenizer(data / "tokenizers/llama-32k/tokenizer.model")
    num_tokens = 2_000_000 if quick else 20_000_000
    cases = {
        "conversations": _repeated(_conversations(data, tokenizer, quick=quick), num_tokens),
        "documents": _repeated(_documents(data, tokenizer, quick=quick), num_tokens),
    }
    rows: list[dict[str, Any]] = []
    for case, items in cases.items():
        taken: dict[str, list[Measured]] = {arm: [] for arm in ARMS}
        for _ in range(1 if quick else 3):
            for arm, pack in ARMS.items():
                taken[arm].append(pack(items))
        rows += [_row(case, arm, items, measured) for arm, measured in taken.items()]
    ours = [row for row in rows if row["arm"] == "loanword"]
    whole = all(row["fill %"] >= 100 * LEAST_FILL and row["kept %"] == 100.0 for row in ours)
    slowest = min(row["million tokens/s"] for row in ours)
    return {
        "name": "packing",
        "ratio": slowest * 1e6 / GOAL_TOKENS_A_SECOND if whole else 0.0,
        "goal": 1.0,
        "rows": rows,
    }


def loanword(items: Items) -> Measured:
    """From a spool on disk to rows on disk."""
    with tempfile.TemporaryDirectory() as folder:
        spool = Path(folder) / "ids", Path(folder) / "counted"
        items.ids.tofile(spool[0])
        items.counted.tofile(spool[1])
        started = time.perf_counter(), time.process_time()
        ids: Ids = np.memmap(spool[0], items.ids.dtype, mode="r")
        counted: Any = np.memmap(spool[1], np.bool_, mode="r")
        made = write_rows(ids, counted, items.lengths, Path(folder), row_tokens=ROW_TOKENS, pad_id=2)
        taken = time.perf_counter() - started[0], time.process_time() - started[1]
        return Measured(*taken, made.num_rows, made.num_tokens)


def _trl(strategy: str, **settings: Any) -> Callable[[Items], Measured]:
    def pack(items: Items) -> Measured:
        started = time.perf_counter(), time.process_time()
        batch = settings.get("batch_size") or len(items.table)
        options = {"keep_in_memory": True, "load_from_cache_file": False, "batch_size": batch}
        packed = pack_dataset(items.table, ROW_TOKENS, strategy, map_kwargs=options)
        taken = time.perf_counter() - started[0], time.process_time() - started[1]
        return Measured(*taken, len(packed), sum(map(sum, packed["seq_lengths"])))

    return pack


ARMS: dict[str, Callable[[Items], Measured]] = {
    "loanword": loanword,
    "TRL, bfd_split, all at once": _trl("bfd_split"),
    "TRL, bfd_split, by 1,000": _trl("bfd_split", batch_size=1000),
    "TRL, bfd, all at once": _trl("bfd"),
}


def _conversations(data: Path, tokenizer: Tokenizer, *, quick: bool) -> Items:
    read = islice(_lines(data / "instructions/alpaca_en.jsonl.gz"), 5_000 if quick else None)
    conversations = (
        Conversation(
            id=str(number),
            messages=(
                Message(role="user", content=f"{line['instruction']}\n{line['input']}"),
                Message(role="assistant", content=line["output"]),
            ),
        )
        for number, line in enumerate(read)
    )
    encoded = list(encode_conversations(conversations, tokenizer, TEMPLATES["alpaca"]))
    fitting = [each for each in encoded if len(each.ids) <= ROW_TOKENS]
    return Items(
        np.concatenate([np.array(each.ids, "<u2") for each in fitting]),
        np.concatenate([np.array(each.counted, np.bool_) for each in fitting]),
        np.array([len(each.ids) for each in fitting]),
    )


def _documents(data: Path, tokenizer: Tokenizer, *, quick: bool) -> Items:
    texts = [line["text"] for line in islice(_lines(data / "text/en.jsonl.gz"), 500 if quick else 6_000)]
    ids, num_ids = framed(exact_encoder(tokenizer).encode(texts), tokenizer.bos_id, tokenizer.eos_id)
    parts = [min(ROW_TOKENS, size - begin) for size in num_ids.tolist() for begin in range(0, size, ROW_TOKENS)]
    return Items(ids.astype("<u2"), np.ones(len(ids), np.bool_), np.array(parts))


def _repeated(items: Items, num_tokens: int) -> Items:
    times = -(-num_tokens // len(items.ids))
    ids, counted, lengths = np.tile(items.ids, times), np.tile(items.counted, times), np.tile(items.lengths, times)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
    columns = {"input_ids": ids.astype(np.int32), "assistant_masks": counted.astype(np.int8)}
    lists = {name: pa.ListArray.from_arrays(offsets, pa.array(values)) for name, values in columns.items()}
    return Items(ids, counted, lengths, Dataset(pa.table(lists)))


def _lines(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def _row(case: str, arm: str, items: Items, rounds: list[Measured]) -> dict[str, Any]:
    seconds = statistics.median(each.seconds for each in rounds)
    return {
        "items": f"{len(items.lengths):,} {case}",
        "arm": arm,
        "million tokens/s": len(items.ids) / seconds / 1e6,
        "a CPU-second": len(items.ids) / statistics.median(each.cpu_seconds for each in rounds) / 1e6,
        "rows": rounds[0].num_rows,
        "fill %": 100 * rounds[0].num_tokens / (rounds[0].num_rows * ROW_TOKENS),
        "kept %": 100 * rounds[0].num_tokens / len(items.ids),
    }
