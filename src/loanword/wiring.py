"""Which artifacts one run needs, and how they hang together: the jobs of a recipe.

A job is named by its stage, its config and the names of what it reads; equal work of different runs is one job.
Settings that do not act stay out of the configs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from loanword.recipe import (
    AlignmentConfig,
    BaseConfig,
    BenchmarkConfig,
    GradesConfig,
    InitialisationConfig,
    JudgeConfig,
    LikelihoodsConfig,
    MeasuredOverlapConfig,
    OverlapConfig,
    PretrainingConfig,
    ProbeConfig,
    Recipe,
    StepsConfig,
    SwitchingConfig,
    TokensConfig,
    TrunkConfig,
    in_language,
)
from loanword.store import Job
from loanword.wiring_judged import judged_by, require_open, switching_of


def wire(recipe: Recipe, job: Callable[..., Job]) -> Mapping[str, Job]:
    """The jobs of one run by role, inputs first."""
    corpora = {name: job("corpus", in_language(name, recipe.corpus[name]).acting) for name in recipe.corpora}
    jobs = {f"corpus.{name}": made for name, made in corpora.items()}
    source, target = corpora.get(recipe.source_corpus), corpora.get(recipe.target_corpora[0])

    if recipe.base.train is None:
        jobs["base"] = base_tokenizer = job("base", recipe.acting_base)
    else:
        jobs |= _trained_base(recipe.acting_base, job, recipe.seed, source)
        base_tokenizer = jobs["tokenizer.base"]
    base = model = jobs["base"]

    tokenizer, new_rows = base_tokenizer, None
    if recipe.tokenizer.num_new_pieces:
        learned_from = _each("corpus", {name: corpora[name] for name in recipe.vocabulary_corpora})
        tokenizer = job("tokenizer", recipe.acting_tokenizer, gate=source, base=base_tokenizer, **learned_from)
        jobs["tokenizer"] = tokenizer
        made_of = {"base": base, "tokenizer": tokenizer}
        new_rows = _initialised(recipe.acting_initialisation, job, recipe.seed, target, made_of)
        jobs["initialisation"] = new_rows
        jobs |= _probed(recipe.acting_probe, job, recipe.seed, source, target, made_of)

    pretraining = recipe.acting_pretraining
    if pretraining is not None:
        read: dict[str, Job | None] = {"tokenizer": tokenizer, "new_rows": new_rows}
        read |= _each("target", _tokens(recipe.target_corpora, corpora, tokenizer, job))
        if pretraining.replay:
            read |= _each("source", _tokens(recipe.source_corpora, corpora, tokenizer, job))
        if pretraining.budget.tokens:
            read |= _each("measure", _tokens(recipe.target_corpora, corpora, base_tokenizer, job))
        jobs |= {f"tokens.{role}": made for role, made in read.items() if made and made.stage == "tokens"}
        if pretraining.watch is not None:
            read |= {"watched.source": source, "watched.target": target}
        jobs |= _pretrained(pretraining, job, recipe.seed, base, read)
        model = jobs["pretraining"]
    elif recipe.tokenizer.num_new_pieces:
        model = jobs["pretraining"] = job(
            "pretraining", _unpretrained(), base=base, tokenizer=tokenizer, new_rows=new_rows
        )

    if recipe.tuning.num_conversations:
        jobs |= _conversations(recipe, job, tokenizer)
        model = job("tuning", recipe.tuning, seed=recipe.seed, model=model, conversations=jobs["conversations"])
        jobs["tuning"] = model

    benchmarks = {name: recipe.benchmarks[name] for name in recipe.responses.benchmarks}
    jobs |= _overlaps(recipe.overlap, benchmarks, _trained_on(recipe, jobs), job)
    return jobs | asked_of(model, recipe.likelihoods, benchmarks, recipe.grades, judging_of(recipe), job)


class Judging(NamedTuple):
    """Who judges responses, what is looked for in them, and on which texts a model's vectors are compared."""

    judges: Mapping[str, JudgeConfig]
    switching: SwitchingConfig
    alignment: AlignmentConfig = AlignmentConfig()


def judging_of(recipe: Recipe) -> Judging:
    """What a recipe says of judging; switches between its own two languages are looked for where it names none."""
    looked_for = recipe.switching.languages or (recipe.source, recipe.target)
    return Judging(recipe.judges, recipe.switching.model_copy(update={"languages": looked_for}), recipe.alignment)


def asked_of(
    model: Job,
    likelihoods: LikelihoodsConfig,
    benchmarks: Mapping[str, BenchmarkConfig],
    grades: GradesConfig,
    judging: Judging,
    job: Callable[..., Job],
) -> dict[str, Job]:
    """The jobs of asking one model, by role: held-out text, and benchmarks by the names they are given."""
    from loanword.evaluation.benchmarks import openness, settled

    jobs: dict[str, Job] = {}
    if likelihoods.texts:
        jobs["likelihoods"] = job("likelihoods", likelihoods, model=model)
    if judging.alignment.texts:
        jobs["alignment"] = job("alignment", judging.alignment, model=model)
    asked = {name: settled(one.model_copy(update={"name": one.name or name})) for name, one in benchmarks.items()}
    closed = [name for name, config in asked.items() if openness(config) == "none"]
    require_open(judging.judges, closed)
    for name, config in asked.items():
        answered = {"responses": job("responses", config, model=model)}
        jobs[f"responses.{name}"] = answered["responses"]
        if openness(config) != "all":
            jobs[f"grades.{name}"] = job("grades", grades, **answered)
        switching = switching_of(config, judging.switching, answered["responses"], job)
        if switching is not None:
            jobs[f"switching.{name}"] = answered["switching"] = switching
        if name not in closed:
            jobs |= judged_by(name, config, judging.judges, answered, job)
    return jobs


def _each(role: str, made: Mapping[str, Job]) -> dict[str, Job]:
    """One job by a role, several by the role with a name of each behind it."""
    if len(made) == 1:
        return {role: next(iter(made.values()))}
    return {f"{role}.{name}": one for name, one in made.items()}


def _tokens(
    names: Sequence[str], corpora: Mapping[str, Job], tokenizer: Job, job: Callable[..., Job]
) -> dict[str, Job]:
    return {name: job("tokens", TokensConfig(), corpus=corpora[name], tokenizer=tokenizer) for name in names}


def _conversations(recipe: Recipe, job: Callable[..., Job], tokenizer: Job) -> dict[str, Job]:
    """Instructions of each source in their order, and the rows of as many as the run is tuned on."""
    read = {name: in_language(name, recipe.instructions[name]).acting for name in recipe.tuned_on}
    jobs = {f"instructions.{name}": job("instructions", config) for name, config in read.items()}
    shares = recipe.conversations.shares if len(jobs) > 1 else {}
    chosen = recipe.conversations.model_copy(
        update={"num_conversations": recipe.tuning.num_conversations, "shares": shares}
    )
    jobs["conversations"] = job("conversations", chosen, tokenizer=tokenizer, **jobs)
    return jobs


def _trained_on(recipe: Recipe, jobs: Mapping[str, Job]) -> dict[str, Job]:
    """Text that reaches weights: not what vocabularies are learned on, nor what is watched."""
    pretraining = recipe.acting_pretraining
    read = {recipe.source_corpus} if recipe.base.train is not None else set[str]()
    if pretraining is not None:
        read |= {*recipe.target_corpora, *(recipe.source_corpora if pretraining.replay else ())}
    named = {role: role.removeprefix("corpus.") for role in jobs}
    return {
        name: jobs[role]
        for role, name in named.items()
        if role.startswith(("corpus.base.", "instructions.")) or (role != name and name in read)
    }


def _overlaps(
    config: OverlapConfig, benchmarks: Mapping[str, BenchmarkConfig], texts: Mapping[str, Job], job: Callable[..., Job]
) -> dict[str, Job]:
    """How much of each benchmark is in each text that the run trains on."""
    if not config.measure:
        return {}
    made: dict[str, Job] = {}
    for name, asked in benchmarks.items():
        # What is asked counts, however it is asked.
        fields = ("folder", "description", "split", "subjects", "limit_examples", "language")
        questions = BenchmarkConfig(name=asked.name or name, **{field: getattr(asked, field) for field in fields})
        measured = MeasuredOverlapConfig(benchmark=questions, overlap=config)
        made |= {f"overlap.{name}.{text}": job("overlap", measured, text=one) for text, one in texts.items()}
    return made


def _trained_base(config: BaseConfig, job: Callable[..., Job], seed: int, source: Job | None) -> dict[str, Job]:
    """A base, the tokenizer that is learned from its source text alone, and the text of every language it reads."""
    assert config.train is not None
    made = job("tokenizer", config.train.tokenizer, corpus=source)
    jobs = {"tokenizer.base": made, "tokens.base": job("tokens", TokensConfig(), corpus=source, tokenizer=made)}
    read = {"tokens": jobs["tokens.base"]}
    for language, text in config.train.also.items():
        other = jobs[f"corpus.base.{language}"] = job("corpus", text)
        other_tokens = jobs[f"tokens.base.{language}"] = job("tokens", TokensConfig(), corpus=other, tokenizer=made)
        read[f"also.{language}"] = other_tokens
    return jobs | {"base": job("base", config, seed=seed, tokenizer=made, **read)}


def _initialised(
    config: InitialisationConfig, job: Callable[..., Job], seed: int, target: Job | None, made_of: Mapping[str, Job]
) -> Job:
    """Rows for new pieces; the seed and the text are in their name only where they depend on them."""
    corpus = target if config.reads_text else None
    return job("initialisation", config, seed=seed if config.draws else None, corpus=corpus, **made_of)


def _probed(
    config: ProbeConfig | None,
    job: Callable[..., Job],
    seed: int,
    source: Job | None,
    target: Job | None,
    made_of: Mapping[str, Job],
) -> dict[str, Job]:
    """A probe of each candidate, and the rows that it starts from."""
    if config is None:
        return {}
    read = {"target": job("tokens", TokensConfig(), corpus=target, tokenizer=made_of["tokenizer"])}
    if config.replay:
        read["source"] = job("tokens", TokensConfig(), corpus=source, tokenizer=made_of["tokenizer"])
    read |= {"watched.source": source, "watched.target": target, **made_of}
    jobs: dict[str, Job] = {}
    for name, candidate in config.candidates.items():
        rows = jobs[f"initialisation.{name}"] = _initialised(candidate, job, seed, target, made_of)
        one = config.model_copy(update={"candidates": {}})
        jobs[f"probe.{name}"] = job("probe", one, seed=seed, new_rows=rows, **read)
    return jobs


def _pretrained(
    config: PretrainingConfig, job: Callable[..., Job], seed: int, base: Job, read: Mapping[str, Job | None]
) -> dict[str, Job]:
    """A trunk and what branches off it; no trunk for a cosine, since no budget's is the start of another's."""
    if config.steps.schedule == "cosine":
        return {"pretraining": job("pretraining", config, seed=seed, base=base, **read)}
    trunk = job("trunk", TrunkConfig(**dict(config)), seed=seed, base=base, **read)
    # Adapters are trained beside the base, which a cut does not hold.
    beside = {"base": base} if config.steps.lora else {}
    return {"trunk": trunk, "pretraining": job("pretraining", config, seed=seed, trunk=trunk, **beside, **read)}


def _unpretrained() -> PretrainingConfig:
    """Further pretraining on nothing: the base with its new rows."""
    return PretrainingConfig(steps=StepsConfig(peak_learning_rate=1.0))
