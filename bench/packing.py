"""Packing alone: tokens a second from lengths and ids to rows on disk, beside TRL's `pack_dataset`.

The conversations of alpaca_en as LLaMA's 32,000 pieces and the Alpaca template make them, and English documents, as
often as it takes to reach 20 million tokens; rows of 2,048. Documents longer than a row are cut into rows and a rest
before they are packed, as TRL's `bfd_split` cuts them (a study's documents are a stream instead, which has no padding
at all). Ours go from lengths and ids in memory to rows, marks and starts on disk; TRL's from a table in memory to one,
whole or in batches of 1,000 as they are by default. The ratio is the smallest of our tokens over 50 million a second
and our fill of the rows over 99.8 %, in wall-clock time.

Behind the clock the rows are read again: they hold every id as often as the items do, and as many marks.

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
ROW_TOKENS, NUM_TOKENS = 2048, 20_000_000
PAD_ID = 2


class Items(NamedTuple):
    """Conversations or parts of documents, one after another, and as the table that TRL reads."""

    ids: Ids
    counted: Any
    lengths: Integers
    table: Any = None


class Measured(NamedTuple):
    """What packing took, and into how many rows."""

    seconds: float
    cpu_seconds: float
    num_rows: int


def run(quick: bool) -> dict[str, Any]:
    """Ours against both goals."""
    data = Path(os.environ.get("LOANWORD_TEST_DATA", Path(__file__).parents[1] / ".." / "shared" / "data"))
    if not (data / "instructions").is_dir():
        return {"skipped": f"no {data.name}/instructions: LOANWORD_TEST_DATA names the folder"}
    disable_progress_bars()
    tokenizer = load_tokenizer(data / "tokenizers/llama-32k/tokenizer.model")
    # Less work is slower a token, and leaves emptier rows: a smoke run tries fewer of TRL's ways instead.
    arms = dict(islice(ARMS.items(), 2)) if quick else ARMS
    cases = {
        "conversations": _repeated(_conversations(data, tokenizer, quick=quick)),
        "documents": _repeated(_documents(data, tokenizer, quick=quick)),
    }
    rows: list[dict[str, Any]] = []
    for case, items in cases.items():
        taken: dict[str, list[Measured]] = {arm: [] for arm in arms}
        for _ in range(1 if quick else 3):
            for arm, pack in arms.items():
                taken[arm].append(pack(items))
        rows += [_row(case, arm, items, measured) for arm, measured in taken.items()]
    ours = [row for row in rows if row["arm"] == "loanword"]
    slowest = min(row["million tokens/s"] for row in ours) * 1e6
    emptiest = min(row["fill %"] for row in ours) / 100
    ratio = min(slowest / GOAL_TOKENS_A_SECOND, emptiest / LEAST_FILL)
    return {"name": "packing", "ratio": ratio, "goal": 1.0, "rows": rows}


def loanword(items: Items) -> Measured:
    """From memory to rows on disk."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        started = time.perf_counter(), time.process_time()
        made = write_rows(items.ids, items.counted, items.lengths, out, row_tokens=ROW_TOKENS, pad_id=PAD_ID)
        taken = time.perf_counter() - started[0], time.process_time() - started[1]
        ids_RT, counted_RT = np.load(out / "ids.npy"), np.load(out / "counted.npy")
        assert ids_RT.shape == counted_RT.shape == (made.num_rows, ROW_TOKENS)
        _check(items, ids_RT.ravel(), counted_RT.ravel(), num_padding=ids_RT.size - len(items.ids))
        return Measured(*taken, len(ids_RT))


def _trl(strategy: str, **settings: Any) -> Callable[[Items], Measured]:
    def pack(items: Items) -> Measured:
        started = time.perf_counter(), time.process_time()
        batch = settings.get("batch_size") or len(items.table)
        options = {"keep_in_memory": True, "load_from_cache_file": False, "batch_size": batch}
        packed = pack_dataset(items.table, ROW_TOKENS, strategy, map_kwargs=options)
        taken = time.perf_counter() - started[0], time.process_time() - started[1]
        ids, counted = (_flat(packed.data.column(name)) for name in ("input_ids", "assistant_masks"))
        _check(items, ids, counted)
        return Measured(*taken, len(packed))

    return pack


def _check(items: Items, ids: Any, counted: Any, num_padding: int = 0) -> None:
    """Rows hold every id as often as the items do, beside padding, and mark as many."""
    there = np.bincount(ids, minlength=1 << 16)
    there[PAD_ID] -= num_padding
    assert np.array_equal(there, np.bincount(items.ids, minlength=1 << 16)), "the rows hold other ids than the items"
    assert int(counted.sum()) == int(items.counted.sum()), "the rows mark other tokens than the items"


def _flat(lists: pa.ChunkedArray) -> Any:
    return np.concatenate([chunk.flatten().to_numpy() for chunk in lists.chunks])


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


def _repeated(items: Items) -> Items:
    times = -(-NUM_TOKENS // len(items.ids))
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
        "million tokens a CPU-second": len(items.ids) / statistics.median(each.cpu_seconds for each in rounds) / 1e6,
        "rows": rounds[0].num_rows,
        "fill %": 100 * len(items.ids) / (rounds[0].num_rows * ROW_TOKENS),
    }
