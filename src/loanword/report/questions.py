"""The four questions of the study that Loanword repeats, each answered by a stated rule from this study's own records.

1 whether a larger vocabulary helps; 2 how much text and how many instructions it takes; 3 what the source language
loses, and whether replay prevents it; 4 whether the languages are aligned. Where no pair of runs can tell, the answer
says so, and which runs would.

Source: the questions are RQ1 to RQ4 of arXiv 2401.01055; their rules are ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from loanword.report.alignment.scores import (
    Alignment,
    Alignments,
    Languages,
    accuracy,
    is_above_chance,
    language_pairs,
    score_alignment,
)
from loanword.report.alignment.tables import languages_text
from loanword.report.comparisons import Difference, compare, reference_run
from loanword.report.gather import RunRecords
from loanword.report.likelihoods import Scores
from loanword.report.quality.switching import switching_score
from loanword.report.retention import BITS, Retained, source_of
from loanword.report.saying import clauses, joined, say, sentences
from loanword.report.statistics import with_verdicts
from loanword.report.steps import About, Step
from loanword.report.vocabulary import VocabularyPair
from loanword.report.vocabulary_words import Answer
from loanword.report.wording import language_name, percent, plain, signed

REPLAY = "pretraining.replay"

RULE_VOCABULARY = (
    "Rule: at the largest budget that both vocabularies have, yes where the larger one is shown to need fewer bits per "
    "byte after the same text and is not shown to need more at the same compute; no where it is shown to need more "
    "after the same text and not shown to need fewer at the same compute. The answer differs by budget where the "
    "break-even says so."
)
RULE_AMOUNTS = (
    "Rule: each amount is compared with the next smaller one, all else equal; a step helps or hurts where its adjusted "
    "p is below 0.05 over all steps. More is still worth having where the last step helps."
)
RULE_LOSS = (
    "Rule: a run has lost where it is shown to need more bits per byte of the source language than the untouched "
    "base. Replay prevents the loss where it is shown to help in every pair of runs that differ in replay alone and no "
    "run with replay has lost; it lessens the loss where it helps in some pair; otherwise nothing is shown."
)
RULE_ALIGNED = (
    "Rule: two languages are aligned in a model where, at its middle layer, more sentences than by chance have their "
    "own translation nearest. That responses switch language is counted beside it: it is what the paper took as a "
    "sign of alignment, and shows none by itself."
)


@dataclass(frozen=True)
class Verdict:
    """The answer to one question in a few words and in sentences, and the rule that gave it.

    `is_told` is False where no records of this study can tell.
    """

    outcome: str
    text: str
    rule: str
    is_told: bool = True


def vocabulary_verdict(answers: Sequence[Answer], pairs: Sequence[VocabularyPair]) -> Verdict:
    """Whether a larger vocabulary helps, by language."""
    if not answers:
        text = say(
            "This study has no pair that tells. Two runs would that differ in nothing but their new pieces, each "
            "with likelihoods of target text."
        )
        return Verdict(say("cannot be told"), text, RULE_VOCABULARY, is_told=False)
    told = [
        say("{language}: {outcome}", language=language_name(one.language), outcome=say(one.outcome)) for one in answers
    ]
    texts = [
        _vocabulary_text(one, [pair for pair in pairs if pair.target == one.language], is_only=len(answers) == 1)
        for one in answers
    ]
    return Verdict(clauses(told), sentences(texts), RULE_VOCABULARY)


def _vocabulary_text(answer: Answer, pairs: Sequence[VocabularyPair], *, is_only: bool) -> str:
    changes = [
        pair.last.equal_text.paired.difference.value for pair in pairs if pair.last and pair.last.equal_text.paired
    ]
    told = (
        answer.short
        if is_only
        else say("{language}: {told}", language=language_name(answer.language), told=answer.short)
    )
    if len(pairs) < 2 or not changes:
        return told
    between = say(
        "At the largest budgets and equal text they change it by {low} to {high} bits per byte (less is better).",
        low=signed(min(changes), 3),
        high=signed(max(changes), 3),
    )
    return sentences((told, between))


def amounts_verdict(found: Sequence[Step]) -> Verdict:
    """How much text and how many instructions it takes."""
    if not any(one.verdict for one in found):
        text = say(
            "This study has no pair that tells. Runs would that differ in their budget of target text alone, or in "
            "their number of instructions alone."
        )
        return Verdict(say("cannot be told"), text, RULE_AMOUNTS, is_told=False)
    outcomes = [_amount_outcome(about, found) for about in ("text", "instructions")]
    return Verdict(
        clauses(outcomes), sentences(_amount_text(about, found) for about in ("text", "instructions")), RULE_AMOUNTS
    )


def _amount_outcome(about: About, found: Sequence[Step]) -> str:
    last = _last_steps([one for one in found if one.about == about])
    words = {one.word for one in last if one.verdict is not None}
    if not words:
        return say("instructions cannot be told") if about == "instructions" else say("text cannot be told")
    if "helps" in words:
        return say("more instructions still help") if about == "instructions" else say("more text still helps")
    return (
        say("no gain from more instructions shown") if about == "instructions" else say("no gain from more text shown")
    )


def _last_steps(found: Sequence[Step]) -> list[Step]:
    """The steps after which there is no larger one."""
    starts = {one.control for one in found}
    return [one for one in found if one.arm not in starts]


def _amount_text(about: About, found: Sequence[Step]) -> str:
    of = [one for one in found if one.about == about and one.verdict is not None]
    if not of:
        return (
            say("No runs differ in their number of instructions alone.")
            if about == "instructions"
            else say("No runs differ in their budget of target text alone.")
        )
    last = [one for one in _last_steps([one for one in found if one.about == about]) if one.verdict is not None]
    counts = {
        "number": plain(len(of)),
        "helps": plain(sum(one.word == "helps" for one in of)),
        "hurts": plain(sum(one.word == "hurts" for one in of)),
        "last": plain(len(last)),
        "still": plain(sum(one.word == "helps" for one in last)),
    }
    if about == "text":
        return say(
            "Text: of {number} steps to a larger budget, {helps} help and {hurts} hurt in bits per byte of the target "
            "language; of the {last} largest steps, {still} still help.",
            **counts,
        )
    return say(
        "Instructions: of {number} measures after a larger number, {helps} are better and {hurts} worse; after the "
        "largest numbers, {still} of {last} are still better.",
        **counts,
    )


def replay_pairs(runs: Sequence[RunRecords]) -> list[tuple[str, str]]:
    """Runs with replay beside those that differ from them in having none."""
    groups: dict[object, list[RunRecords]] = {}
    for run in runs:
        rest = {key: repr(value) for key, value in run.settings.items() if key != REPLAY and value != 0}
        groups.setdefault((run.seed, frozenset(rest.items())), []).append(run)
    return [
        (run.label, without.label)
        for group in groups.values()
        for without in group
        for run in group
        if run.is_pretrained and without.is_pretrained and _replay(run) > 0 and _replay(without) == 0
    ]


def replay_differences(runs: Sequence[RunRecords], scores: Scores) -> list[Difference]:
    """What replay changes in bits per byte of the source language, in pairs that differ in nothing else."""
    key = f"bits_per_byte.{source_of(runs)}"
    found = [
        one for of in compare(replay_pairs(runs), runs, scores, {}) for one in of.differences if one.measure.key == key
    ]
    return with_verdicts(
        found, lower_is_better=lambda one: one.measure.lower_is_better, margin=lambda one: one.measure.margin
    )


def loss_verdict(runs: Sequence[RunRecords], retained: Sequence[Retained], replayed: Sequence[Difference]) -> Verdict:
    """What the source language loses, and whether replay prevents it."""
    source = language_name(source_of(runs))
    by_label = {run.label: run for run in runs}
    of = [one for one in retained if one.measure == BITS and one.verdict and by_label[one.run].is_pretrained]
    if not of:
        text = say(
            "This study has no pair that tells. It takes the base with nothing done to it, and runs after further "
            "pretraining, with likelihoods of text in {language}.",
            language=source,
        )
        return Verdict(say("cannot be told"), text, RULE_LOSS, is_told=False)
    sides = {has: [one for one in of if (_replay(by_label[one.run]) > 0) == has] for has in (False, True)}
    lost = {has: sum(_word(one) == "hurts" for one in side) for has, side in sides.items()}
    told = [_lost_text(has, side, source) for has, side in sides.items() if side]
    told.append(_replay_text(replayed))
    return Verdict(_loss_outcome(sides[False], lost, replayed), sentences(told), RULE_LOSS)


def _lost_text(has_replay: bool, of: Sequence[Retained], source: str) -> str:
    changes = [one.paired.difference.value for one in of if one.paired is not None]
    return say(
        "With replay {lost} of {number} runs lose {language}; they change it by {low} to {high} bits per byte (more is "
        "worse)."
        if has_replay
        else "Without replay {lost} of {number} runs lose {language}; they change it by {low} to {high} bits per byte "
        "(more is worse).",
        lost=plain(sum(_word(one) == "hurts" for one in of)),
        number=plain(len(of)),
        language=source,
        low=signed(min(changes), 3),
        high=signed(max(changes), 3),
    )


def _loss_outcome(without: Sequence[Retained], lost: dict[bool, int], replayed: Sequence[Difference]) -> str:
    words = [one.verdict.word for one in replayed if one.verdict]
    if words and set(words) == {"helps"} and not lost[True]:
        return say("replay prevents the loss")
    if "helps" in words:
        return (
            say("it loses; replay lessens the loss and does not prevent it")
            if lost[True]
            else say("replay lessens the loss")
        )
    if not words:
        return say("it loses; what replay does cannot be told") if any(lost.values()) else say("no loss shown")
    return say("it loses; that replay helps is not shown") if lost[False] else say("no loss shown")


def _replay_text(replayed: Sequence[Difference]) -> str:
    known = [one for one in replayed if one.verdict]
    if not known:
        return say("What replay does cannot be told: no two runs differ in replay alone, from none to some.")
    helps = sum(one.verdict is not None and one.verdict.word == "helps" for one in known)
    return say(
        "Replay is shown to keep more of it in {helps} of {number} pairs that differ in replay alone.",
        helps=plain(helps),
        number=plain(len(known)),
    )


def _replay(run: RunRecords) -> float:
    share = run.settings.get(REPLAY, 0)
    return 0.0 if isinstance(share, str) else float(share)


def _word(one: Retained) -> str:
    return one.verdict.word if one.verdict else ""


def aligned_verdict(runs: Sequence[RunRecords]) -> Verdict:
    """Whether the languages are aligned, and how often responses switch between them."""
    alignments, base = score_alignment(runs), reference_run(runs)
    pairs = language_pairs(runs)
    told = [_aligned_text(languages, alignments, base) for languages in pairs]
    switched = _switching_text(runs)
    if not pairs:
        text = say(
            "This study has no records that tell. Alignment of the base and of runs would, over sentences and their "
            "translations."
        )
        return Verdict(say("cannot be told"), sentences((text, switched)), RULE_ALIGNED, is_told=False)
    outcomes = [
        say("{languages}: {outcome}", languages=languages_text(of), outcome=_aligned_outcome(of, alignments, base))
        for of in pairs
    ]
    return Verdict(clauses(outcomes), sentences((*told, switched)), RULE_ALIGNED)


def _measured(languages: Languages, alignments: Alignments) -> dict[str, Alignment]:
    return {label: found for (label, pair), found in alignments.items() if pair == languages}


def _aligned_outcome(languages: Languages, alignments: Alignments, base: RunRecords | None) -> str:
    measured = _measured(languages, alignments)
    if base is not None and base.label in measured and is_above_chance(measured[base.label].middle):
        return say("aligned in the base already")
    if any(is_above_chance(found.middle) for found in measured.values()):
        return say("aligned after training") if base is not None and base.label in measured else say("aligned")
    return say("not shown")


def _aligned_text(languages: Languages, alignments: Alignments, base: RunRecords | None) -> str:
    measured = _measured(languages, alignments)
    best = max(measured, key=lambda label: accuracy(measured[label].middle))
    most = {
        "languages": languages_text(languages),
        "most": percent(accuracy(measured[best].middle)),
        "run": best,
        "number": plain(measured[best].middle.num_sentences),
        "chance": percent(1 / measured[best].middle.num_sentences),
    }
    if base is None or base.label not in measured:
        return say(
            "{languages}: at the middle layer at most {most} of {number} sentences have their translation nearest, "
            "under {run}; chance is {chance}.",
            **most,
        )
    return say(
        "{languages}: at the middle layer {share} of {number} sentences have their translation nearest in the base, "
        "and at most {most}, under {run}; chance is {chance}.",
        **most,
        share=percent(accuracy(measured[base.label].middle)),
    )


def _switching_text(runs: Sequence[RunRecords]) -> str:
    scores = [score for run in runs for seen in run.switching.values() if (score := switching_score(seen))]
    if not scores:
        return say("Whether responses switch language was not looked for.")
    shares = [score.switched.value for score in scores]
    return say(
        "Of the responses of a run to one benchmark, between {low} and {high} switch language.",
        low=percent(min(shares)),
        high=percent(max(shares)),
    )


def runs_named(labels: Sequence[str], most: int = 4) -> str:
    """Runs by name, or how many where they are many."""
    return joined(labels) if len(labels) <= most else say("{number} runs", number=plain(len(labels)))
