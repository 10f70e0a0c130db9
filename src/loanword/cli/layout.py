"""Whether a data root holds what recipes name, and what belongs where it does not.

Every source is opened by the room that will read it: corpora as far as their first document, all else as a whole.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from loanword.cli.findings import Finding
from loanword.corpus.instructions import read_instructions
from loanword.corpus.read import read_documents
from loanword.errors import UserError
from loanword.evaluation.benchmarks import BENCHMARKS
from loanword.evaluation.likelihood import read_held_out
from loanword.recipe import BenchmarkConfig, Recipe
from loanword.store.identity import is_hub_id


@dataclass(frozen=True)
class Expected:
    """What belongs at a path, and how to open it: `open` raises UserError where it is not that."""

    what: str
    open: Callable[[Path], object]


def usual_layout() -> dict[str, Expected]:
    """What studies/real-small.toml reads, as docs/data.md describes it."""
    return {
        "text/en.jsonl.gz": corpus("text"),
        "text/zh.jsonl.gz": corpus("text"),
        "parallel/flores200-devtest/en.txt": HELD_OUT,
        "parallel/flores200-devtest/zh.txt": HELD_OUT,
        "instructions/chinese.jsonl.gz": INSTRUCTIONS,
        "benchmarks/ceval": benchmark(BenchmarkConfig(name="ceval", folder="benchmarks/ceval")),
        "benchmarks/mmlu/data": benchmark(BenchmarkConfig(name="mmlu", folder="benchmarks/mmlu/data", split="test")),
    }


def named_sources(recipes: Iterable[Recipe]) -> dict[str, Expected]:
    """What is expected at each path that recipes read below the data root."""
    expected: dict[str, Expected] = {}
    for recipe in recipes:
        for config in recipe.corpus.values():
            expected |= dict.fromkeys(config.files, corpus(config.text_field))
        expected |= dict.fromkeys(recipe.conversations.files, INSTRUCTIONS)
        expected |= dict.fromkeys(recipe.likelihoods.texts.values(), HELD_OUT)
        for name in recipe.responses.benchmarks:
            config = recipe.benchmarks[name]
            expected[config.folder] = benchmark(config.model_copy(update={"name": name}))
        if recipe.base.model is not None and not is_hub_id(recipe.base.model):
            expected[recipe.base.model] = CHECKPOINT
    return expected


def named_models(recipes: Iterable[Recipe], root: Path) -> set[tuple[str, str | None]]:
    """Bases that come from the Hub, with their revisions."""
    named = {(recipe.base.model, recipe.base.revision) for recipe in recipes}
    return {(name, revision) for name, revision in named if name and is_hub_id(name) and not (root / name).is_dir()}


def layout_findings(root: Path, expected: Mapping[str, Expected]) -> Iterator[Finding]:
    """One finding a path; whatever is missing or cannot be read is a problem."""
    if not root.is_dir():
        do = "name the folder that holds the following (docs/data.md)"
        yield Finding(area="data", name=str(root), state="problem", found="no such data root", do=do)
        yield from (
            Finding(area="data", name=name, state="absent", found=source.what) for name, source in expected.items()
        )
        return
    for name, source in expected.items():
        path = root / name
        if not path.exists():
            do = f"put there {source.what}"
            yield Finding(area="data", name=name, state="problem", found=f"missing below {root}", do=do)
            continue
        try:
            source.open(path)
        except UserError as error:
            do = f"{error.do}; expected: {error.expected}" if error.expected else error.do
            yield Finding(area="data", name=name, state="problem", found=f"{error.where}: {error.what}", do=do)
        else:
            yield Finding(area="data", name=name, state="ok", found=_size(path))


def corpus(text_field: str) -> Expected:
    """Text to train on."""

    def open_corpus(path: Path) -> None:
        next(read_documents([path], text_field=text_field))

    what = f'documents as JSON Lines, {{"{text_field}": ...}} a line (.jsonl, .gz, .zst), as .parquet or as .txt'
    return Expected(what, open_corpus)


def benchmark(config: BenchmarkConfig) -> Expected:
    """A benchmark's folder with every subject that is asked."""
    known = BENCHMARKS.get(config.name)
    if known is None:
        raise UserError(
            f"benchmarks.{config.name}",
            "no such benchmark",
            expected=f"one of {', '.join(BENCHMARKS)}",
            do="mend the name",
        )
    subjects = len(config.subjects) or len(known.subjects)
    what = f"{config.name}: dev/SUBJECT_dev.csv and {config.split}/SUBJECT_{config.split}.csv of {subjects} subjects"
    return Expected(what, lambda folder: known.load(folder, config))


def _open_instructions(path: Path) -> None:
    read_instructions([path], seed=0, num_conversations=1)


def _open_checkpoint(folder: Path) -> None:
    missing = [pattern for pattern in ("config.json", "*.safetensors", "tokenizer*") if not any(folder.glob(pattern))]
    if missing:
        do = "copy the whole checkpoint; weights in .bin files are pickles and are not read"
        raise UserError(folder, f"no {', no '.join(missing)}", expected=CHECKPOINT.what, do=do)


INSTRUCTIONS = Expected(
    'instructions as JSON Lines, {"instruction": ..., "input": ..., "output": ...} a line (.jsonl, .gz, .zst)',
    _open_instructions,
)
HELD_OUT = Expected("held-out text: one document a line (.txt), or documents with id and text (.jsonl)", read_held_out)
CHECKPOINT = Expected("a checkpoint folder: config.json, *.safetensors, tokenizer files", _open_checkpoint)


def _size(path: Path) -> str:
    if path.is_dir():
        return f"a folder with {sum(1 for _ in path.rglob('*')):,} entries"
    return f"{path.stat().st_size / 1e6:,.1f} MB"
