"""Arms of several seeds: one line of the report for all of them, and what each seed by itself gave.

A study's runs that are called alike but for the seed are one arm. What the report says of an arm is a mean over its
seeds, with an interval over seeds and examples; of an arm of one run it is over examples alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from loanword.report.arms import SEED
from loanword.report.cells import Cell, Column, RowGroup, Sources, Table, estimate_cell, number_cell, run_cell
from loanword.report.gather import RunRecords
from loanword.report.knowledge import Knowledge, benchmark_titles, benchmarks_of, knowledge_over_seeds
from loanword.report.likelihoods import Scores, language_over_seeds, languages_of
from loanword.report.saying import say
from loanword.report.statistics import Estimate
from loanword.report.wording import decimal, language_name, percent


@dataclass(frozen=True)
class SeedArm:
    """Runs that differ in their seed alone, in the order of their seeds; of a single run, that run."""

    label: str
    runs: tuple[RunRecords, ...]


@dataclass(frozen=True)
class Arms:
    """A study's arms as if each was one run, by the records of its first seed; `seeds` are the single runs of several.

    Scores are those of the arms, and of the single runs.
    """

    runs: tuple[RunRecords, ...]
    seeds: tuple[RunRecords, ...]
    scores: Scores
    knowledge: Knowledge

    @property
    def and_seeds(self) -> tuple[RunRecords, ...]:
        """The arms, and behind them the single runs of those with several seeds."""
        return self.runs + self.seeds


def seed_arms(runs: Sequence[RunRecords]) -> list[SeedArm]:
    """The arms of a study, in the order of their first runs. An arm of one run is called by that run's label."""
    groups: dict[str, list[RunRecords]] = {}
    for run in runs:
        groups.setdefault(run.arm or run.label, []).append(run)
    return [
        SeedArm(arm if len(of) > 1 else of[0].label, tuple(sorted(of, key=lambda run: run.seed)))
        for arm, of in groups.items()
    ]


def over_seeds(runs: Sequence[RunRecords], scores: Scores, knowledge: Knowledge) -> Arms:
    """Every arm of a study, that of several seeds by its means over them."""
    arms = seed_arms(runs)
    merged_scores, merged_knowledge = dict(scores), dict(knowledge)
    for arm in arms:
        if len(arm.runs) == 1:
            continue
        for language in languages_of(arm.runs):
            read = {run.seed: score for run in arm.runs if (score := scores.get((run.label, language)))}
            if read and (score := language_over_seeds(read)):
                merged_scores[arm.label, language] = score
        for name in benchmarks_of(arm.runs):
            asked = {run.seed: score for run in arm.runs if (score := knowledge.get((run.label, name)))}
            if asked:
                merged_knowledge[arm.label, name] = knowledge_over_seeds(asked)
    seeds = tuple(run for arm in arms if len(arm.runs) > 1 for run in arm.runs)
    return Arms(tuple(map(_as_run, arms)), seeds, merged_scores, merged_knowledge)


def _as_run(arm: SeedArm) -> RunRecords:
    """The records of an arm's first seed; an artifact that one of the seeds still lacks is missing."""
    first, *others = arm.runs
    if not others:
        return first
    complete = {
        role: artifact if all(run.artifacts.get(role) is not None for run in others) else None
        for role, artifact in first.artifacts.items()
    }
    settings = {key: value for key, value in first.settings.items() if key != SEED}
    skipped = {role: rows for run in reversed(arm.runs) for role, rows in run.skipped.items()}
    return replace(first, label=arm.label, settings=settings, artifacts=complete, skipped=skipped)


def run_pairs(pairs: Sequence[tuple[str, str]], runs: Sequence[RunRecords]) -> list[tuple[str, str]]:
    """The runs behind comparisons of arms: one pair each, or one a seed."""
    found: dict[tuple[str, str], None] = {}
    for names in pairs:
        arm, control = (_named(name, runs) for name in names)
        by_seed = {run.seed: run for run in control}
        for run in arm:
            beside = control[0] if len(control) == 1 else by_seed.get(run.seed)
            if beside is not None:
                found[run.label, beside.label] = None
    return list(found)


def _named(name: str, runs: Sequence[RunRecords]) -> list[RunRecords]:
    return [run for run in runs if run.label == name] or [run for run in runs if run.arm == name]


@dataclass(frozen=True)
class _Measure:
    """What arms are measured on, and in which artifacts: by arm the mean over its seeds, and the value of each."""

    title: str
    role: str
    shown: Callable[[float], str]
    means: Mapping[str, Estimate | None]
    values: Mapping[str, Mapping[int, float]]


def seeds_table(runs: Sequence[RunRecords], arms: Arms) -> Table | None:
    """Each arm of several seeds on each measure, and every seed by itself; None where no arm has several."""
    several = [arm for arm in seed_arms(runs) if len(arm.runs) > 1]
    if not several:
        return None
    seeds = sorted({run.seed for arm in several for run in arm.runs})
    columns = (
        Column("arm", "Arm", is_number=False),
        Column("mean", "Mean"),
        Column("deviation", "Deviation of seeds"),
        *(Column(f"seed_{seed}", say("Seed {number}", number=str(seed))) for seed in seeds),
    )
    groups = [
        RowGroup(
            measure.title,
            tuple(_row(label, measure, seeds) for label in measure.means),
            sources=Sources(roles=(measure.role,)),
        )
        for measure in (*_languages(several, arms.scores), *_benchmarks(several, arms.knowledge))
    ]
    note = (
        "The mean over the seeds of an arm, with a 95\u202f% interval over seeds and examples together; two or three "
        "seeds hardly know how far others would be, and leave it wide. The deviation is that of single seeds. Other "
        "tables and figures of bits per byte and of benchmarks have these means."
    )
    return Table("seeds", "Over seeds", note, columns, tuple(groups))


def _row(label: str, measure: _Measure, seeds: Sequence[int]) -> tuple[Cell, ...]:
    values = measure.values[label]
    deviation = float(np.std(list(values.values()), ddof=1)) if len(values) > 1 else None
    return (
        run_cell(label),
        estimate_cell(measure.means[label], measure.shown),
        number_cell(deviation, measure.shown),
        *(number_cell(values.get(seed), measure.shown) for seed in seeds),
    )


def _languages(several: Sequence[SeedArm], scores: Scores) -> Iterator[_Measure]:
    for language in languages_of([run for arm in several for run in arm.runs]):
        found = {arm.label: scores.get((arm.label, language)) for arm in several if arm.runs[0].is_read(language)}
        yield _Measure(
            say("{language}, bits per byte", language=language_name(language)),
            "likelihoods",
            lambda value: decimal(value, 3),
            {label: score and score.bits_per_byte for label, score in found.items()},
            {
                label: {seed: one.bits_per_byte.value for seed, one in score.seeds.items()} if score else {}
                for label, score in found.items()
            },
        )


def _benchmarks(several: Sequence[SeedArm], knowledge: Knowledge) -> Iterator[_Measure]:
    for name, title in benchmark_titles(benchmarks_of([run for arm in several for run in arm.runs])).items():
        asked = [arm for arm in several if f"grades.{name}" in arm.runs[0].artifacts]
        found = {arm.label: knowledge.get((arm.label, name)) for arm in asked}
        yield _Measure(
            title,
            f"grades.{name}",
            percent,
            {label: score and score.headline for label, score in found.items()},
            {
                label: {seed: one.headline.value for seed, one in score.seeds.items()} if score else {}
                for label, score in found.items()
            },
        )
