"""What a study shows, in sentences computed from its records: gained, lost, known, compared, missing."""

from collections.abc import Sequence
from dataclasses import dataclass

from loanword.report.cells import NO_SOURCES, Sources, against
from loanword.report.comparisons import Comparison, Difference, best_run, reference_run
from loanword.report.gather import Question, RunRecords, StudyInfo
from loanword.report.knowledge import Knowledge, KnowledgeScore, benchmarks_of
from loanword.report.likelihoods import Scores
from loanword.report.saying import clauses, joined, listed, say, sentences
from loanword.report.vocabulary_words import Answer
from loanword.report.wording import MISSING, benchmark_name, language_name, p_phrase, percent, plain

MOST_NAMED = 4
"""Runs that a sentence lists by name."""


def interval_text(value: str, low: str, high: str) -> str:
    """A number in a sentence, its interval in brackets that no end of line breaks."""
    return say("{value} [{low}\u00a0to\u00a0{high}]", value=value, low=low, high=high)


def difference_point(arm: str, control: str, change: str | None, p_value: float | None, shown: str) -> str:
    """An arm minus its control in one line: the difference with its p, and what it shows."""
    told = "" if change is None else change
    if change is not None and p_value is not None:
        told = say("{change}, {p}", change=change, p=p_phrase(p_value))
    return say("{arm} minus {control}: {told}", arm=arm, control=control, told=clauses((told, shown)))


@dataclass(frozen=True)
class Finding:
    """One answer: a short heading, the sentence that gives it with its evidence, and parts listed below it.

    `line` says it in one line, where the study asked a question. `sources` are the records that its numbers are from.
    """

    heading: str
    text: str
    tone: str = ""
    points: tuple[str, ...] = ()
    line: str = ""
    sources: Sources = NO_SOURCES


def findings(
    study: StudyInfo,
    runs: Sequence[RunRecords],
    scores: Scores,
    comparisons: Sequence[Comparison],
    vocabularies: Sequence[Answer] = (),
) -> list[Finding]:
    """The report's answers, most important first."""
    by_pair = {(found.arm, found.control): found for found in comparisons}
    found = [_compared(by_pair[pair], question) for pair, question in study.questions.items()]
    found += [Finding(answer.heading, answer.short, answer.tone) for answer in vocabularies]
    base = reference_run(runs)
    targets = dict.fromkeys(str(run.settings["target"]) for run in runs if "target" in run.settings)
    for target in targets:
        best = best_run(runs, scores, target)
        if base is not None and best is not None and best.label != base.label:
            found += _against_base(by_pair[best.label, base.label], target, alone=len(targets) == 1)
    unasked = [pair for pair in dict.fromkeys(study.comparisons) if pair not in study.questions]
    found += [_compared(by_pair[pair], None) for pair in unasked]
    return [*found, *_gaps(runs)]


def vocabulary_findings(vocabularies: Sequence[Answer]) -> list[Finding]:
    """Whether a larger vocabulary is worth it, with all that is known of each arm."""
    return [
        Finding(answer.heading, answer.points[0], answer.tone)
        if len(answer.points) == 1
        else Finding(answer.heading, answer.short, answer.tone, answer.points)
        for answer in vocabularies
    ]


def _against_base(comparison: Comparison, target: str, *, alone: bool) -> list[Finding]:
    """What the best run for a target language gained there, and what it lost in every other language."""
    found: list[Finding] = []
    for difference in comparison.differences:
        prefix, _, code = difference.measure.key.partition(".")
        if prefix != "bits_per_byte":
            continue
        name, aim = language_name(code), language_name(target)
        here = alone or code == target
        subject = name if here else say("{language} after {target}", language=name, target=aim)
        found.append(
            Finding(
                say("{language}: {outcome}", language=subject, outcome=_outcome(difference)),
                say(
                    "Under the best run for {target}, {run}, held-out {language} costs {amounts}.",
                    target=aim,
                    run=comparison.arm,
                    language=name,
                    amounts=_sides(difference, comparison.control),
                ),
                _tone(difference),
                sources=Sources((comparison.arm, comparison.control), ("likelihoods",)),
            )
        )
    return found


def _outcome(difference: Difference) -> str:
    words = {
        "helps": "gained",
        "hurts": "lost",
        "no difference": "no change shown",
        "not enough data": "not enough data",
    }
    return say(words[difference.verdict.word]) if difference.verdict else MISSING


def _tone(difference: Difference) -> str:
    return {"helps": "good", "hurts": "bad"}.get(difference.verdict.word if difference.verdict else "", "")


def _sides(difference: Difference, control: str) -> str:
    measure = difference.measure
    if difference.arm is None or difference.control is None or difference.paired is None:
        return say("an amount that is missing")
    ours, theirs = measure.value_text(difference.arm.value), measure.value_text(difference.control.value)
    change = _change(difference)
    if difference.adjusted_p is not None:
        change = say("{change}, {p}", change=change, p=p_phrase(difference.adjusted_p))
    bound = difference.verdict_text if _outcome(difference) not in ("gained", "lost") else ""
    return say(
        "{ours} bits per byte against {theirs} under {control}: {change}",
        ours=ours,
        theirs=theirs,
        control=control,
        change=clauses((change, bound)),
    )


def _change(difference: Difference) -> str:
    """A difference with its interval in brackets."""
    measure, paired = difference.measure, difference.paired
    if paired is None:
        return difference.verdict_text
    change = paired.difference
    low, high = measure.difference_text(change.low), measure.difference_text(change.high)
    return measure.with_unit(interval_text(measure.difference_text(change.value), low, high))


def _compared(comparison: Comparison, question: Question | None) -> Finding:
    differs = (
        say(
            "They differ in {factors}, so that no one of them explains the difference.",
            factors=joined(comparison.factors),
        )
        if comparison.confounded
        else say("They differ in {factors}.", factors=joined(comparison.factors) or say("nothing"))
    )
    nothing = all(found.is_missing for found in comparison.differences)
    waits = say("Nothing to compare yet: records are missing.") if nothing else ""
    points = tuple(_point(found) for found in comparison.differences if not found.is_missing)
    pair = against(comparison.arm, comparison.control)
    sources = Sources((comparison.arm, comparison.control), ("likelihoods", "grades"))
    if question is None:
        return Finding(pair, sentences((differs, waits)), points=points, sources=sources)
    line = sentences((question.text, _in_short(comparison, question)))
    text = sentences((say("{pair}.", pair=pair), differs, waits))
    return Finding(question.text, text, points=points, line=line, sources=sources)


def _in_short(comparison: Comparison, question: Question) -> str:
    """What the question is about; where it is about all, what was shown to differ."""
    asked = [
        one for one in comparison.differences if not question.on or one.measure.key.partition(".")[2] in question.on
    ]
    parts = [_change_in_short(one) for one in asked if question.on or _is_shown(one)]
    if not question.on and len(parts) < len(asked):
        others = len(asked) - len(parts)
        more = "nothing shown on {number} others" if others > 1 else "nothing shown on {number} other"
        parts.append(say(more, number=plain(others)) if parts else say("nothing shown"))
    return say("{told}.", told=clauses(parts) or say("nothing to compare"))


def _is_shown(found: Difference) -> bool:
    return found.verdict is not None and found.verdict.word in ("helps", "hurts")


def _change_in_short(found: Difference) -> str:
    subject = found.measure.subject
    if found.paired is None:
        return say("{subject} {told}", subject=subject, told=found.verdict_text)
    return say(
        "{subject} {told}", subject=subject, told=listed((_change(found), "" if _is_shown(found) else _word(found)))
    )


def _word(found: Difference) -> str:
    # The verdict's own bound is an end of the interval that stands beside it.
    is_none = found.verdict is not None and found.verdict.word == "no difference"
    return say("no difference shown") if is_none else found.verdict_text


def _point(found: Difference) -> str:
    if found.paired is None:
        return say("{subject}: {told}", subject=found.measure.subject, told=found.verdict_text)
    return say("{subject}: {told}", subject=found.measure.subject, told=listed((_word(found), _change(found))))


def knowledge_findings(runs: Sequence[RunRecords], knowledge: Knowledge) -> list[Finding]:
    """For each benchmark, which runs can be told from guessing."""
    found: list[Finding] = []
    for benchmark, facts in benchmarks_of(runs).items():
        scored = [(run.label, score) for run in runs if (score := knowledge.get((run.label, benchmark)))]
        if not scored:
            continue
        label, best = max(scored, key=lambda pair: pair[1].headline.value)
        lowest = min(score.headline.value for _, score in scored)
        most = say(
            "{share} on {number} questions under {run} (95\u202f% interval {low} to {high}).",
            share=percent(best.headline.value),
            number=plain(best.num_questions),
            run=label,
            low=percent(best.headline.low),
            high=percent(best.headline.high),
        )
        between = say(
            "Between {lowest} and {highest}; the most is {most}",
            lowest=percent(lowest),
            highest=percent(best.headline.value),
            most=most,
        )
        text = sentences((between if len(scored) > 1 else most, _above_chance(scored, facts.headline_chance)))
        sources = Sources(tuple(name for name, _ in scored), (f"grades.{benchmark}",))
        found.append(Finding(benchmark_name(benchmark), text, sources=sources))
    return found


def _above_chance(scored: Sequence[tuple[str, KnowledgeScore]], chance: float | None) -> str:
    if chance is None:
        return ""
    above = [name for name, score in scored if score.headline.low > chance]
    if not above:
        return say("Guessing scores {chance}; by its interval no run is above it.", chance=percent(chance))
    many = say("{number} of {all} runs", number=plain(len(above)), all=plain(len(scored)))
    verb = "is" if len(above) == 1 else "are"
    return say(
        f"Guessing scores {{chance}}; by its interval {{runs}} {verb} above it.",
        chance=percent(chance),
        runs=joined(above) if len(above) <= MOST_NAMED else many,
    )


def _gaps(runs: Sequence[RunRecords]) -> list[Finding]:
    lacking = [run.label for run in runs if run.missing()]
    if not lacking:
        return []
    verb = "lacks" if len(lacking) == 1 else "lack"
    text = say(
        f"{{number}} of {{all}} runs still {verb} records: {{runs}}.",
        number=plain(len(lacking)),
        all=plain(len(runs)),
        runs=joined(lacking),
    )
    return [Finding("Missing", text, "bad")]
