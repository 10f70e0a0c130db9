"""Alignment in sentences computed from records, and what they say about why new pieces would hurt.

The hypothesis: a base that was trained on several languages has aligned what they speak of (arXiv 2401.01055 asks this
of code-switching), and new pieces start outside of that alignment. Then a model with new pieces aligns worse than one
without after the same text.
"""

from collections.abc import Sequence

from loanword.report.alignment.scores import (
    Alignment,
    AlignmentComparison,
    AlignmentDifference,
    Alignments,
    Languages,
    Place,
    accuracy,
    language_pairs,
    score_alignment,
)
from loanword.report.alignment.tables import languages_text, points_text
from loanword.report.comparisons import reference_run
from loanword.report.gather import RunRecords
from loanword.report.summary import Finding
from loanword.report.wording import percent, plain

NO_BREAK = "\u00a0"
HYPOTHESIS = (
    "If new pieces hurt because they start outside of what the base has aligned across languages, a model with them "
    "aligns worse than one without after the same text."
)

Compared = list[tuple[AlignmentComparison, AlignmentDifference]]


def alignment_findings(runs: Sequence[RunRecords], comparisons: Sequence[AlignmentComparison]) -> tuple[Finding, ...]:
    """For each pair of languages: how far they are aligned, and what an extended vocabulary does to it."""
    alignments = score_alignment(runs)
    base = reference_run(runs)
    found: list[Finding] = []
    for languages in language_pairs(runs):
        found.append(_level(languages, alignments, comparisons, base))
        pairs = _of(comparisons, languages, "middle layer", "vocabulary")
        if pairs:
            found.append(_hypothesis(languages, pairs, _of(comparisons, languages, "best layer", "vocabulary")))
    return tuple(found)


def _of(comparisons: Sequence[AlignmentComparison], languages: Languages, place: Place, about: str) -> Compared:
    return [
        (found, one)
        for found in comparisons
        for one in found.differences
        if found.about == about and (one.languages, one.place) == (languages, place)
    ]


def _level(
    languages: Languages,
    alignments: Alignments,
    comparisons: Sequence[AlignmentComparison],
    base: RunRecords | None,
) -> Finding:
    measured = {label: found for (label, pair), found in alignments.items() if pair == languages}
    best = max(measured, key=lambda label: accuracy(measured[label].middle))
    start = base.label if base is not None and base.label in measured else None
    parts = [_level_text(measured[start], f"under {start}, the untouched base")] if start is not None else []
    if best != start:
        parts.append(_level_text(measured[best], f"under {best}, the most of {plain(len(measured))} runs"))
    parts.append(
        f"With translations shuffled it is {percent(measured[best].middle.shuffled_accuracy)}; "
        f"chance is {percent(1 / measured[best].middle.num_sentences)}."
    )
    # A pair that is a test of the vocabulary too, on no text, has the base as its control.
    against = [
        one
        for found in comparisons
        for one in found.differences
        if found.control == start and (one.languages, one.place) == (languages, "middle layer")
    ]
    if known := [one for one in against if one.verdict is not None]:
        better, worse = (sum(one.word == word for one in known) for word in ("helps", "hurts"))
        rest = "; of the others nothing is shown" if better + worse < len(known) else ""
        parts.append(
            f"Of {plain(len(known))} runs beside the base, {plain(better)} align better at the middle layer and "
            f"{plain(worse)} worse{rest}."
        )
    return Finding(f"{languages_text(languages)}: translations found by their vectors", " ".join(parts))


def _level_text(found: Alignment, where: str) -> str:
    middle, best = found.middle, found.best
    text = (
        f"Of {plain(middle.num_sentences)} sentences, {percent(accuracy(middle))} have their own translation nearest "
        f"at the middle layer ({middle.layer} of {len(found.layers) - 1}) {where}"
    )
    if best is middle:
        return f"{text}, which is its best."
    return f"{text}, and {percent(accuracy(best))} at its best layer ({best.layer})."


def _hypothesis(languages: Languages, middle: Compared, best: Compared) -> Finding:
    outcome, tone = _outcome([one for _, one in middle])
    heading = f"Does a larger vocabulary cost {languages_text(languages)} alignment? {outcome}"
    known = [one for _, one in middle if one.verdict is not None]
    text = f"{HYPOTHESIS} {_tally([one for _, one in middle], 'middle layer')}"
    if known:
        text += f" {_tally([one for _, one in best], 'best layers')}"
    points = tuple(
        f"{found.arm} against {found.control}: {_told(one)}; {_told(other)}"
        for (found, one), (_, other) in zip(middle, best, strict=True)
    )
    return Finding(heading, text, tone, points)


def _outcome(found: Sequence[AlignmentDifference]) -> tuple[str, str]:
    """The rule: verdicts at the middle layer, over all budgets of text."""
    words = [one.word for one in found if one.verdict is not None]
    if not words:
        return "missing", ""
    worse, better = words.count("hurts"), words.count("helps")
    if worse and better:
        return "it depends", ""
    if worse:
        return ("yes" if worse == len(words) else "in part"), "bad"
    if better:
        return ("no, it gains" if better == len(words) else "no, and in part it gains"), "good"
    return ("nothing to lose yet" if set(words) == {"neither is above chance"} else "not shown"), ""


def _tally(found: Sequence[AlignmentDifference], where: str) -> str:
    words = [one.word for one in found if one.verdict is not None]
    missing = len(found) - len(words)
    waits = f" {plain(missing)} cannot be compared." if missing else ""
    if not words:
        return f"At the {where} nothing can be compared yet."
    floor = words.count("neither is above chance")
    aside = f", and in {plain(floor)} neither side is above chance" if floor else ""
    return (
        f"At the {where} it does in {plain(words.count('hurts'))} of {plain(len(words))} pairs, and aligns better in "
        f"{plain(words.count('helps'))}{aside}.{waits}"
    )


def _told(found: AlignmentDifference) -> str:
    where = "the middle layer" if found.place == "middle layer" else "the best layers"
    if found.paired is None:
        return f"{found.word} at {where}"
    change = found.paired.difference
    interval = f"{points_text(change.low)}{NO_BREAK}to{NO_BREAK}{points_text(change.high)}"
    return f"{points_text(change.value)} [{interval}] points at {where}, {found.word}"
