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
from loanword.report.cells import Sources, against
from loanword.report.comparisons import reference_run
from loanword.report.gather import RunRecords
from loanword.report.saying import clauses, say, sentences
from loanword.report.summary import Finding, interval_text
from loanword.report.wording import percent, plain

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
    parts: list[str] = []
    if start is not None:
        parts.append(_level_text(measured[start], say("under {run}, the untouched base", run=start)))
    if best != start:
        where = say("under {run}, the most of {number} runs", run=best, number=plain(len(measured)))
        parts.append(_level_text(measured[best], where))
    parts.append(
        say(
            "With translations shuffled it is {shuffled}; chance is {chance}.",
            shuffled=percent(measured[best].middle.shuffled_accuracy),
            chance=percent(1 / measured[best].middle.num_sentences),
        )
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
        told = "Of {number} runs beside the base, {better} align better at the middle layer and {worse} worse"
        rest = "; of the others nothing is shown." if better + worse < len(known) else "."
        parts.append(say(told + rest, number=plain(len(known)), better=plain(better), worse=plain(worse)))
    heading = say("{languages}: translations found by their vectors", languages=languages_text(languages))
    return Finding(heading, sentences(parts), sources=Sources(tuple(measured), ("alignment",)))


def _level_text(found: Alignment, where: str) -> str:
    middle, best = found.middle, found.best
    text = say(
        "Of {number} sentences, {share} have their own translation nearest at the middle layer ({layer} of {last}) "
        "{where}",
        number=plain(middle.num_sentences),
        share=percent(accuracy(middle)),
        layer=str(middle.layer),
        last=str(len(found.layers) - 1),
        where=where,
    )
    if best is middle:
        return say("{told}, which is its best.", told=text)
    share = percent(accuracy(best))
    return say("{told}, and {share} at its best layer ({layer}).", told=text, share=share, layer=str(best.layer))


def _hypothesis(languages: Languages, middle: Compared, best: Compared) -> Finding:
    outcome, tone = _outcome([one for _, one in middle])
    heading = say(
        "Does a larger vocabulary cost {languages} alignment? {outcome}",
        languages=languages_text(languages),
        outcome=say(outcome),
    )
    known = [one for _, one in middle if one.verdict is not None]
    told = [say(HYPOTHESIS), _tally([one for _, one in middle], "middle layer")]
    if known:
        told.append(_tally([one for _, one in best], "best layers"))
    points = tuple(
        say("{pair}: {told}", pair=against(found.arm, found.control), told=clauses((_told(one), _told(other))))
        for (found, one), (_, other) in zip(middle, best, strict=True)
    )
    sources = Sources(tuple(label for found, _ in middle for label in (found.arm, found.control)), ("alignment",))
    return Finding(heading, sentences(told), tone, points, sources=sources)


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
    waits = say("{number} cannot be compared.", number=plain(missing)) if missing else ""
    if not words:
        return say("At the {where} nothing can be compared yet.", where=say(where))
    floor = words.count("neither is above chance")
    told = "At the {where} it does in {worse} of {number} pairs, and aligns better in {better}"
    counts = {
        "where": say(where),
        "worse": plain(words.count("hurts")),
        "number": plain(len(words)),
        "better": plain(words.count("helps")),
    }
    aside = say(f"{told}, and in {{floor}} neither side is above chance.", **counts, floor=plain(floor))
    return sentences((aside if floor else say(f"{told}.", **counts), waits))


def _told(found: AlignmentDifference) -> str:
    where = say("the middle layer" if found.place == "middle layer" else "the best layers")
    if found.paired is None:
        return say("{word} at {where}", word=say(found.word), where=where)
    change = found.paired.difference
    told = interval_text(points_text(change.value), points_text(change.low), points_text(change.high))
    return say("{change} points at {where}, {word}", change=told, where=where, word=say(found.word))
