"""The order of candidates for new rows, by held-out bits per byte after a probe's few steps.

Shapes: N documents, C candidates, R resamples.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loanword.records import ProbedDocument
from loanword.report.cells import (
    MISSING_CELL,
    NOT_PLANNED_CELL,
    Cell,
    Column,
    RowGroup,
    Sources,
    Table,
    estimate_cell,
    number_cell,
    text_cell,
)
from loanword.report.gather import RunRecords
from loanword.report.saying import say
from loanword.report.statistics import (
    Estimate,
    Floats,
    beyond_the_best,
    bits_per_byte,
    bootstrap_estimate,
    holm,
    resampled_sums,
)
from loanword.report.wording import decimal, language_name, p_text, plain, signed

PROBE = "probe."


@dataclass(frozen=True)
class ProbedCandidate:
    """One candidate in one language: bits per byte after its steps and before them.

    The best has neither `to_best` nor `p_value`, which is of the distance to the best and not adjusted.
    """

    name: str
    rank: int
    bits_per_byte: Estimate
    to_best: Estimate | None
    p_value: float | None
    start_rank: int
    start: Estimate


def probe_tables(runs: Sequence[RunRecords]) -> list[Table]:
    """One table a probe, however many runs share it."""
    found: dict[object, RunRecords] = {}
    for run in runs:
        planned = {role: artifact for role, artifact in run.artifacts.items() if role.startswith(PROBE)}
        if run.probes:
            folders = tuple((role, artifact and artifact.folder) for role, artifact in planned.items())
            found.setdefault(folders, run)
    several = len(found) > 1
    return [_probe_table(run, f"probe.{place}" if several else "probe") for place, run in enumerate(found.values(), 1)]


def _probe_table(run: RunRecords, key: str) -> Table:
    candidates = [role.removeprefix(PROBE) for role in run.artifacts if role.startswith(PROBE)]
    languages = dict.fromkeys(document.language for documents in run.probes.values() for document in documents)
    target = str(run.settings.get("target", ""))
    ordered = sorted(languages, key=lambda language: language != target)
    groups = [
        RowGroup(language_name(language), tuple(_rows(candidates, rank_candidates(run.probes, language))))
        for language in ordered
    ]
    columns = (
        Column("candidate", "New rows start from", is_number=False),
        Column("rank", "Rank"),
        Column("bits_per_byte", "Bits per byte after its steps"),
        Column("to_best", "Minus the best"),
        Column("p_holm", "p (Holm)"),
        Column("start_rank", "Rank at the start"),
        Column("start_bits_per_byte", "Bits per byte at the start"),
    )
    note = (
        "Every candidate was trained for the same few steps on the same rows and then measured on the same held-out "
        "documents. The start does not predict the order: choose by the ranks after training. Brackets hold 95\u202f% "
        "intervals by bootstrap over documents, paired for differences; they take the best as given, though these "
        "documents chose it. p does not: it says how often the best of equal candidates is as far ahead by chance, "
        "and is adjusted by Holm within a language."
    )
    title = say("Candidates for new rows, probed under {run}", run=run.label)
    return Table(key, title, note, columns, tuple(groups), Sources((run.label,), ("probe",)))


def rank_candidates(probes: Mapping[str, Sequence[ProbedDocument]], language: str) -> list[ProbedCandidate]:
    """The candidates that were measured on the same documents of a language, best first."""
    read = {name: [one for one in documents if one.language == language] for name, documents in probes.items()}
    texts = {name: tuple((one.id, one.num_bytes) for one in documents) for name, documents in read.items()}
    usual = next((found for found in texts.values() if found), ())
    names = [name for name, found in texts.items() if found == usual]
    if not usual:
        return []
    columns_NK = np.array(
        [
            [size, *(read[name][place].nats for name in names), *(read[name][place].start_nats for name in names)]
            for place, (_, size) in enumerate(usual)
        ],
        dtype=np.float64,
    )
    return _ranked(names, columns_NK)


def _ranked(names: Sequence[str], columns_NK: Floats) -> list[ProbedCandidate]:
    sums_K, sums_RK = columns_NK.sum(axis=0), resampled_sums(columns_NK)
    values = [bits_per_byte(float(nats), float(sums_K[0])) for nats in sums_K[1:]]
    bits_RK = sums_RK[:, 1:] / (np.log(2) * sums_RK[:, :1])
    count = len(names)
    order = sorted(range(count), key=values.__getitem__)
    starts = sorted(range(count), key=lambda place: values[count + place])
    best = order[0]
    p_values = beyond_the_best(np.array(values[:count]), bits_RK[:, :count])
    return [
        ProbedCandidate(
            name=names[place],
            rank=rank,
            bits_per_byte=bootstrap_estimate(values[place], bits_RK[:, place]),
            to_best=None
            if place == best
            else bootstrap_estimate(values[place] - values[best], bits_RK[:, place] - bits_RK[:, best]),
            p_value=None if place == best else p_values[place],
            start_rank=starts.index(place) + 1,
            start=bootstrap_estimate(values[count + place], bits_RK[:, count + place]),
        )
        for rank, place in enumerate(order, start=1)
    ]


def _rows(planned: Sequence[str], ranked: Sequence[ProbedCandidate]) -> Iterator[tuple[Cell, ...]]:
    adjusted = iter(holm([one.p_value for one in ranked if one.p_value is not None]))
    for one in ranked:
        yield (
            text_cell(one.name),
            number_cell(one.rank, plain),
            estimate_cell(one.bits_per_byte, lambda value: decimal(value, 3)),
            estimate_cell(one.to_best, lambda value: signed(value, 3), planned=False),
            NOT_PLANNED_CELL if one.p_value is None else number_cell(next(adjusted), p_text),
            number_cell(one.start_rank, plain),
            estimate_cell(one.start, lambda value: decimal(value, 3)),
        )
    measured = {one.name for one in ranked}
    for name in planned:
        if name not in measured:
            yield (text_cell(name), *[MISSING_CELL] * 6)
