"""What stages read, opened: the part of their work that several of them share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from loanword.protocols import LanguageModel, Work
from loanword.recipe import (
    BenchmarkConfig,
    ExtendedTokenizerConfig,
    LikelihoodsConfig,
    PretrainingConfig,
    ProbeConfig,
    SourceConfig,
    TrunkConfig,
)
from loanword.records import (
    Document,
    DocumentLikelihood,
    JudgeFacts,
    Judgement,
    Response,
    Switching,
    TokenizerMeasure,
    read_json,
    read_lines,
)

if TYPE_CHECKING:
    from loanword.corpus.overlap import FrozenList
    from loanword.corpus.sources import SourceFile
    from loanword.evaluation.benchmark import SubjectQuestions
    from loanword.tokenizer.interface import Tokenizer
    from loanword.tokens.budget import BudgetedRows
    from loanword.training.probing import Probe

CHECKPOINT = "checkpoint"


def files_of(config: SourceConfig, work: Work) -> list[SourceFile]:
    """What a corpus, or instructions, are read from: below the data root, and on the Hub."""
    from loanword.corpus.sources import source_files

    return source_files(config, Path(work.execution.data), dict(work.execution.commits))


def frozen_list(name: str | None, work: Work) -> FrozenList | None:
    """The frozen list of texts that nothing that is trained on may hold."""
    from loanword.corpus.overlap import FrozenList

    return None if name is None else FrozenList(work.source(name))


def trained_on(folder: Path) -> Iterator[Document]:
    """The documents of a corpus, or the conversations of instructions as one text each."""
    from loanword.corpus import build, instructions

    if build.shards(folder):
        yield from build.documents(folder)
        return
    for one in instructions.conversations(folder):
        yield Document(id=one.id, text="\n".join(message.content for message in one.messages))


def each(work: Work, role: str) -> dict[str, Path]:
    """The inputs of a role by name, in order of the names: one without a name, or several with one behind the role."""
    named = {of: folder for of, folder in work.inputs.items() if of == role or of.startswith(f"{role}.")}
    return {of.removeprefix(role).removeprefix("."): named[of] for of in sorted(named)}


def texts_of(read: Iterable[Document]) -> Iterator[str]:
    return (document.text for document in read)


def first(read: Iterable[Document], num_bytes: int) -> Iterator[Document]:
    """The first documents that fill so many bytes."""
    for document in read:
        yield document
        num_bytes -= len(document.text.encode())
        if num_bytes <= 0:
            return


def sample(read: Iterable[Document], num_bytes: int) -> Iterator[str]:
    return texts_of(first(read, num_bytes))


def shared_sample(config: ExtendedTokenizerConfig, work: Work) -> Iterator[str]:
    """The first documents of each corpus that pieces are learned from, as much of each as its share says."""
    from loanword.corpus.build import documents
    from loanword.tokens.turns import parts

    folders = each(work, "corpus")
    sizes = parts(config.sample_bytes, [config.shares.get(name, 1.0) for name in folders])
    for folder, num_bytes in zip(folders.values(), sizes, strict=True):
        yield from sample(documents(folder), num_bytes)


def measures(made: Tokenizer, work: Work, num_base_pieces: int | None = None) -> Iterator[TokenizerMeasure]:
    """How a tokenizer encodes the held-out text of each corpus that its stage reads."""
    from loanword.corpus.build import counts, held_out
    from loanword.tokenizer.measure import measure

    for folder in (*each(work, "corpus").values(), *each(work, "gate").values()):
        yield measure(made, texts_of(held_out(folder)), counts(folder).language, num_base_pieces=num_base_pieces)


def held_out_nats(model: LanguageModel, config: ProbeConfig, work: Work) -> list[DocumentLikelihood]:
    """Likelihoods of the start of either corpus's held-out split."""
    from loanword.corpus.build import counts, held_out
    from loanword.evaluation.likelihood import document_likelihoods

    assert config.steps is not None
    row_tokens = config.steps.row_tokens
    windows = LikelihoodsConfig(window_tokens=row_tokens, stride_tokens=-(-row_tokens // 2))
    folders = [work.inputs[f"watched.{which}"] for which in ("source", "target")]
    return [
        one
        for folder in folders
        for one in document_likelihoods(
            model, list(first(held_out(folder), config.held_out_bytes)), counts(folder).language, windows
        )
    ]


def tokenizer_folder(folder: Path) -> Path:
    """Where an artifact keeps its tokenizer: a checkpoint has one of its own."""
    return folder / CHECKPOINT if (folder / CHECKPOINT).exists() else folder


def pretraining_rows(config: TrunkConfig | PretrainingConfig, work: Work) -> BudgetedRows:
    from loanword.tokens.budget import Weights, budgeted_rows

    target, source = each(work, "target"), each(work, "source")

    def weights(shares: Mapping[str, float], of: Mapping[str, Path]) -> Weights:
        return Weights(tuple(shares.get(name, 1.0) for name in of), config.weigh == "size", config.temperature)

    return budgeted_rows(
        list(target.values()),
        config.budget,
        config.steps,
        source=list(source.values()),
        measure=list(each(work, "measure").values()),
        replay=config.replay,
        weights=weights(config.shares, target),
        source_weights=weights(config.source_shares, source),
        allow_epochs=config.allow_epochs,
        seed=work.seed,
    )


def watched(config: TrunkConfig | PretrainingConfig, work: Work) -> Probe | None:
    """What bits per byte are measured on along the way: the start of either corpus's held-out split."""
    from loanword.corpus.build import counts, held_out
    from loanword.tokenizer.load import load_tokenizer
    from loanword.tokens.probe import probe_rows
    from loanword.training.probing import Probe

    if config.watch is None:
        return None
    source, target = work.inputs["watched.source"], work.inputs["watched.target"]
    pieces, sizes = load_tokenizer(tokenizer_folder(work.inputs["tokenizer"])), config.watch.probe_bytes
    texts = tuple(
        probe_rows(
            texts_of(held_out(folder)),
            pieces,
            counts(folder).language,
            row_tokens=config.steps.row_tokens,
            probe_bytes=sizes,
        )
        for folder in (source, target)
    )
    return Probe(texts, counts(source).language, config.watch, config.steps)


def questions(config: BenchmarkConfig, work: Work) -> list[SubjectQuestions]:
    """What a benchmark asks, no more of each subject than the config says."""
    return questions_in(benchmark_folder(config, Path(work.execution.data), dict(work.execution.commits)), config)


def questions_in(folder: Path, config: BenchmarkConfig) -> list[SubjectQuestions]:
    """The same of a benchmark whose files are at hand."""
    from loanword.evaluation.benchmarks import benchmark_of

    read = benchmark_of(config).load(folder, config)
    return [replace(one, examples=one.examples[: config.limit_examples]) for one in read]


def benchmark_folder(config: BenchmarkConfig, root: Path, commits: Mapping[str, str]) -> Path:
    """Where a benchmark's files lie: below the data root, or fetched from a data set on the Hub at the commit meant."""
    if config.folder is not None:
        return root / config.folder
    from loanword.model.hub import dataset_folder

    assert config.description is not None
    assert config.description.hub is not None, "a benchmark has a folder or a data set"
    names = [name for of_split in config.description.files.values() for name in of_split]
    return dataset_folder(config.description.hub, commits, names, revision=config.description.revision)


def asked_model(work: Work, config: BenchmarkConfig | None = None) -> LanguageModel:
    """The model that evaluation asks, in the precision and with the ids of choices that a benchmark's config says."""
    from loanword.model.opening import open_asked
    from loanword.tokens.chat import prompt_encoder

    return open_asked(
        work.inputs["model"],
        work.execution,
        prompt_encoder,
        precision="float32" if config is None else config.precision,
        choice_ids="in-context" if config is None else config.choice_ids,
        key=work.server_key,
    )


def judging_model(work: Work) -> Callable[[], LanguageModel] | None:
    """What opens the model that judges, in this process or behind the server of judges; None for none.

    It raises a UserError where a served judge has no server, or one that does not have it.
    """
    from loanword.model.opening import open_judge
    from loanword.tokens.chat import prompt_encoder

    folder = work.inputs.get("judge")
    return None if folder is None else partial(open_judge, folder, work.execution, prompt_encoder, key=work.judge_key)


def open_responses(folder: Path) -> list[Response]:
    """The responses of an artifact to open questions, in order."""
    return [one for one in read_lines(Response, folder / "responses.jsonl") if one.asked is not None]


def language_of(folder: Path) -> str:
    """The language of the benchmark that an artifact has the responses to."""
    return json.loads((folder / "benchmark.json").read_text(encoding="utf-8"))["language"]


def switched(folder: Path) -> frozenset[str]:
    """Ids of the responses that leave their language."""
    return frozenset(one.id for one in read_lines(Switching, folder / "switching.jsonl") if one.switched)


def judgements(folder: Path) -> tuple[JudgeFacts, list[Judgement]]:
    """Who judged, and what was said."""
    return read_json(JudgeFacts, folder / "judge.json"), list(read_lines(Judgement, folder / "judgements.jsonl"))
