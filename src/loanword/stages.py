"""THE PAGE: every stage of a study, what it reads, and the function that does it.

One short function a stage: each opens its inputs, calls one room, and leaves its output in `work.out`. Rooms do not
call each other: whoever wants to know what happens to a model between the raw text and the report reads this page from
top to bottom. Which artifacts one run needs, and how they hang together, `wire` says (wiring.py).

Heavy rooms are imported where they are used, so that planning a study loads no torch.
"""

from __future__ import annotations

import json
from pathlib import Path

from loanword import inputs
from loanword.inputs import CHECKPOINT
from loanword.protocols import SERVED, Stage, Work
from loanword.recipe import (
    AlignmentConfig,
    BaseConfig,
    BenchmarkConfig,
    Budget,
    ConversationsConfig,
    CorpusConfig,
    ExtendedTokenizerConfig,
    GradesConfig,
    InitialisationConfig,
    InstructionsConfig,
    JudgementsConfig,
    LearnedTokenizerConfig,
    LikelihoodsConfig,
    MeasuredOverlapConfig,
    MeasuredSwitchingConfig,
    PretrainingConfig,
    ProbeConfig,
    RatingsConfig,
    TokensConfig,
    TrunkConfig,
    TuningConfig,
)
from loanword.records import (
    ProbedDocument,
    Record,
    Response,
    read_lines,
    write_json,
    write_lines,
)
from loanword.wiring import wire

__all__ = ["STAGES", "wire"]

TEMPLATE = "chat_template.jinja"


def corpus(config: CorpusConfig, work: Work) -> None:
    """Source files and data sets -> shards of clean, distinct documents in seeded order, and a held-out split."""
    from loanword.corpus.build import build_corpus

    files, listed = inputs.files_of(config, work), inputs.frozen_list(config.without, work)
    build_corpus(config, files, work.out, work.progress, without=listed, num_workers=work.execution.threads)


def tokenizer(config: LearnedTokenizerConfig | ExtendedTokenizerConfig, work: Work) -> None:
    """A corpus, and a base's tokenizer to extend -> tokenizer files, and how they encode held-out text.

    An extension also says how its base does, which base ids each new piece is made of, which pieces were passed over,
    and what changed on held-out source text.
    """
    from loanword.corpus.build import documents, held_out
    from loanword.tokenizer import extension, learn, load

    if isinstance(config, LearnedTokenizerConfig):
        texts = inputs.sample(documents(work.inputs["corpus"]), config.sample_bytes)
        made, num_base_pieces = learn.learn(texts, config.num_pieces), None
        made.save(work.out)
    else:
        base = load.load_tokenizer(inputs.tokenizer_folder(work.inputs["base"]))
        texts = inputs.shared_sample(config, work)
        gate = list(inputs.sample(documents(work.inputs["gate"]), config.gate_bytes))
        target = [text for folder in inputs.each(work, "corpus").values() for text in inputs.texts_of(held_out(folder))]
        source = list(inputs.texts_of(held_out(work.inputs["gate"])))
        made, num_base_pieces = extension.extended(config, base, texts, gate, target, source, work), base.num_pieces
        write_lines(inputs.measures(base, work), work.out / "base_measures.jsonl")
    write_lines(inputs.measures(made, work, num_base_pieces), work.out / "measures.jsonl")


def tokens(config: TokensConfig, work: Work) -> None:
    """A corpus and a tokenizer -> one stream of ids with document offsets; rows are cut when it is read."""
    from loanword.corpus.build import counts, shards
    from loanword.tokenizer.load import load_tokenizer
    from loanword.tokens.stream import tokenize_corpus

    folder = work.inputs["corpus"]
    made = counts(folder)
    tokenize_corpus(
        shards(folder),
        load_tokenizer(inputs.tokenizer_folder(work.inputs["tokenizer"])),
        work.out,
        made.language,
        work.progress,
        total_bytes=made.num_bytes,
        num_workers=work.execution.threads,
        say=work.say,
    )


def base(config: BaseConfig, work: Work) -> None:
    """A checkpoint that exists, by reference or put together from what was published; or an architecture trained from
    nothing on source text, and on other languages beside it; or the name of a model that a server has.
    """
    from loanword.model import load, published
    from loanword.tokenizer.load import load_tokenizer
    from loanword.tokens.budget import Seen, budgeted_rows
    from loanword.training import schedule, stage

    if config.served is not None:
        write_json({"model": config.served}, work.out / SERVED)
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

    base = load.load_tokenizer(inputs.tokenizer_folder(work.inputs["base"]))
    extended = load.load_tokenizer(work.inputs["tokenizer"])
    texts = list(inputs.sample(documents(work.inputs["corpus"]), config.sample_bytes)) if config.reads_text else []
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
    start, last_row = inputs.held_out_nats(asked, config, work), config.num_steps * steps.batch_rows
    rate, old_rows = schedule.constant_rate(steps), stage.num_old_rows(work)
    stage.train(model, rows, last_row, steps, rate, work, num_old_rows=old_rows)
    probed = (
        ProbedDocument(id=one.id, language=one.language, start_nats=first.nats, nats=one.nats, num_bytes=one.num_bytes)
        for first, one in zip(start, inputs.held_out_nats(asked, config, work), strict=True)
    )
    write_lines(probed, work.out / "probe.jsonl")


def trunk(config: TrunkConfig, work: Work) -> None:
    """A base and its rows -> the constant-rate trajectory at one cut, with optimizer state to go on from.

    It goes on from the nearest smaller cut that is there; the result is the same as from the start.
    """
    from loanword.training import schedule, stage

    rows, steps = inputs.pretraining_rows(config, work), config.steps
    cut_row, rate = rows.cut_row(schedule.decay_start(rows.num_rows, steps), steps), schedule.constant_rate(steps)
    nearest = work.inputs.get("nearest")
    model, probe = stage.starting_model(work, steps, nearest), inputs.watched(config, work)
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
    rows, steps, cut = inputs.pretraining_rows(config, work), config.steps, work.inputs.get("trunk")
    rate = schedule.decaying_rate(steps, rows.num_rows)
    model, probe = stage.starting_model(work, steps, cut), inputs.watched(config, work)
    old_rows = stage.num_old_rows(work)
    trained = stage.train(
        model, rows.whole, rows.num_rows, steps, rate, work, after=cut, probe=probe, num_old_rows=old_rows
    )
    stage.save_trained(trained, work.inputs["tokenizer"], rows.seen(rows.num_rows), work.out)


def instructions(config: InstructionsConfig, work: Work) -> None:
    """Instruction files and data sets -> clean, distinct conversations in a seeded, nested order."""
    from loanword.corpus.instructions import build_instructions

    files, listed = inputs.files_of(config, work), inputs.frozen_list(config.without, work)
    build_instructions(config, files, work.out, work.progress, without=listed, num_workers=work.execution.threads)


def conversations(config: ConversationsConfig, work: Work) -> None:
    """Conversations of every source by their shares, and a tokenizer -> rows of whole ones, responses counted."""
    from loanword.corpus.instructions import conversations, counts
    from loanword.tokenizer.load import load_tokenizer
    from loanword.tokens.chat import encode_conversations
    from loanword.tokens.pack import pack_conversations
    from loanword.tokens.templates import chat_template
    from loanword.tokens.turns import drawn

    folders = inputs.each(work, "instructions")
    sizes = {name: counts(folder).num_conversations for name, folder in folders.items()}
    number = config.num_conversations or sum(sizes.values())
    chosen = drawn({name: conversations(folder) for name, folder in folders.items()}, sizes, config.shares, number)
    pieces = load_tokenizer(inputs.tokenizer_folder(work.inputs["tokenizer"]))
    template = chat_template(config.template, pieces)
    pack_conversations(
        encode_conversations(chosen, pieces, template),
        work.out,
        row_tokens=config.row_tokens,
        num_pieces=pieces.num_pieces,
        pad_id=pieces.eos_id,
        num_read=number,
        num_removed={},
        progress=work.progress,
    )
    (work.out / TEMPLATE).write_text(template, encoding="utf-8")


def tuning(config: TuningConfig, work: Work) -> None:
    """A model and conversations -> the model tuned on their responses, its chat template beside it."""
    from loanword.tokenizer.load import load_tokenizer
    from loanword.tokens.budget import Seen
    from loanword.tokens.chat import end_of_turn
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
    pieces = load_tokenizer(inputs.tokenizer_folder(work.inputs["model"]))
    ends = end_of_turn(pieces, template)
    stage.save_trained(
        trained,
        work.inputs["model"] / CHECKPOINT,
        seen,
        work.out,
        chat_template=template,
        stops_also_at=None if ends == pieces.eos_id else ends,
    )


def likelihoods(config: LikelihoodsConfig, work: Work) -> None:
    """A model and held-out text -> nats, tokens and bytes of every document."""
    from loanword.evaluation.likelihood import document_likelihoods, read_held_out

    model = inputs.asked_model(work)
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

    asking, asked, model = asking_of(config), inputs.questions(config, work), inputs.asked_model(work, config)
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


def judgements(config: JudgementsConfig, work: Work) -> None:
    """Responses to open questions -> what a judge says of them, or of them and a control's, word for word.

    Every reply is kept the moment it comes, and never asked for again.
    """
    from loanword.evaluation.judging import judge

    answered, language = inputs.open_responses(work.inputs["responses"]), inputs.language_of(work.inputs["responses"])
    if config.only_switched:
        switched = inputs.switched(work.inputs["switching"])
        answered = [response for response in answered if response.id in switched]
    model = inputs.judging_model(work)
    if "control" in work.inputs:
        others = inputs.open_responses(work.inputs["control"])
        said = judge.judge_pairs(model, answered, others, config, work, language=language)
    else:
        people = None if config.ratings is None else work.source(config.ratings)
        said = judge.judge_responses(model, answered, config, work, language=language, people=people)
    write_lines(said, work.out / "judgements.jsonl")
    write_json(judge.judge_facts(config, said), work.out / "judge.json")


def ratings(config: RatingsConfig, work: Work) -> None:
    """Judgements -> numbers; what cannot be read is counted and is no number. No judge is asked again."""
    from loanword.evaluation.judging import rate

    answered = inputs.open_responses(work.inputs["responses"])
    said = {name: inputs.judgements(folder) for name, folder in inputs.each(work, "judgements").items()}
    facts, judged = next(iter(said.values()))
    if "control" in work.inputs:
        others = inputs.open_responses(work.inputs["control"])
        write_lines(rate.preferred(answered, judged, facts, others), work.out / "preferences.jsonl")
    else:
        rated = {name: (by, rate.rated(answered, of, by)) for name, (by, of) in said.items()}
        facts, scores = next(iter(rated.values())) if config.combine is None else rate.combined(rated, config.combine)
        write_lines(scores, work.out / "ratings.jsonl")
    write_json(facts, work.out / "judge.json")


def switching(config: MeasuredSwitchingConfig, work: Work) -> None:
    """Responses -> where each leaves the language that it was to be in."""
    from loanword.evaluation.switching.detect import switches

    answered = read_lines(Response, work.inputs["responses"] / "responses.jsonl")
    write_lines(switches(answered, config), work.out / "switching.jsonl")


def alignment(config: AlignmentConfig, work: Work) -> None:
    """A model and parallel text -> how well each layer's vectors tell translations from other sentences."""
    from loanword.evaluation.alignment import aligned, read_parallel
    from loanword.model.opening import open_encoder

    texts = read_parallel({language: work.source(file) for language, file in config.texts.items()}, config)
    encoder = open_encoder(work.inputs["model"], work.execution)
    write_lines(aligned(encoder, texts, config, work.progress), work.out / "alignment.jsonl")


def overlap(config: MeasuredOverlapConfig, work: Work) -> None:
    """A text that is trained on, and the questions of a benchmark -> how much of each question is in the text."""
    from loanword.corpus.overlap import ExampleText, measure

    subjects = inputs.questions(config.benchmark, work)
    asked = [ExampleText(one.id, one.text) for subject in subjects for one in subject.examples]
    read = inputs.trained_on(work.inputs["text"])
    found = measure(read, asked, config.overlap, work.execution.threads, work.progress)
    write_lines(found, work.out / "overlap.jsonl")


def _cut(config: TrunkConfig) -> tuple[int, TrunkConfig]:
    """Where on its trajectory a cut stands; the trajectory is the config at a budget of nothing."""
    return config.budget.amount, config.model_copy(update={"budget": Budget(**{config.budget.unit: 0})})


def _always(config: Record) -> bool:
    return True


STAGES: dict[str, Stage] = {
    "corpus": Stage(corpus, version=2),
    "tokenizer": Stage(tokenizer, version=2),
    "tokens": Stage(tokens, version=2),
    "initialisation": Stage(initialisation),
    "probe": Stage(probe, on_device=True),
    "base": Stage(base, whole_machine=True, trains=lambda config: config.train is not None),
    "trunk": Stage(trunk, position=_cut, trains=_always),
    "pretraining": Stage(pretraining, trains=lambda config: config.budget.amount > 0),
    "instructions": Stage(instructions),
    "conversations": Stage(conversations, version=2),
    "tuning": Stage(tuning, trains=_always),
    "likelihoods": Stage(likelihoods, model_input="model"),
    "responses": Stage(responses, version=3, model_input="model"),
    "grades": Stage(grades, version=2),
    "judgements": Stage(judgements, model_input="judge"),
    "ratings": Stage(ratings),
    "switching": Stage(switching),
    "alignment": Stage(alignment, model_input="model"),
    "overlap": Stage(overlap),
}
