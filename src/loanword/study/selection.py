"""What of a study is to be built where not all of it is."""

from collections.abc import Iterable, Sequence

from loanword.errors import UserError
from loanword.store import Job
from loanword.study.file import nearest
from loanword.study.plan import results
from loanword.study.study import Run, Study


def selected(study: Study, *, only: Sequence[str] = (), until: str | None = None) -> list[Job]:
    """The jobs that are asked for, without what they read; all results of the study where nothing narrows it.

    `only` holds labels of runs, and stages or roles (`responses`, `responses.mmlu`): names of one kind add up, and a
    run with a stage means the stage of that run. `until` leaves out every stage that reads, through others too, what
    that stage makes.

    Raises:
        UserError: a name that the study does not have, or names that select nothing.
    """
    if not only and until is None:
        return results(study)
    labels = {run.label for run in study.runs}
    runs = [run for run in study.runs if run.label in only] or list(study.runs)
    parts = [name for name in only if name not in labels]
    _check(study, parts, until)
    jobs = {job.key: job for run in runs for job in _asked(run, parts)}
    behind = set[str]() if until is None else _behind(study, until)
    found = [job for job in jobs.values() if job.stage not in behind]
    if not found:
        asked = [*(f"--only {name}" for name in only), *([f"--until {until}"] if until else [])]
        raise UserError(
            " ".join(asked),
            "the study has nothing that is all of this",
            expected="a stage that the run has, and that is not behind the last one",
            do="`loanword status --json` lists what each run has",
        )
    return found


def _asked(run: Run, parts: Sequence[str]) -> Iterable[Job]:
    for role, job in run.jobs.items():
        if not parts or any(part == job.stage or f"{role}.".startswith(f"{part}.") for part in parts):
            yield job


def _behind(study: Study, stage: str) -> set[str]:
    """Stages other than a stage itself that read what it makes, directly or through others."""
    read_by: dict[str, set[str]] = {}
    for job in study.jobs.values():
        for made in job.inputs.values():
            read_by.setdefault(made.stage, set()).add(job.stage)
    behind, ahead = set[str](), [stage]
    while ahead:
        new = read_by.get(ahead.pop(), set[str]()) - behind
        behind |= new
        ahead.extend(new)
    return behind - {stage}


def _check(study: Study, parts: Sequence[str], until: str | None) -> None:
    stages = {job.stage for job in study.jobs.values()}
    roles = {role for run in study.runs for role in run.jobs}
    known = stages | {".".join(role.split(".")[:depth]) for role in roles for depth in range(1, role.count(".") + 2)}
    for part in parts:
        if part not in known:
            raise _unknown(f"--only {part}", part, "stage, role or run", [*known, *(run.label for run in study.runs)])
    if until is not None and until not in stages:
        raise _unknown(f"--until {until}", until, "stage", stages)


def _unknown(where: str, name: str, kind: str, known: Iterable[str]) -> UserError:
    return UserError(
        where,
        f"the study has no {kind} of this name{nearest(name, sorted(known))}",
        expected="a name as `loanword status` and `loanword plan` list them",
        do="correct the name; nothing was built",
    )
