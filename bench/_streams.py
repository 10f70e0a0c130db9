"""The arms of bench/tokenising.py, each a process of its own: `python -m bench._streams ARM PROBLEM OUT`.

Both read gzip JSON Lines and leave packed rows on disk, with two processes. An arm's time begins when its libraries
are imported, and its processor time has that of its children.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

NUM_WORKERS = 2
ROW_TOKENS = 1024


class Problem(NamedTuple):
    """Files by language, the folder of a saved tokenizer, and where an arm may write."""

    files: dict[str, str]
    tokenizer: str
    work: str


class Measured(NamedTuple):
    """What an arm took, and rows of all languages."""

    seconds: float
    cpu_seconds: float
    num_rows: int
    parts: dict[str, float]


def loanword(problem: Problem) -> Measured:
    """A corpus stage and a tokens stage a language, as a study with two workers runs them: each language in one."""
    from loanword.corpus.build import build_corpus, shards
    from loanword.corpus.sources import source_files
    from loanword.recipe import CorpusConfig
    from loanword.tokenizer.load import load_tokenizer
    from loanword.tokenizer.workers import ordered_map
    from loanword.tokens.rows import TokenRows
    from loanword.tokens.stream import tokenize_corpus

    def stages(language: str) -> Measured:
        clock = _Clock()
        corpus, tokens = (Path(problem.work) / f"{name}-{language}" for name in ("corpus", "tokens"))
        corpus.mkdir()
        tokens.mkdir()
        config = CorpusConfig(language=language, files=(problem.files[language],))
        made = build_corpus(config, source_files(config, Path("/"), {}), corpus)
        clock.part(f"{language} corpus")
        pieces = load_tokenizer(Path(problem.tokenizer))
        tokenize_corpus(shards(corpus), pieces, tokens, language, total_bytes=made.num_bytes, say=_complain)
        num_rows = TokenRows(tokens, ROW_TOKENS).num_rows
        clock.part(f"{language} tokens")
        return clock.measured(num_rows)

    clock = _Clock()
    made = list(ordered_map(stages, problem.files, NUM_WORKERS))
    whole = clock.measured(sum(one.num_rows for one in made))
    return whole._replace(parts={part: seconds for one in made for part, seconds in one.parts.items()})


def datasets_map(problem: Problem) -> Measured:
    """`load_dataset`, `map` with the tokenizer, `map` with `group_texts`.

    Source: huggingface/transformers, examples/pytorch/language-modeling/run_clm.py.
    """
    import datasets
    from transformers import AutoTokenizer

    datasets.disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(problem.tokenizer)

    def tokenize(examples: dict[str, Any]) -> Any:
        return tokenizer(examples["text"])

    def group_texts(examples: dict[str, Any]) -> dict[str, Any]:
        joined = {key: list(chain(*examples[key])) for key in examples}
        end = len(joined["input_ids"]) // ROW_TOKENS * ROW_TOKENS
        rows: dict[str, Any] = {
            key: [ids[first : first + ROW_TOKENS] for first in range(0, end, ROW_TOKENS)] for key, ids in joined.items()
        }
        rows["labels"] = rows["input_ids"].copy()
        return rows

    clock = _Clock()
    num_rows = 0
    for file in problem.files.values():
        cache = str(Path(problem.work) / "cache")
        read: Any = datasets.load_dataset("json", data_files=file, split="train", cache_dir=cache)
        clock.part("load_dataset")
        encoded = read.map(tokenize, batched=True, num_proc=NUM_WORKERS, remove_columns=read.column_names)
        clock.part("map(tokenizer)")
        num_rows += len(encoded.map(group_texts, batched=True, num_proc=NUM_WORKERS))
        clock.part("map(group_texts)")
    return clock.measured(num_rows)


class _Clock:
    def __init__(self) -> None:
        self._seconds, self._cpu_seconds = time.perf_counter(), _cpu_seconds()
        self._last = self._seconds
        self._parts: dict[str, float] = {}

    def part(self, name: str) -> None:
        now = time.perf_counter()
        self._parts[name] = self._parts.get(name, 0.0) + now - self._last
        self._last = now

    def measured(self, num_rows: int) -> Measured:
        return Measured(time.perf_counter() - self._seconds, _cpu_seconds() - self._cpu_seconds, num_rows, self._parts)


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _complain(sentence: str) -> None:
    print(sentence, file=sys.stderr)


ARMS: dict[str, Callable[[Problem], Measured]] = {"loanword": loanword, "datasets.map": datasets_map}

if __name__ == "__main__":
    # Two processes have two cores; the tokenizers library would start as many threads in each besides.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    name, problem, out = sys.argv[1:]
    Path(out).write_text(json.dumps(ARMS[name](Problem(*json.loads(problem)))), encoding="utf-8")
