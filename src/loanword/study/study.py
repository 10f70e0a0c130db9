"""Runs and the jobs that they need; equal work of different runs is one job."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from loanword.protocols import Stage
from loanword.recipe import Recipe
from loanword.store import Job, Naming, Sources
from loanword.study.file import Comparison, cells, flat, read_study
from loanword.study.scale import scaled


class StageModule(Protocol):
    """What a module of stages holds: `loanword.stages`, or one that a user names with `--stages`."""

    STAGES: Mapping[str, Stage]

    def wire(self, recipe: Recipe, job: Callable[..., Job]) -> Mapping[str, Job]: ...


@dataclass(frozen=True)
class Run:
    """One cell of a study: its label, place on the axes, recipe, and jobs by role."""

    label: str
    position: Mapping[str, str]
    recipe: Recipe
    jobs: Mapping[str, Job]


@dataclass(frozen=True)
class Study:
    """A study ready to be planned and built."""

    name: str
    summary: str
    runs: tuple[Run, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def jobs(self) -> dict[str, Job]:
        """Every distinct job by its key, inputs before what needs them."""
        return {job.key: job for run in self.runs for job in run.jobs.values()}

    def varying(self) -> dict[str, dict[str, Any]]:
        """Per run, the recipe settings that are not the same in all runs, as dotted paths."""
        tables = {run.label: flat(run.recipe.model_dump(mode="json")) for run in self.runs}
        paths = list(dict.fromkeys(path for table in tables.values() for path in table))
        differing = [path for path in paths if len({repr(table.get(path)) for table in tables.values()}) > 1]
        return {label: {path: table.get(path) for path in differing} for label, table in tables.items()}


def load_study(path: Path, stages: StageModule, sources: Sources, *, scale: float = 1.0) -> Study:
    """The study of a file, every artifact named; `scale` multiplies all its budgets (for `--smoke`).

    Raises:
        UserError: the file is wrong, or a source that it names is not there.
    """
    file = read_study(path)
    naming = Naming(sources, {name: stage.version for name, stage in stages.STAGES.items()})
    wired: dict[str, Mapping[str, Job]] = {}
    runs: list[Run] = []
    for cell in cells(file, path):
        recipe = cell.recipe if scale == 1.0 else scaled(cell.recipe, scale)
        key = recipe.model_dump_json()
        if key not in wired:
            wired[key] = stages.wire(recipe, naming.job)
        runs.append(Run(cell.label, cell.position, recipe, wired[key]))
    return Study(file.name, file.summary, tuple(runs), file.compare)
