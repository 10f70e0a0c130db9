"""Whether a data root holds what recipes name, and what belongs where it does not.

Every source is opened by the room that will read it: corpora as far as their first document, all else as a whole.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from loanword.cli.findings import Finding
from loanword.cli.hub import Repository
from loanword.corpus.instructions import read_instructions
from loanword.corpus.overlap import FrozenList
from loanword.corpus.read import read_documents
from loanword.corpus.shapes import SHAPES
from loanword.errors import UserError
from loanword.evaluation.benchmarks import USUAL, benchmark_of, settled
from loanword.evaluation.likelihood import read_held_out
from loanword.recipe import BaseConfig, BenchmarkConfig, Recipe
from loanword.store.identity import DATASETS, hub_revision, is_hub_id


@dataclass(frozen=True)
class Expected:
    """What belongs at a path, and how to open it: `open` raises UserError where it is not that.

    `file` is one that a repository on the Hub has where it is that.
    """

    what: str
    open: Callable[[Path], object]
    file: str = ""


def usual_layout() -> dict[str, Expected]:
    """What studies/real-small.toml reads, as docs/data.md describes it."""
    return {
        "text/en.jsonl.gz": corpus("text"),
        "text/zh.jsonl.gz": corpus("text"),
        "parallel/flores200-devtest/en.txt": HELD_OUT,
        "parallel/flores200-devtest/zh.txt": HELD_OUT,
        "instructions/chinese.jsonl.gz": INSTRUCTIONS,
        **{
            USUAL[name].folder: benchmark(BenchmarkConfig(name=name, **asdict(USUAL[name])))
            for name in ("ceval", "mmlu")
        },
    }


def named_sources(recipes: Iterable[Recipe]) -> dict[str, Expected]:
    """What is expected at each path that recipes read below the data root."""
    expected: dict[str, Expected] = {}
    for recipe in recipes:
        also = {} if recipe.base.train is None else recipe.base.train.also
        for config in (*recipe.corpus.values(), *also.values()):
            expected |= dict.fromkeys(config.files, corpus(config.text_field))
        for config in recipe.instructions.values():
            expected |= dict.fromkeys(config.files, INSTRUCTIONS)
        lists = (config.without for config in (*recipe.corpus.values(), *recipe.instructions.values()))
        expected |= {name: FROZEN_LIST for name in lists if name is not None}
        expected |= dict.fromkeys(recipe.likelihoods.texts.values(), HELD_OUT)
        for name in recipe.responses.benchmarks:
            config = recipe.benchmarks[name]
            if config.folder is not None:
                expected[config.folder] = benchmark(config.model_copy(update={"name": config.name or name}))
        parts = _base_parts(recipe.base)
        expected |= {name: source for name, source in parts.items() if not is_hub_id(name)}
    return expected


def named_repositories(recipes: Iterable[Recipe], root: Path) -> set[Repository]:
    """What of bases, texts, instructions and benchmarks comes from the Hub."""
    found: set[Repository] = set()
    recipes = list(recipes)
    for base in [recipe.base for recipe in recipes]:
        for name, source in _base_parts(base).items():
            if is_hub_id(name) and not (root / name).is_dir():
                revision = base.revision if name == base.model else None
                model, _, revision = hub_revision(name, revision).partition("@")
                found.add(Repository(model, revision, source.file))
    return found | {repository for recipe in recipes for repository in _data_sets(recipe)}


def _data_sets(recipe: Recipe) -> Iterator[Repository]:
    """Data sets on the Hub that a recipe reads text and instructions from, or that benchmarks are described from."""
    for config in (*recipe.corpus.values(), *recipe.instructions.values()):
        for one in config.hub:
            yield Repository(f"{DATASETS}{one.id}", one.revision or "main", "README.md")
    for name in recipe.responses.benchmarks:
        described = recipe.benchmarks[name].description
        if described is not None and described.hub is not None:
            yield Repository(f"{DATASETS}{described.hub}", described.revision or "main", "README.md")


def _base_parts(base: BaseConfig) -> dict[str, Expected]:
    parts = dict.fromkeys(base.adapter, ADAPTER)
    parts |= {name: WEIGHTS for name in (base.patch, base.original_weights) if name}
    parts |= {name: TOKENIZER for name in (base.tokenizer,) if name}
    # With original weights from elsewhere, the model says what they are the weights of, and brings the tokenizer.
    model = CHECKPOINT if base.original_weights is None else DESCRIPTION
    return parts | {name: model for name in (base.model,) if name}


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
    """A benchmark's files with every subject that is asked."""
    asked = settled(config)
    known = benchmark_of(asked)
    subjects = len(asked.subjects) or len(known.subjects)
    what = f"{known.title}: its {asked.split} split" + (f", {subjects} subjects" if subjects else "")
    return Expected(what, lambda folder: known.load(folder, asked))


def _open_instructions(path: Path) -> None:
    read_instructions([path], seed=0, num_conversations=1)


def _folder(what: str, *kinds: Sequence[str], file: str = "config.json") -> Expected:
    """A folder that has a file of every kind, by one of its patterns."""

    def open_folder(folder: Path) -> None:
        missing = [patterns[0] for patterns in kinds if not any(any(folder.glob(pattern)) for pattern in patterns)]
        if missing:
            raise UserError(folder, f"no {', no '.join(missing)}", expected=what, do="copy all of its files")

    return Expected(what, open_folder, file)


INSTRUCTIONS = Expected(
    f"instructions, one a line (.jsonl, also .gz and .zst) or row (.parquet): {SHAPES}",
    _open_instructions,
)
FROZEN_LIST = Expected(
    'a frozen list of texts, {"id": ..., "text": ...} a line (loanword overlap list)',
    FrozenList,
)
HELD_OUT = Expected("held-out text: one document a line (.txt), or documents with id and text (.jsonl)", read_held_out)
_CONFIG, _TOKENIZER, _WEIGHTS = ("config.json",), ("tokenizer*", "vocab.json"), ("*.safetensors", "*.bin")
CHECKPOINT = _folder(
    "a checkpoint folder: config.json, *.safetensors (or *.bin, which are converted), tokenizer files",
    _CONFIG, _WEIGHTS, _TOKENIZER,
)  # fmt: skip
DESCRIPTION = _folder("a checkpoint folder, without weights or with: config.json, tokenizer files", _CONFIG, _TOKENIZER)
ADAPTER = _folder(
    "a LoRA adapter as peft saves it: adapter_config.json, adapter_model.safetensors or .bin",
    ("adapter_config.json",), ("adapter_model*.safetensors", "adapter_model*.bin"),
    file="adapter_config.json",
)  # fmt: skip
WEIGHTS = _folder("a folder of weights: *.safetensors or *.bin", _WEIGHTS)
TOKENIZER = _folder("a folder with a tokenizer's files", _TOKENIZER, file="tokenizer_config.json")


def _size(path: Path) -> str:
    if path.is_dir():
        return f"a folder with {sum(1 for _ in path.rglob('*')):,} entries"
    return f"{path.stat().st_size / 1e6:,.1f} MB"
