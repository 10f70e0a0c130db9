"""THE PAGE: every stage of a study, what it reads, and the function that does it.

One short function a stage: each opens its inputs, calls one room, and leaves its output in `work.out`. Rooms do not
call each other: whoever wants to know what happens to a model between the raw text and the report reads this page from
top to bottom. Which artifacts one run needs, and how they hang together, `wire` says (wiring.py).

Heavy rooms are imported where they are used, so that planning a study loads no torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from loanword.protocols import LanguageModel, Stage, Work
from loanword.recipe import (
    BaseConfig,
    BenchmarkConfig,
    Budget,
    ConversationsConfig,
    CorpusConfig,
    ExtendedTokenizerConfig,
    GradesConfig,
    InitialisationConfig,
    LearnedTokenizerConfig,
    LikelihoodsConfig,
    PretrainingConfig,
    ProbeConfig,
    TokensConfig,
    TrunkConfig,
    TuningConfig,
)
from loanword.records import (
    Document,
    DocumentLikelihood,
    ProbedDocument,
    Record,
    Response,
    TokenizerMeasure,
    read_lines,
    write_json,
    write_lines,
)
from loanword.wiring import wire

if TYPE_CHECKING:
    from loanword.evaluation.benchmark import SubjectQuestions
    from loanword.tokenizer.interface import Tokenizer
    from loanword.tokens.budget import BudgetedRows
    from loanword.training.probing import Probe

__all__ = ["STAGES", "wire"]

CHECKPOINT = "checkpoint"
TEMPLATE = "chat_template.jinja"


def corpus(config: CorpusConfig, work: Work) -> None:
    """Source files -> shards of documents in seeded order, and a held-out split."""
    from loanword.corpus.build import build_corpus

    build_corpus(config, [work.source(file) for file in config.files], work.out, work.progress)


def tokenizer(config: LearnedTokenizerConfig | ExtendedTokenizerConfig, work: Work) -> None:
    """A corpus, and a base's tokenizer to extend -> tokenizer files, and how they encode held-out text.

    An extension also says how its base does, which base ids each new piece is made of, which pieces were passed over,
    and what changed on held-out source text.
    """
    from loanword.corpus.build import documents, held_out
    from loanword.tokenizer import extension, learn, load

    texts = _sample(documents(work.inputs["corpus"]), config.sample_bytes)
    if isinstance(config, LearnedTokenizerConfig):
        made, num_base_pieces = learn.learn(texts, config.num_pieces), None
        made.save(work.out)
    else:
        base = load.load_tokenizer(_tokenizer_folder(work.inputs["base"]))
        gate = list(_sample(documents(work.inputs["gate"]), config.gate_bytes))
        target, source = (list(_texts(held_out(work.inputs[role]))) for role in ("corpus", "gate"))
        made, num_base_pieces = extension.extended(config, base, texts, gate, target, source, work), base.num_pieces
        write_lines(_measures(base, work), work.out / "base_measures.jsonl")
    write_lines(_measures(made, work, num_base_pieces), work.out / "measures.jsonl")


def tokens(config: TokensConfig, work: Work) -> None:
    """A corpus and a tokenizer -> one stream of ids with document offsets; rows are cut when it is read."""
    from loanword.corpus.build import counts, documents
    from loanword.tokenizer.load import load_tokenizer
    from loanword.tokens.pack import tokenize_corpus

    folder = work.inputs["corpus"]
    encoder = load_tokenizer(_tokenizer_folder(work.inputs["tokenizer"]))
    made = counts(folder)
    tokenize_corpus(documents(folder), encoder, work.out, made.language, work.progress, total_bytes=made.num_bytes)


def base(config: BaseConfig, work: Work) -> None:
    """A checkpoint that exists, by reference or put together from what was published; or an architecture trained from
    nothing on source text, and on other languages beside it; or the name of a model that a server has.
    """
    from loanword.model import load, opening, published
    from loanword.tokenizer.load import load_tokenizer
    from loanword.tokens.budget import Seen, budgeted_rows
    from loanword.training import schedule, stage

    if config.served is not None:
        write_json({"model": config.served}, work.out / opening.SERVED)
        return
    if config.train is None:
        commits = dict(work.execution.commits)
        published.make_base(config, Path(work.execution.data), commits, work.out / CHECKPOINT)
        return
    steps, pieces = config.train.steps, load_tokenizer(work.inputs["tokenizer"])
    # Sorted: the order in which a study file names languages is not in the base's name, so it must not act.
    also = [work.inputs[f"also.{language}"] for language in sorted(config.train.also)]
    rows = budgeted_rows(
        work.inputs["tokens"],
        Budget(tokens=config.train.num_tokens),
        steps,
        source=also,
        replay=config.train.acting_also_share,
        seed=work.seed,
    )
    made = load.new_model(
        config.train.architecture, pieces.num_pieces, work.seed, bos_id=pieces.bos_id, eos_id=pieces.eos_id
    )
    rate = schedule.decaying_rate(steps, rows.num_rows)
    trained = stage.train(made, rows.whole, rows.num_rows, steps, rate, work)
    read = rows.seen(rows.num_rows)
    # None of it is target text: that is counted from the base on.
    seen = Seen(read.num_rows, read.num_tokens, num_replay_tokens=read.num_replay_tokens)
    stage.save_trained(trained, work.inputs["tokenizer"], seen, work.out)


def initialisation(config: InitialisationConfig, work: Work) -> None:
    """A base, the pieces that a tokenizer adds to its own, and target text where a method reads any -> their rows."""
    from loanword.corpus.build import documents
    from loanword.model import new_rows
    from loanword.model.initialise import NewPieces
    from loanword.tokenizer import extend, load, vectors
    from loanword.training import stage

    base = load.load_tokenizer(_tokenizer_folder(work.inputs["base"]))
    extended = load.load_tokenizer(work.inputs["tokenizer"])
    texts = list(_sample(documents(work.inputs["corpus"]), config.sample_bytes)) if config.reads_text else []
    resembles = None
    if "focus" in (config.input, config.output):
        resembles = vectors.neighbours(extended, base.num_pieces, texts)
    pieces = NewPieces(extend.constituents(base, extended), vectors.piece_counts(base, texts), resembles)
    new_rows.initialised(stage.load(work.inputs["base"]), base.num_pieces, pieces, config, work.seed).save(work.out)


def probe(config: ProbeConfig, work: Work) -> None:
    """A base with rows for new pieces -> nats of held-out documents before and after a few dozen steps."""
    from loanword.model.score import local_model
    from loanword.tokenizer.load import load_tokenizer
    from loanword.tokens.budget import first_rows
    from loanword.training import schedule, stage

    steps = config.steps
    assert steps is not None, "a recipe gives a probe the steps of its pretraining"
    source, target = work.inputs.get("source"), work.inputs["target"]
    rows = first_rows(target, steps, config.num_steps, source=source, replay=config.replay, seed=work.seed)
    model = stage.adapted(stage.extended_base(work), steps, work.seed)
    # A resumed stage starts with the micro-batch that training settled on; what is measured must not hang on it.
    on = work.execution.model_copy(update={"micro_batch_tokens": None})
    asked = local_model(model, load_tokenizer(work.inputs["tokenizer"]), on)
    start, last_row = _held_out_nats(asked, config, work), config.num_steps * steps.batch_rows
    rate, old_rows = schedule.constant_rate(steps), stage.num_old_rows(work)
    stage.train(model, rows, last_row, steps, rate, work, num_old_rows=old_rows)
    probed = (
        ProbedDocument(id=one.id, language=one.language, start_nats=first.nats, nats=one.nats, num_bytes=one.num_bytes)
        for first, one in zip(start, _held_out_nats(asked, config, work), strict=True)
    )
    write_lines(probed, work.out / "probe.jsonl")


def trunk(config: TrunkConfig, work: Work) -> None:
    """A base and its rows -> the constant-rate trajectory at one cut, with optimizer state to go on from.

    It goes on from the nearest smaller cut that is there; the result is the same as from the start.
    """
    from loanword.training import schedule, stage

    rows, steps = _pretraining_rows(config, work), config.steps
    cut_row, rate = schedule.decay_start(rows.num_rows, steps), schedule.constant_rate(steps)
    nearest = work.inputs.get("nearest")
    model, probe = stage.starting_model(work, steps, nearest), _probe(config, work)
    old_rows = stage.num_old_rows(work)
    trained = stage.train(
        model, rows.trunk, cut_row, steps, rate, work, after=nearest, probe=probe, num_old_rows=old_rows
    )
    stage.save_cut(trained, work.inputs["tokenizer"], rows.seen(cut_row), work.out)


def pretraining(config: PretrainingConfig, work: Work) -> None:
    """A trunk cut -> the decay branched off it: a model that has read exactly the budget.

    A cosine has no trunk, and goes from the base to the end. Without a budget it is the base with a row for every
    new piece.
    """
    from loanword.training import schedule, stage

    if not config.budget.amount:
        stage.save_untrained(stage.extended_base(work), work.inputs["tokenizer"], work.out)
        return
    rows, steps, cut = _pretraining_rows(config, work), config.steps, work.inputs.get("trunk")
    rate = schedule.decaying_rate(steps, rows.num_rows)
    model, probe = stage.starting_model(work, steps, cut), _probe(config, work)
    old_rows = stage.num_old_rows(work)
    trained = stage.train(
        model, rows.whole, rows.num_rows, steps, rate, work, after=cut, probe=probe, num_old_rows=old_rows
    )
    stage.save_trained(trained, work.inputs["tokenizer"], rows.seen(rows.num_rows), work.out)


def conversations(config: ConversationsConfig, work: Work) -> None:
    """Instruction files and a tokenizer -> rows of whole conversations, responses counted."""
    from loanword.corpus.instructions import read_instructions
    from loanword.tokenizer.load import load_tokenizer
    from loanword.tokens.chat import TEMPLATES, encode_conversations
    from loanword.tokens.pack import pack_conversations

    files = [work.source(file) for file in config.files]
    read = read_instructions(files, seed=work.seed, num_conversations=config.num_conversations, progress=work.progress)
    pieces = load_tokenizer(_tokenizer_folder(work.inputs["tokenizer"]))
    template = TEMPLATES[config.template]
    pack_conversations(
        encode_conversations(read.conversations, pieces, template),
        work.out,
        row_tokens=config.row_tokens,
        num_pieces=pieces.num_pieces,
        pad_id=pieces.eos_id,
        num_read=read.num_read,
        num_removed=read.num_removed,
        progress=work.progress,
    )
    (work.out / TEMPLATE).write_text(template, encoding="utf-8")


def tuning(config: TuningConfig, work: Work) -> None:
    """A model and conversations -> the model tuned on their responses, its chat template beside it."""
    from loanword.tokens.budget import Seen
    from loanword.tokens.mix import Epochs
    from loanword.tokens.rows import ConversationRows
    from loanword.training import schedule, stage

    assert config.steps is not None
    rows = ConversationRows(work.inputs["conversations"])
    num_rows = rows.num_rows * config.epochs
    rate = schedule.decaying_rate(config.steps, num_rows)
    model = stage.adapted(stage.load(work.inputs["model"]), config.steps, work.seed)
    trained = stage.train(model, Epochs(rows, work.seed), num_rows, config.steps, rate, work)
    template = (work.inputs["conversations"] / TEMPLATE).read_text(encoding="utf-8")
    seen = Seen(num_rows, num_tokens=num_rows * rows.row_tokens)
    stage.save_trained(trained, work.inputs["model"] / CHECKPOINT, seen, work.out, chat_template=template)


def likelihoods(config: LikelihoodsConfig, work: Work) -> None:
    """A model and held-out text -> nats, tokens and bytes of every document."""
    from loanword.evaluation.likelihood import document_likelihoods, read_held_out

    model = _asked(work)
    measured = (
        document_likelihoods(
            model, read_held_out(work.source(file))[: config.limit_documents], language, config, work.progress
        )
        for language, file in config.texts.items()
    )
    write_lines((record for records in measured for record in records), work.out / "likelihoods.jsonl")


def responses(config: BenchmarkConfig, work: Work) -> None:
    """A model and a benchmark -> what the model answers to every example, and whether shared reading can be trusted.

    Batches are written down as they come: a stage that was stopped goes on with the next one.
    """
    from loanword.evaluation.answering import answer_all
    from loanword.evaluation.benchmarks import asking_of, benchmark_of
    from loanword.evaluation.check import check
    from loanword.evaluation.facts import benchmark_facts

    asking, asked, model = asking_of(config), _questions(config, work), _asked(work, config)
    answered = answer_all(model, asked, asking, config, work.scratch, work.progress)
    write_lines(answered, work.out / "responses.jsonl")
    write_json(benchmark_facts(benchmark_of(config), config, asking, asked, answered), work.out / "benchmark.json")
    if model.described:
        write_json(model.described, work.out / "server.json")
    if config.answering == "likelihood" and (checked := check(model, asked, asking, config, answered)):
        write_json(checked, work.out / "check.json")


def grades(config: GradesConfig, work: Work) -> None:
    """Responses -> which of them are correct, incorrect, or cannot be read; no model is asked again.

    Examples whose labels are withheld get no grade; what was given to them is written as their authors ask for it.
    """
    from loanword.evaluation.benchmarks import asked_config, asking_of, submissions
    from loanword.evaluation.grading import grade

    facts = json.loads((work.inputs["responses"] / "benchmark.json").read_text(encoding="utf-8"))
    asked = asked_config(facts)
    asking = asking_of(asked)
    answered = list(read_lines(Response, work.inputs["responses"] / "responses.jsonl"))
    graded = [grade(response, asking, config) for response in answered]
    labelled = {response.id for response in answered if response.answers}
    write_lines((one for one in graded if one.id in labelled), work.out / "grades.jsonl")
    write_json({**facts, "extraction": config.extraction}, work.out / "benchmark.json")
    submitted = submissions(asked.name, [one for one in graded if one.id not in labelled])
    if submitted is not None:
        write_json(submitted, work.out / "submission.json")


def _cut(config: TrunkConfig) -> tuple[int, TrunkConfig]:
    """Where on its trajectory a cut stands; the trajectory is the config at a budget of nothing."""
    return config.budget.amount, config.model_copy(update={"budget": Budget(**{config.budget.unit: 0})})


def _always(config: Record) -> bool:
    return True


STAGES: dict[str, Stage] = {
    "corpus": Stage(corpus),
    "tokenizer": Stage(tokenizer, version=2),
    "tokens": Stage(tokens),
    "initialisation": Stage(initialisation),
    "probe": Stage(probe),
    "base": Stage(base, whole_machine=True, trains=lambda config: config.train is not None),
    "trunk": Stage(trunk, position=_cut, trains=_always),
    "pretraining": Stage(pretraining, trains=lambda config: config.budget.amount > 0),
    "conversations": Stage(conversations),
    "tuning": Stage(tuning, trains=_always),
    "likelihoods": Stage(likelihoods, model_input="model"),
    "responses": Stage(responses, version=2, model_input="model"),
    "grades": Stage(grades, version=2),
}


# What several stages do on the way.


def _texts(read: Iterable[Document]) -> Iterator[str]:
    return (document.text for document in read)


def _first(read: Iterable[Document], num_bytes: int) -> Iterator[Document]:
    """The first documents that fill so many bytes."""
    for document in read:
        yield document
        num_bytes -= len(document.text.encode())
        if num_bytes <= 0:
            return


def _sample(read: Iterable[Document], num_bytes: int) -> Iterator[str]:
    return _texts(_first(read, num_bytes))


def _measures(made: Tokenizer, work: Work, num_base_pieces: int | None = None) -> Iterator[TokenizerMeasure]:
    """How a tokenizer encodes the held-out text of each corpus that its stage reads."""
    from loanword.corpus.build import counts, held_out
    from loanword.tokenizer.measure import measure

    for folder in (work.inputs[role] for role in ("corpus", "gate") if role in work.inputs):
        yield measure(made, _texts(held_out(folder)), counts(folder).language, num_base_pieces=num_base_pieces)


def _held_out_nats(model: LanguageModel, config: ProbeConfig, work: Work) -> list[DocumentLikelihood]:
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
            model, list(_first(held_out(folder), config.held_out_bytes)), counts(folder).language, windows
        )
    ]


def _tokenizer_folder(folder: Path) -> Path:
    """Where an artifact keeps its tokenizer: a checkpoint has one of its own."""
    return folder / CHECKPOINT if (folder / CHECKPOINT).exists() else folder


def _pretraining_rows(config: TrunkConfig | PretrainingConfig, work: Work) -> BudgetedRows:
    from loanword.tokens.budget import budgeted_rows

    return budgeted_rows(
        work.inputs["target"],
        config.budget,
        config.steps,
        source=work.inputs.get("source"),
        measure=work.inputs.get("measure"),
        replay=config.replay,
        allow_epochs=config.allow_epochs,
        seed=work.seed,
    )


def _probe(config: TrunkConfig | PretrainingConfig, work: Work) -> Probe | None:
    """What bits per byte are measured on along the way: the start of either corpus's held-out split."""
    from loanword.corpus.build import counts, held_out
    from loanword.tokenizer.load import load_tokenizer
    from loanword.tokens.probe import probe_rows
    from loanword.training.probing import Probe

    if config.watch is None:
        return None
    source, target = work.inputs["watched.source"], work.inputs["watched.target"]
    pieces, sizes = load_tokenizer(_tokenizer_folder(work.inputs["tokenizer"])), config.watch.probe_bytes
    texts = tuple(
        probe_rows(
            _texts(held_out(folder)),
            pieces,
            counts(folder).language,
            row_tokens=config.steps.row_tokens,
            probe_bytes=sizes,
        )
        for folder in (source, target)
    )
    return Probe(texts, counts(source).language, config.watch, config.steps)


def _questions(config: BenchmarkConfig, work: Work) -> list[SubjectQuestions]:
    """What a benchmark asks, no more of each subject than the config says."""
    from loanword.evaluation.benchmarks import benchmark_of

    read = benchmark_of(config).load(_benchmark_folder(config, work), config)
    return [replace(one, examples=one.examples[: config.limit_examples]) for one in read]


def _benchmark_folder(config: BenchmarkConfig, work: Work) -> Path:
    """Where a benchmark's files lie: below the data root, or fetched from a data set on the Hub."""
    if config.folder is not None:
        return work.source(config.folder)
    from loanword.model.hub import dataset_folder

    assert config.description is not None
    assert config.description.hub is not None, "a benchmark has a folder or a data set"
    names = [name for of_split in config.description.files.values() for name in of_split]
    return dataset_folder(
        config.description.hub, dict(work.execution.commits), names, revision=config.description.revision
    )


def _asked(work: Work, config: BenchmarkConfig | None = None) -> LanguageModel:
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
