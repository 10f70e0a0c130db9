"""How judges, scales and what they show are put into words."""

from collections.abc import Sequence

from loanword.records import JudgeFacts
from loanword.report.quality.ratings import Part
from loanword.report.quality.scores import JudgedBenchmark, JudgedDifference
from loanword.report.summary import NO_BREAK, Finding
from loanword.report.wording import decimal, joined, p_phrase, percent, plain, signed

RULES = "by rules: accepted answers, properties, overlap with the reference"


def heading(judged: JudgedBenchmark, *, short: bool = False) -> str:
    """A benchmark, who judged its responses, and the rubric where the study has several of that judge."""
    scale = f" ({judged.facts.rubric})" if judged.facts and not judged.is_alone else ""
    return f"{judged.title}, {judge_phrase(judged.judge, judged.facts, short=short)}{scale}"


def judge_phrase(name: str, facts: JudgeFacts | None, *, short: bool = False) -> str:
    """Who judged, as it follows what was judged: what ratings are worth hangs on it."""
    match None if facts is None else facts.kind:
        case "rules":
            return "by rules" if short else RULES
        case "panel":
            return f"by {name}, a panel of {joined(facts.combines) if facts else ''}"
        case "people":
            return "by people" if name == "people" else f"by people ({name})"
        case _:
            return f"by {name}"


def scale_text(judged: JudgedBenchmark) -> str:
    """The scale of all parts; nothing where they have several, or are shares."""
    scales = {(part.lowest, part.highest) for part in judged.parts}
    if len(scales) != 1 or is_share(judged):
        return ""
    ((lowest, highest),) = scales
    return f"on a scale of {scale_range(lowest, highest)}"


def titled(judged: JudgedBenchmark, *also: str) -> str:
    """A heading with what else is said, and the scale where there is one of all parts."""
    return ", ".join(part for part in (heading(judged), *also, scale_text(judged)) if part)


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
        return "missing" if difference.is_missing else "not comparable: no example rated in both"
    if difference.verdict.word == "no difference" and difference.verdict.bound is not None:
        part, bound = difference.part, difference.verdict.bound
        amount = f"{decimal(100 * bound, 1)} points" if part.is_share else decimal(bound, 3)
        return f"no difference larger than {amount} shown"
    return difference.verdict.word


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
        return [Finding(heading(judged, short=True), "Nothing was rated.", points=points)]
    label = max(scored, key=lambda of: scored[of].value)
    best, lowest = scored[label], min(one.value for one in scored.values())
    low, high = (value_text(part, bound, unit=False) for bound in (best.low, best.high))
    unparsed = judged.scored[label].unparsed_share
    beside = f", with {percent(unparsed)} of its replies unparsed" if unparsed else ""
    most = f"{value_text(part, best.value)} under {label} (95\u202f% interval {low} to {high}){beside}"
    name = part.title if part.title.isupper() or part.title.startswith("AVG") else part.title.lower()
    scale = "of all points" if part.is_share else f"on a scale of {scale_range(part.lowest, part.highest)}"
    text = f"{_capital(name)} is {most}, {scale}."
    if len(scored) > 1:
        text = f"{_capital(name)} is between {value_text(part, lowest)} and {value_text(part, best.value)}, {scale}; "
        text += f"the most is {most}."
    return [Finding(heading(judged, short=True), text, points=points)]


def _point(one: JudgedDifference) -> str:
    if one.paired is None:
        return f"{one.arm} minus {one.control}: {verdict_text(one)}"
    change = one.paired.difference
    low, high = (difference_text(one.part, bound) for bound in (change.low, change.high))
    p_value = "" if one.adjusted_p is None else f", {p_phrase(one.adjusted_p)}"
    interval = f"[{low}{NO_BREAK}to{NO_BREAK}{high}]"
    return (
        f"{one.arm} minus {one.control}: {difference_text(one.part, change.value)} {interval}"
        f"{' points' if one.part.is_share else ''}{p_value}; {verdict_text(one)}"
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
