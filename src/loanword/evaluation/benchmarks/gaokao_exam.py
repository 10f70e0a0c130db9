"""The 750 points of the examination that scoring rates of GAOKAO-Bench stand for.

A candidate of either stream sits six papers. A paper has objective and open questions, in shares that are those of the
examination and not of the benchmark's questions; each half earns its scoring rate. Rates count to three digits, points
of a paper to three, those of a stream to one, as the authors round them.

Source: OpenLMLab/GAOKAO-Bench, commit 6dbb24f8d8439041e5431c4c184a582182a6ce9c, Bench/merge_OBJ_SUB_score.py.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from loanword.evaluation.benchmarks.gaokao_sections import OBJECTIVE
from loanword.records import Grade


@dataclass(frozen=True)
class Paper:
    """What a paper is worth, and the shares of it that objective and open questions have."""

    maximum_points: float
    objective_share: float
    subjective_share: float


PAPERS = {
    "Chinese": Paper(150, 0.3, 0.7),
    "English": Paper(150, 0.7, 0.3),
    "Science-Math": Paper(150, 0.4, 0.6),
    "Liberal-Arts-Math": Paper(150, 0.4, 0.6),
    "Physics": Paper(110, 0.4, 0.6),
    "Chemistry": Paper(100, 0.5, 0.5),
    "Biology": Paper(90, 0.3, 0.7),
    "Politics": Paper(100, 0.5, 0.5),
    "History": Paper(100, 0.5, 0.5),
    "Geography": Paper(100, 0.4, 0.6),
}

# The order is that in which the authors add, which decides the last bit of a sum and so how it is rounded.
STREAMS = {
    "Liberal-Arts": ("Chinese", "English", "Liberal-Arts-Math", "Politics", "History", "Geography"),
    "Science": ("Chinese", "English", "Science-Math", "Physics", "Chemistry", "Biology"),
}

_MATH = {"2010-2022_Math_I_MCQs": "Science-Math", "2010-2022_Math_II_MCQs": "Liberal-Arts-Math"}


@dataclass(frozen=True)
class PaperPoints:
    """Points of one paper; None for a half that nobody has marked, and for the whole where a half is missing."""

    objective: float | None
    subjective: float | None
    total: float | None


@dataclass(frozen=True)
class StreamPoints:
    """Points of a stream's six papers, None where a paper is missing.

    `objective` is out of `maximum_objective`, `total` out of 750.
    """

    objective: float | None
    maximum_objective: float
    total: float | None


@dataclass(frozen=True)
class ExamPoints:
    """Points by paper and by stream."""

    papers: Mapping[str, PaperPoints]
    streams: Mapping[str, StreamPoints]


def exam_points(objective: Mapping[str, float], subjective: Mapping[str, float] | None = None) -> ExamPoints:
    """The points that scoring rates (0 to 1) by paper stand for; papers without a rate have no points."""
    papers = {name: _paper(PAPERS[name], objective.get(name), (subjective or {}).get(name)) for name in PAPERS}
    return ExamPoints(papers, {stream: _stream(names, papers) for stream, names in STREAMS.items()})


def objective_rates(grades: Iterable[Grade]) -> dict[str, float]:
    """Scoring rate of the objective questions of each paper all of whose files were graded."""
    graded: dict[str, list[Grade]] = {}
    for grade in grades:
        graded.setdefault(grade.subject, []).append(grade)
    rates: dict[str, float] = {}
    for paper, files in _files().items():
        if all(file in graded for file in files):
            rates[paper] = _rate([grade for file in files for grade in graded[file]])
    return rates


def _files() -> dict[str, list[str]]:
    files: dict[str, list[str]] = {}
    for name, section in OBJECTIVE.items():
        files.setdefault(_MATH.get(name, section.exam), []).append(name)
    return files


def _rate(grades: Sequence[Grade]) -> float:
    # Points come in halves; as shares of a question's points they may be a last bit off.
    earned = sum(round(grade.score * grade.points, 6) for grade in grades)
    return earned / sum(grade.points for grade in grades)


def _paper(paper: Paper, objective: float | None, subjective: float | None) -> PaperPoints:
    halves = _points(paper, paper.objective_share, objective), _points(paper, paper.subjective_share, subjective)
    total = None if halves[0] is None or halves[1] is None else round(halves[1] + halves[0], 3)
    return PaperPoints(*halves, total)


def _points(paper: Paper, share: float, rate: float | None) -> float | None:
    return None if rate is None else round(paper.maximum_points * share * round(rate, 3), 3)


def _stream(names: Sequence[str], papers: Mapping[str, PaperPoints]) -> StreamPoints:
    return StreamPoints(
        objective=_sum([papers[name].objective for name in names]),
        maximum_objective=_sum([PAPERS[name].maximum_points * PAPERS[name].objective_share for name in names]) or 0.0,
        total=_sum([papers[name].total for name in names]),
    )


def _sum(points: Sequence[float | None]) -> float | None:
    total = 0.0
    for earned in points:
        if earned is None:
            return None
        total += earned
    return round(total, 1)
