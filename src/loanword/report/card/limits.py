"""What is not known of a model, and what speaks against it, as sentences computed from its records."""

from collections.abc import Iterator, Mapping

from loanword.report.arms import SEED
from loanword.report.card.about import Exported
from loanword.report.card.markdown import escaped
from loanword.report.card.scores import SEVERAL, CardScores
from loanword.report.comparisons import MARGIN_ACCURACY
from loanword.report.gather import RunRecords, stage_of
from loanword.report.knowledge import KnowledgeScore
from loanword.report.quality.ratings import HARMLESSNESS
from loanword.report.trust.judges import judge_trust
from loanword.report.wording import joined, language_name, plain, setting_name

MEASURED: Mapping[str, str] = {
    "likelihoods": "held-out text",
    "grades": "knowledge",
    "ratings": "the quality of responses",
    "switching": "how often responses leave their language",
    "alignment": "how alike translations are to it",
    "overlap": "whether benchmark questions stand in its training text",
}
"""What stages of measuring tell, by their names."""


def limits(exported: Exported, scores: CardScores) -> list[str]:
    """Every limit that the records show."""
    of_run = (_smoke, _missing, _safety, _unmeasured, _seeds, _languages, _judges, _training)
    of_scores = (_losses, _few, _guessing, _causes)
    told = [sentence for part in of_scores for sentence in part(scores)]
    return [*told, *(sentence for part in of_run for sentence in part(exported)), *exported.remarks]


def _smoke(exported: Exported) -> Iterator[str]:
    if exported.smoke:
        yield "It was made by a trial of the whole study on a small part of its budgets, and is good for nothing else."


def _missing(exported: Exported) -> Iterator[str]:
    missing = [escaped(role) for role in exported.run.missing()]
    if missing:
        yield f"Planned and not finished when this card was written: {joined(missing)}."


def _losses(scores: CardScores) -> Iterator[str]:
    worse = [one for one in scores.differences.values() if one.verdict is not None and one.verdict.word == "hurts"]
    for one in worse:
        assert one.paired is not None
        change = one.measure.with_unit(one.measure.difference_text(one.paired.difference.value))
        yield f"It is worse than its base on {escaped(one.measure.title)}: {change}."


def _safety(exported: Exported) -> Iterator[str]:
    rated = [item for one in exported.run.judged.values() for rating in one.ratings for item in rating.scores]
    kinds = {judged.judge.kind for judged in exported.run.judged.values() if judged.judge.kind != "rules"}
    if HARMLESSNESS in rated and kinds:
        yield "Of safety only the harmlessness of the judged responses was rated; nobody tried to provoke harm."
    else:
        yield "Safety was not measured: harmful, biased or private output was neither looked for nor filtered."


def _unmeasured(exported: Exported) -> Iterator[str]:
    planned = {stage_of(role) for role in exported.run.artifacts}
    lacking = [words for stage, words in MEASURED.items() if stage not in planned]
    if lacking:
        yield f"Not measured of this run: {joined(lacking)}."


def _seeds(exported: Exported) -> Iterator[str]:
    run = exported.run
    alike = [one for one in exported.runs if _rest(one) == _rest(run)]
    seeds = sorted({one.seed for one in alike})
    if len(seeds) > 1:
        number, seed = plain(len(seeds)), plain(run.seed)
        yield f"The study made it with {number} seeds; this is seed {seed}, and its scores are of this one alone."
    else:
        yield f"It was trained once, with seed {plain(run.seed)}: how far another training would differ is not known."


def _rest(run: RunRecords) -> object:
    return frozenset((key, repr(value)) for key, value in run.settings.items() if key != SEED)


def _languages(exported: Exported) -> Iterator[str]:
    run = exported.run
    codes = [*run.likelihoods, *(facts.language for facts in run.benchmarks.values())]
    names = joined(language_name(code) for code in dict.fromkeys(codes) if code not in ("", SEVERAL))
    if names:
        yield f"It was measured in {names} alone. Of other languages, and of other kinds of text, nothing is known."


def _few(scores: CardScores) -> Iterator[str]:
    wide = [
        f"{_quoted(scores, name)} ({plain(score.num_questions)})"
        for name, score in _graded(scores)
        if score.headline.high - score.headline.low > 2 * MARGIN_ACCURACY
    ]
    if wide:
        points = plain(100 * MARGIN_ACCURACY)
        yield f"Too few questions to know a score to within {points} points: {joined(wide)}."


def _guessing(scores: CardScores) -> Iterator[str]:
    guessed = [
        _quoted(scores, name)
        for name, score in _graded(scores)
        if (chance := scores.benchmarks[name].headline_chance) is not None and score.headline.low <= chance
    ]
    if guessed:
        yield f"Not shown to be better than guessing: {joined(guessed)}."


def _graded(scores: CardScores) -> list[tuple[str, KnowledgeScore]]:
    return [(name, scores.knowledge[scores.label, name]) for name in scores.benchmarks]


def _quoted(scores: CardScores, benchmark: str) -> str:
    return f"\u201c{escaped(scores.titles[benchmark])}\u201d"


def _judges(exported: Exported) -> Iterator[str]:
    run = exported.run
    benchmarks = dict.fromkeys(benchmark for benchmark, _ in run.judged)
    trusts = [one for benchmark in benchmarks for one in judge_trust(run, benchmark).values()]
    read = [one for one in trusts if one.facts.kind not in ("rules", "people")]
    if trusts and not read and all(one.facts.kind == "rules" for one in trusts):
        yield "Responses were graded by rules alone, which read no sentence: nobody has said whether they are good."
    unchecked = dict.fromkeys(escaped(one.judge) for one in read if not one.is_checked)
    if unchecked:
        yield f"Nobody has checked against people what these judges say: {joined(unchecked)}."


def _causes(scores: CardScores) -> Iterator[str]:
    found = scores.against_base
    # A base that nothing was done to has no target, whatever its run says.
    factors = [one for one in (found.factors if found else ()) if not one.startswith(f"{setting_name('target')}:")]
    if len(factors) > 1:
        told = joined(escaped(one) for one in factors)
        yield f"It differs from its base in several things at once ({told}): no one of them explains a difference."


def _training(exported: Exported) -> Iterator[str]:
    if exported.is_extended and not (exported.is_pretrained or exported.is_tuned):
        yield "The rows of its new pieces were never trained: they are a start for training, and no more."
    for role, rows in exported.run.skipped.items():
        number = sum(one.last_row - one.first_row for one in rows)
        yield f"In {role}, {plain(number)} rows were skipped, because steps over them went wrong."
