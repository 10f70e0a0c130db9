"""How judges, scales and what they show are put into words."""

from collections.abc import Sequence

from loanword.records import JudgeFacts
from loanword.report.cells import Sources
from loanword.report.quality.ratings import Part
from loanword.report.quality.scores import JudgedBenchmark, JudgedDifference
from loanword.report.saying import joined, listed, say
from loanword.report.statistics import PairedDifference
from loanword.report.summary import Finding, difference_point, interval_text
from loanword.report.wording import MISSING, decimal, percent, plain, signed

RULES = "by rules: accepted answers, properties, overlap with the reference"


def heading(judged: JudgedBenchmark, *, short: bool = False) -> str:
    """A benchmark, who judged its responses, and the rubric where the study has several of that judge."""
    by = judge_phrase(judged.judge, judged.facts, short=short)
    if judged.facts and not judged.is_alone:
        by = say("{judge} ({rubric})", judge=by, rubric=judged.facts.rubric)
    return say("{benchmark}, {judge}", benchmark=judged.title, judge=by)


def judge_phrase(name: str, facts: JudgeFacts | None, *, short: bool = False) -> str:
    """Who judged, as it follows what was judged: what ratings are worth hangs on it."""
    match None if facts is None else facts.kind:
        case "rules":
            return say("by rules") if short else say(RULES)
        case "panel":
            return say("by {judge}, a panel of {models}", judge=name, models=joined(facts.combines) if facts else "")
        case "people":
            return say("by people") if name == "people" else say("by people ({judge})", judge=name)
        case _:
            return say("by {judge}", judge=name)


def scale_text(judged: JudgedBenchmark) -> str:
    """The scale of all parts; nothing where they have several, or are shares."""
    scales = {(part.lowest, part.highest) for part in judged.parts}
    if len(scales) != 1 or is_share(judged):
        return ""
    ((lowest, highest),) = scales
    return say("on a scale of {scale}", scale=scale_range(lowest, highest))


def titled(judged: JudgedBenchmark, *also: str) -> str:
    """A heading with what else is said, and the scale where there is one of all parts."""
    return listed((heading(judged), *also, scale_text(judged)))


def scale_range(lowest: float, highest: float) -> str:
    """A scale by its ends: 0–3."""
    return f"{plain(lowest)}\u2013{plain(highest)}"


def is_share(judged: JudgedBenchmark) -> bool:
    """Whether what is reported is a share of all points."""
    return any(part.is_share for part in judged.parts)


def value_text(part: Part, value: float, *, unit: bool = True) -> str:
    """A value on a part's scale; shares are percentages, which the ends of an interval do without."""
    if not part.is_share:
        return decimal(value, 3)
    return percent(value) if unit else decimal(100 * value, 1)


def difference_text(part: Part, value: float) -> str:
    """A difference with its sign; shares differ in percentage points."""
    return signed(100 * value, 1) if part.is_share else signed(value, 3)


def verdict_text(difference: JudgedDifference) -> str:
    """What a difference shows, with the bound where nothing was shown."""
    if difference.verdict is None:
        return MISSING if difference.is_missing else say("not comparable: no example rated in both")
    if difference.verdict.word == "no difference" and difference.verdict.bound is not None:
        part, bound = difference.part, difference.verdict.bound
        points = say("{number} points", number=decimal(100 * bound, 1))
        return say("no difference larger than {bound} shown", bound=points if part.is_share else decimal(bound, 3))
    return say(difference.verdict.word)


def quality_findings(judged: Sequence[JudgedBenchmark]) -> list[Finding]:
    """For each benchmark and judge: the best run, and every arm minus its control."""
    return [finding for one in judged for finding in _finding(one)]


def _finding(judged: JudgedBenchmark) -> list[Finding]:
    part = judged.headline
    if part is None:
        return []
    scored = {label: found for label, one in judged.scored.items() if (found := one.estimates[part.key])}
    told = [one for one in judged.differences if one.part == part and one.paired is not None]
    points = tuple(_point(one) for one in told)
    if not scored:
        return [Finding(heading(judged, short=True), say("Nothing was rated."), points=points)]
    label = max(scored, key=lambda of: scored[of].value)
    best, lowest = scored[label], min(one.value for one in scored.values())
    low, high = (value_text(part, bound, unit=False) for bound in (best.low, best.high))
    most = say(
        "{value} under {run} (95\u202f% interval {low} to {high})",
        value=value_text(part, best.value),
        run=label,
        low=low,
        high=high,
    )
    if unparsed := judged.scored[label].unparsed_share:
        most = say("{most}, with {share} of its replies unparsed", most=most, share=percent(unparsed))
    on_scale = {"scale": scale_range(part.lowest, part.highest)}
    scale = say("of all points") if part.is_share else say("on a scale of {scale}", **on_scale)
    text = say("{item} is {most}, {scale}.", item=part.title, most=most, scale=scale)
    if len(scored) > 1:
        text = say(
            "{item} is between {lowest} and {highest}, {scale}; the most is {most}.",
            item=part.title,
            lowest=value_text(part, lowest),
            highest=value_text(part, best.value),
            scale=scale,
            most=most,
        )
    sources = Sources(tuple(scored), (f"ratings.{judged.benchmark}.{judged.judge}",))
    return [Finding(heading(judged, short=True), text, points=points, sources=sources)]


def _point(one: JudgedDifference) -> str:
    change = None if one.paired is None else _change_text(one.part, one.paired)
    return difference_point(one.arm, one.control, change, one.adjusted_p, verdict_text(one))


def _change_text(part: Part, paired: PairedDifference) -> str:
    value, low, high = (
        difference_text(part, bound)
        for bound in (paired.difference.value, paired.difference.low, paired.difference.high)
    )
    told = interval_text(value, low, high)
    return say("{change} points", change=told) if part.is_share else told
