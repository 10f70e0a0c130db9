"""What a study shows, in sentences computed from its records: gained, lost, known, compared, missing."""

from collections.abc import Sequence
from dataclasses import dataclass

from loanword.report.comparisons import Comparison, Difference, best_run, reference_run
from loanword.report.gather import Question, RunRecords, StudyInfo
from loanword.report.knowledge import Knowledge, benchmarks_of
from loanword.report.likelihoods import Scores
from loanword.report.vocabulary_words import Answer
from loanword.report.wording import benchmark_name, joined, language_name, p_phrase, percent, plain

NO_BREAK = "\u00a0"
MOST_NAMED = 4
"""Runs that a sentence lists by name."""


@dataclass(frozen=True)
class Finding:
    """One answer: a short heading, the sentence that gives it with its evidence, and parts listed below it.

    `line` says it in one line, where the study asked a question.
    """

    heading: str
    text: str
    tone: str = ""
    points: tuple[str, ...] = ()
    line: str = ""


def findings(
    study: StudyInfo,
    runs: Sequence[RunRecords],
    scores: Scores,
    knowledge: Knowledge,
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
    found += _knowledge_findings(runs, knowledge)
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
        opening = f"Under the best run for {aim}, {comparison.arm}, held-out {name} costs"
        found.append(
            Finding(
                f"{name}{'' if alone or code == target else f' after {aim}'}: {_outcome(difference)}",
                f"{opening} {_sides(difference, comparison.control)}.",
                _tone(difference),
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
    return words[difference.verdict.word] if difference.verdict else "missing"


def _tone(difference: Difference) -> str:
    return {"helps": "good", "hurts": "bad"}.get(difference.verdict.word if difference.verdict else "", "")


def _sides(difference: Difference, control: str) -> str:
    measure = difference.measure
    if difference.arm is None or difference.control is None or difference.paired is None:
        return "an amount that is missing"
    ours, theirs = measure.value_text(difference.arm.value), measure.value_text(difference.control.value)
    p_value = "" if difference.adjusted_p is None else f", {p_phrase(difference.adjusted_p)}"
    bound = f"; {difference.verdict_text}" if _outcome(difference) not in ("gained", "lost") else ""
    return f"{ours} bits per byte against {theirs} under {control}: {_change(difference)}{p_value}{bound}"


def _change(difference: Difference) -> str:
    """A difference with its interval in brackets."""
    measure, paired = difference.measure, difference.paired
    if paired is None:
        return difference.verdict_text
    change = paired.difference
    low, high = measure.difference_text(change.low), measure.difference_text(change.high)
    return f"{measure.difference_text(change.value)} [{low}{NO_BREAK}to{NO_BREAK}{high}]{measure.unit_text}"


def _compared(comparison: Comparison, question: Question | None) -> Finding:
    differs = joined(comparison.factors) or "nothing"
    confounded = ", so that no one of them explains the difference" if comparison.confounded else ""
    if all(found.is_missing for found in comparison.differences):
        confounded += ". Nothing to compare yet: records are missing"
    points = tuple(_point(found) for found in comparison.differences if not found.is_missing)
    pair = f"{comparison.arm} against {comparison.control}"
    if question is None:
        return Finding(pair, f"Differ in {differs}{confounded}.", points=points)
    line = f"{question.text} {_in_short(comparison, question)}"
    return Finding(question.text, f"{pair}: differ in {differs}{confounded}.", points=points, line=line)


def _in_short(comparison: Comparison, question: Question) -> str:
    """What the question is about; where it is about all, what was shown to differ."""
    asked = [
        one for one in comparison.differences if not question.on or one.measure.key.partition(".")[2] in question.on
    ]
    parts = [_change_in_short(one) for one in asked if question.on or _is_shown(one)]
    if not question.on and len(parts) < len(asked):
        others = len(asked) - len(parts)
        parts.append(f"nothing shown on {plain(others)} other{'s' if others > 1 else ''}" if parts else "nothing shown")
    return f"{'; '.join(parts) or 'nothing to compare'}."


def _is_shown(found: Difference) -> bool:
    return found.verdict is not None and found.verdict.word in ("helps", "hurts")


def _change_in_short(found: Difference) -> str:
    subject = found.measure.subject
    if found.paired is None:
        return f"{subject} {found.verdict_text}"
    return f"{subject} {_change(found)}{'' if _is_shown(found) else f', {_word(found)}'}"


def _word(found: Difference) -> str:
    # The verdict's own bound is an end of the interval that stands beside it.
    return "no difference shown" if found.verdict and found.verdict.word == "no difference" else found.verdict_text


def _point(found: Difference) -> str:
    if found.paired is None:
        return f"{found.measure.subject}: {found.verdict_text}"
    return f"{found.measure.subject}: {_word(found)}, {_change(found)}"


def _knowledge_findings(runs: Sequence[RunRecords], knowledge: Knowledge) -> list[Finding]:
    """For each benchmark, which runs can be told from guessing."""
    found: list[Finding] = []
    for benchmark, facts in benchmarks_of(runs).items():
        scored = [(run.label, score) for run in runs if (score := knowledge.get((run.label, benchmark)))]
        if not scored:
            continue
        label, best = max(scored, key=lambda pair: pair[1].headline.value)
        lowest = min(score.headline.value for _, score in scored)
        interval = f"95\u202f% interval {percent(best.headline.low)} to {percent(best.headline.high)}"
        asked = f"{plain(best.num_questions)} questions"
        text = f"{percent(best.headline.value)} on {asked} under {label} ({interval})."
        if len(scored) > 1:
            text = f"Between {percent(lowest)} and {percent(best.headline.value)}; the most is {text}"
        if facts.headline_chance is not None:
            above = [name for name, score in scored if score.headline.low > facts.headline_chance]
            named = joined(above) if len(above) <= MOST_NAMED else f"{len(above)} of {len(scored)} runs"
            told = f"{named} {'is' if len(above) == 1 else 'are'} above it" if above else "no run is above it"
            text += f" Guessing scores {percent(facts.headline_chance)}; by its interval {told}."
        found.append(Finding(benchmark_name(benchmark), text))
    return found


def _gaps(runs: Sequence[RunRecords]) -> list[Finding]:
    lacking = [run.label for run in runs if run.missing()]
    if not lacking:
        return []
    verb = "lacks" if len(lacking) == 1 else "lack"
    text = f"{len(lacking)} of {len(runs)} runs still {verb} records: {joined(lacking)}."
    return [Finding("Missing", text, "bad")]
