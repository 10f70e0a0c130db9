"""Runs and the jobs that they need; equal work of different runs is one job."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from loanword.protocols import Stage
from loanword.recipe import CorpusConfig, Recipe
from loanword.store import Job, Naming, Sources
from loanword.study.file import Comparison, Published, cells, flat, paired_labels, read_study
from loanword.study.scale import scaled
from loanword.wiring_judged import compared

ALSO = "base.train.also"


class StageModule(Protocol):
    """What a module of stages holds: `loanword.stages`, or one that a user names with `--stages`."""

    STAGES: Mapping[str, Stage]

    def wire(self, recipe: Recipe, job: Callable[..., Job]) -> Mapping[str, Job]: ...


@dataclass(frozen=True)
class Run:
    """One cell of a study: its label, place on the axes, recipe, and jobs by role; `arm` is the label without seed."""

    label: str
    position: Mapping[str, str]
    recipe: Recipe
    jobs: Mapping[str, Job]
    arm: str

    def settings(self) -> dict[str, str | int | float]:
        """What the run's model is made of, as dotted paths; what it is only asked afterwards is left out."""
        asked = {
            "likelihoods",
            "benchmarks",
            "responses",
            "grades",
            "judges",
            "switching",
            "alignment",
            "probe",
            "overlap",
        }
        made = flat(self.recipe.model_dump(mode="json", exclude=asked, exclude_none=True))
        also = {} if self.recipe.base.train is None else self.recipe.base.train.also
        if also:
            # What a base has read beside its source is one setting, however many keys say it.
            made = {path: value for path, value in made.items() if not path.startswith(f"{ALSO}.")}
            made[ALSO] = [_read_beside(language, also[language]) for language in sorted(also)]
        return {path: value if isinstance(value, str | int | float) else _joined(value) for path, value in made.items()}


@dataclass(frozen=True)
class Study:
    """A study ready to be planned and built."""

    name: str
    summary: str
    runs: tuple[Run, ...]
    comparisons: tuple[Comparison, ...]
    published: Published | None = None

    @cached_property
    def jobs(self) -> dict[str, Job]:
        """Every distinct job by its key, inputs before what needs them."""
        return {job.key: job for run in self.runs for job in run.jobs.values()}


def _read_beside(language: str, config: CorpusConfig) -> str:
    limit = "" if config.limit_bytes is None else f", {config.limit_bytes:,} bytes"
    return f"{language} ({' and '.join((*config.files, *(one.id for one in config.hub)))}{limit})"


def _joined(value: Any) -> str:
    return ", ".join(map(str, value))


def load_study(path: Path, stages: StageModule, sources: Sources, *, scale: float = 1.0) -> Study:
    """The study of a file, every artifact named; `scale` multiplies all its budgets (for `--smoke`).

    Raises:
        UserError: the file is wrong, or a source that it names is not there.
    """
    file = read_study(path)
    naming = Naming(sources, {name: stage.version for name, stage in stages.STAGES.items()})
    wired: dict[str, Mapping[str, Job]] = {}
    runs: list[Run] = []
    made = cells(file, path)
    for cell in made:
        recipe = cell.recipe if scale == 1.0 else scaled(cell.recipe, scale)
        key = recipe.model_dump_json()
        if key not in wired:
            wired[key] = stages.wire(recipe, naming.job)
        runs.append(Run(cell.label, cell.position, recipe, wired[key], cell.arm))
    by_label = {run.label: run for run in runs}
    for labels in dict.fromkeys(labels for pair in file.compare for labels in paired_labels(pair, made)):
        arm, control = (by_label[label] for label in labels)
        preferred = compared(arm.recipe, arm.jobs, control.jobs, control.label, naming.job)
        by_label[arm.label] = replace(arm, jobs={**arm.jobs, **preferred})
    return Study(file.name, file.summary, tuple(by_label.values()), file.compare, file.published)
