"""Whether responses that switch languages hang together: by judges that were asked that, or by an item of their rubric.

Judges that were asked are asked about responses that switch alone. Where a benchmark has none, the item "coherence"
of other judges is taken, of responses that switch beside those that do not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loanword.recipe.judging import OF_COHERENCE
from loanword.records import JudgeFacts
from loanword.report.cells import MISSING_CELL, NOT_PLANNED_CELL, Cell, Column, estimate_cell, number_cell, text_cell
from loanword.report.gather import RunRecords
from loanword.report.judged import COHERENCE, Judged
from loanword.report.quality.ratings import Part, RatedExamples, estimates, parts_of, rated_examples
from loanword.report.quality.scores import planned_judges
from loanword.report.quality.words import judge_phrase, scale_range
from loanword.report.saying import say
from loanword.report.wording import decimal, plain


@dataclass(frozen=True)
class CoherenceJudge:
    """A judge whose ratings tell how coherent responses are; `was_asked`: about those that switch, and nothing else."""

    name: str
    facts: JudgeFacts
    part: Part
    was_asked: bool


def coherence_judges(benchmark: str, runs: Sequence[RunRecords]) -> list[CoherenceJudge]:
    """The judges of a benchmark whose ratings tell how coherent switched responses are, in the order of the runs."""
    found: dict[str, CoherenceJudge] = {}
    for run in runs:
        for of, name in planned_judges(run):
            judged = run.judged.get((of, name))
            part = None if judged is None or of != benchmark else _part(judged.judge)
            if judged is not None and part is not None and name not in found:
                found[name] = CoherenceJudge(name, judged.judge, part, judged.judge.rubric == COHERENCE)
    asked = [judge for judge in found.values() if judge.was_asked]
    return asked or list(found.values())


def _part(judge: JudgeFacts) -> Part | None:
    return next((part for part in parts_of(judge) if part.key == COHERENCE), None)


def coherence_columns(judges: Sequence[CoherenceJudge]) -> Iterator[Column]:
    """Columns of all judges: of switched responses and how many were rated, and of the others where they were too."""
    for judge in judges:
        by = judge_phrase(judge.name.removesuffix(OF_COHERENCE), judge.facts, short=True)
        scale = scale_range(judge.part.lowest, judge.part.highest)
        yield Column(
            f"coherence.{judge.name}", say("Coherence where switched, {judge} ({scale})", judge=by, scale=scale)
        )
        yield Column(f"num_rated.{judge.name}", "Rated of those")
        if not judge.was_asked:
            yield Column(f"coherence_of_others.{judge.name}", "Where not switched")


def coherence_cells(run: RunRecords, benchmark: str, judges: Sequence[CoherenceJudge]) -> Iterator[Cell]:
    """A run's cells below the columns of all judges."""
    seen = run.switching.get(benchmark, ())
    switched = {(one.subject, one.id) for one in seen if one.switched}
    others = {(one.subject, one.id) for one in seen} - switched
    for judge in judges:
        width = 2 if judge.was_asked else 3
        judged = run.judged.get((benchmark, judge.name))
        if judged is None or not seen:
            planned = (benchmark, judge.name) in planned_judges(run)
            yield from [MISSING_CELL if planned else NOT_PLANNED_CELL] * width
            continue
        examples = rated_examples(judged.ratings, judged.judge)
        yield _mean_cell(examples, judge, switched)
        yield number_cell(_num_rated(judged, switched), plain)
        if not judge.was_asked:
            yield _mean_cell(examples, judge, others)


def coherence_note(judges: Sequence[CoherenceJudge]) -> str:
    """What the columns hold; nothing where there are none."""
    if not judges:
        return ""
    if judges[0].was_asked:
        return say(
            "Coherence: whether a response that switches makes sense to a reader of all its languages, as judged."
        )
    return say("Coherence is the judge\u2019s item of that name; a response may hang together in the wrong language.")


def _mean_cell(examples: RatedExamples, judge: CoherenceJudge, of: set[tuple[str, str]]) -> Cell:
    among = examples.at([place for place, key in enumerate(examples.keys) if key in of])
    estimate = estimates(among, [judge.part])[judge.part.key]
    if estimate is None:
        return text_cell(say("none rated"), tone="quiet")
    return estimate_cell(estimate, lambda value: decimal(value, 2))


def _num_rated(judged: Judged, of: set[tuple[str, str]]) -> int:
    return len({key for one in judged.ratings if one.outcome == "rated" and (key := (one.subject, one.id)) in of})
