"""Tables of what was spent: text, tokens, compute and time."""

from collections.abc import Sequence

from loanword.records import TrainingSummary
from loanword.report.cells import (
    MISSING_CELL,
    Cell,
    Column,
    Sources,
    Table,
    number_cell,
    one_group,
    run_cell,
)
from loanword.report.gather import TRAINING_ROLES, Artifact, RunRecords, stage_of
from loanword.report.saying import say
from loanword.report.tables import RUN
from loanword.report.wording import bytes_text, count_text, duration, flops_text, plain

STAGES = (
    "corpus", "tokenizer", "tokens", "base", "initialisation", "probe", "trunk", "pretraining", "instructions",
    "conversations", "tuning", "likelihoods", "responses", "judgements", "grades", "overlap",
)  # fmt: skip
ALL_STAGES = say("all stages")


def spending_table(runs: Sequence[RunRecords]) -> Table:
    """Text, tokens, steps, compute and time of every run, its history included."""
    rows = [[run_cell(run.label), *_spent(run)] for run in runs]
    columns = (
        RUN,
        Column("target_bytes", "Target text"),
        Column("target_tokens", "Target tokens"),
        Column("replay_tokens", "Replay tokens"),
        Column("response_tokens", "Response tokens"),
        Column("steps", "Steps"),
        Column("train_flops", "Training compute"),
        Column("parameters", "Parameters"),
        Column("seconds", "Time of its artifacts"),
    )
    note = (
        "What each run has seen from its base on. Compute is of training alone, estimated from parameters and tokens. "
        "Time is the sum over the run\u2019s artifacts, those that it shares with other runs included."
    )
    return Table("spending", "Spent by run", note, columns, one_group(rows), Sources(roles=TRAINING_ROLES))


def _spent(run: RunRecords) -> list[Cell]:
    summary, after = run.last_summary, run.after_base
    # A base from elsewhere leaves no summary: nothing was trained here.
    trained = run.is_pretrained or run.plans("tuning") or run.artifacts.get("base", summary) is None
    response = run.conversations.num_response_tokens if run.conversations else None
    seconds = [found.manifest.provenance.seconds for found in run.artifacts.values() if found is not None]
    known = [value for value in seconds if value is not None]
    return [
        number_cell(run.num_target_bytes, bytes_text, planned=run.is_pretrained),
        number_cell(_sum(after, "num_target_tokens"), count_text, planned=run.is_pretrained),
        number_cell(_sum(after, "num_replay_tokens"), count_text, planned=run.is_pretrained),
        number_cell(response, count_text, planned=run.plans("conversations")),
        number_cell(_sum(after, "num_steps"), plain, planned=trained),
        number_cell(_sum(after, "train_flops"), flops_text, planned=trained),
        number_cell(summary and summary.num_parameters, count_text, planned=trained),
        _partial(sum(known), known, run) if known else MISSING_CELL,
    ]


def _sum(summaries: Sequence[TrainingSummary] | None, name: str) -> float | None:
    return None if summaries is None else sum(getattr(summary, name) for summary in summaries)


def _partial(seconds: float, known: Sequence[float], run: RunRecords) -> Cell:
    whole = len(known) == len(run.artifacts)
    return Cell(duration(seconds) if whole else say("{time} so far", time=duration(seconds)), round(seconds, 3))


def time_table(runs: Sequence[RunRecords]) -> Table:
    """Time of every stage over the whole study; an artifact that runs share counts once."""
    artifacts = distinct_artifacts(runs)
    planned: dict[str, set[object]] = {}
    for run in runs:
        for role, artifact in run.artifacts.items():
            planned.setdefault(stage_of(role), set()).add(artifact.folder if artifact else (run.label, role))
    stages = sorted(planned, key=lambda stage: STAGES.index(stage) if stage in STAGES else len(STAGES))
    rows = [
        _stage_row(stage, [found for found in artifacts if stage_of(found.role) == stage], planned[stage])
        for stage in stages
    ]
    rows.append(_stage_row(ALL_STAGES, artifacts, set[object]().union(*planned.values())))
    columns = (
        Column("stage", "Stage", is_number=False),
        Column("num_artifacts", "Artifacts"),
        Column("num_missing", "Missing"),
        Column("seconds", "Time"),
        Column("cpu_seconds", "Processor time"),
        Column("seconds_per_artifact", "Time each"),
    )
    note = "Each artifact counts once, however many runs share it; a missing one, once for each run that waits for it."
    return Table("time", "Time by stage", note, columns, one_group(rows))


def _stage_row(stage: str, artifacts: Sequence[Artifact], planned: set[object]) -> list[Cell]:
    seconds = [value for found in artifacts if (value := found.manifest.provenance.seconds) is not None]
    cpu_seconds = [value for found in artifacts if (value := found.manifest.provenance.cpu_seconds) is not None]
    return [
        Cell(stage, stage, sources=Sources(roles=() if stage == ALL_STAGES else (stage,))),
        number_cell(len(artifacts), plain),
        number_cell(len(planned) - len(artifacts), plain),
        number_cell(sum(seconds) if seconds else None, duration),
        number_cell(sum(cpu_seconds) if cpu_seconds else None, duration),
        number_cell(sum(seconds) / len(seconds) if seconds else None, duration),
    ]


def distinct_artifacts(runs: Sequence[RunRecords]) -> list[Artifact]:
    """Every finished artifact of the study once, in the order of the runs."""
    found = {artifact.folder: artifact for run in runs for artifact in run.artifacts.values() if artifact is not None}
    return list(found.values())
