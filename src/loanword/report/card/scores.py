"""How a model scores, with 95 % intervals, and beside its base where both were asked the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from loanword.report.alignment.scores import accuracy_estimate, score_alignment
from loanword.report.card.about import Exported
from loanword.report.card.markdown import code, escaped, estimate_text, items, table
from loanword.report.comparisons import Comparison, Difference, compare
from loanword.report.facts import BenchmarkFacts
from loanword.report.gather import RunRecords
from loanword.report.knowledge import Knowledge, benchmarks_of, score_knowledge
from loanword.report.likelihoods import Scores, languages_of, score_languages
from loanword.report.quality.scores import JudgedBenchmark, JudgedDifference, RunScores, assess, titles_of
from loanword.report.quality.switching import switching_score
from loanword.report.quality.words import difference_text, scale_range, value_text, verdict_text
from loanword.report.statistics import SIGNIFICANCE
from loanword.report.trust.judges import KINDS, judge_trust, trust_note
from loanword.report.wording import benchmark_name, decimal, joined, language_name, percent, plain, points

NONE = "\u2013"
SEVERAL = "mul"
"""The language of a benchmark whose questions are in several."""
WORDS: Mapping[str, str] = {"helps": "better", "hurts": "worse"}
"""Verdicts on what was done to a base, as they are said of the model."""


@dataclass(frozen=True)
class CardScores:
    """Every number of one run, and the same of the base where there is one."""

    exported: Exported

    @property
    def label(self) -> str:
        return self.exported.run.label

    @cached_property
    def languages(self) -> Scores:
        return score_languages(_sides(self.exported))

    @cached_property
    def knowledge(self) -> Knowledge:
        return score_knowledge(_sides(self.exported))

    @cached_property
    def against_base(self) -> Comparison | None:
        """Paired differences to the base; p is adjusted over all that this card compares, and nothing else."""
        base = self.exported.base_run
        if base is None:
            return None
        return compare([(self.label, base.label)], _sides(self.exported), self.languages, self.knowledge)[0]

    @cached_property
    def differences(self) -> dict[str, Difference]:
        return {} if self.against_base is None else {one.measure.key: one for one in self.against_base.differences}

    @cached_property
    def benchmarks(self) -> Mapping[str, BenchmarkFacts]:
        """What is known of each benchmark that has graded responses of this run."""
        known = benchmarks_of([self.exported.run])
        return {name: facts for name, facts in known.items() if (self.label, name) in self.knowledge}

    @cached_property
    def titles(self) -> dict[str, str]:
        """What to call each benchmark: as its authors do where the study does, or describes it; else as the study."""
        found = titles_of([self.exported.run])
        configs = self.exported.recipe.benchmarks
        own = {
            name: facts.name != name and configs[name].description is None
            for name, facts in self.exported.run.benchmarks.items()
            if name in configs
        }
        return {name: name if own.get(name) else title for name, title in found.items()}

    @cached_property
    def judged(self) -> tuple[JudgedBenchmark, ...]:
        base = self.exported.base_run
        return assess(_sides(self.exported), [] if base is None else [(self.label, base.label)])


def score_blocks(scores: CardScores) -> list[str]:
    """Tables of held-out text, benchmarks, judged responses, switching and alignment, each with what it means."""
    parts = (_language_blocks, _benchmark_blocks, _judged_blocks, _switching_blocks, _alignment_blocks)
    told = [block for part in parts for block in part(scores)]
    return [_lead(scores), *told] if told else ["Nothing was measured of this run yet."]


def _sides(exported: Exported) -> list[RunRecords]:
    return [exported.run] if exported.base_run is None else [exported.run, exported.base_run]


def _lead(scores: CardScores) -> str:
    intervals = (
        "Brackets hold 95 % intervals: over documents and questions of the same kind, not over other trainings with "
        "other seeds."
    )
    base = scores.exported.base_run
    if base is None:
        return intervals
    others = (
        ""
        if len(scores.differences) < 2
        else f", adjusted by Holm over the {plain(len(scores.differences))} of this card"
    )
    return (
        f"{intervals} Base is the run {code(base.label)} of the same study; differences are paired, over the same "
        f"documents or questions, and their verdicts go by p below {decimal(SIGNIFICANCE, 2)}{others}."
    )


def _language_blocks(scores: CardScores) -> list[str]:
    languages = [one for one in languages_of([scores.exported.run]) if (scores.label, one) in scores.languages]
    if not languages:
        return []
    rows: list[tuple[str, ...]] = []
    for language in languages:
        score = scores.languages[scores.label, language]
        beside = _beside(scores.differences.get(f"bits_per_byte.{language}"))
        rows.append(
            (language_name(language), plain(score.num_documents), estimate_text(score.bits_per_byte, _bits), *beside)
        )
    headings = ("Held-out text", "Documents", "Bits per byte", "Base", "Difference", "Verdict")
    note = "Fewer bits per byte are better; the number means the same under every vocabulary."
    return ["### Text", _with_base(headings, rows), note]


def _benchmark_blocks(scores: CardScores) -> list[str]:
    if not scores.benchmarks:
        return []
    rows = [
        (
            escaped(scores.titles[name]),
            "several" if facts.language == SEVERAL else language_name(facts.language),
            _asked(scores.titles[name], facts),
            plain(score.num_questions),
            plain(score.num_unparsed),
            NONE if facts.headline_chance is None else percent(facts.headline_chance),
            estimate_text(score.headline, percent, points),
            *_beside(scores.differences.get(f"accuracy.{name}")),
        )
        for name, facts in scores.benchmarks.items()
        if (score := scores.knowledge[scores.label, name])
    ]
    headings = (
        "Benchmark",
        "Language",
        "Asked",
        "Questions",
        "Unparsed",
        "By guessing",
        "Score",
        "Base",
        "Difference",
        "Verdict",
    )
    note = (
        "Each score is the one that the benchmark\u2019s authors report; an answer that cannot be read earns nothing."
    )
    if any(row[-2] != NONE for row in rows):
        note += " Differences are in percentage points."
    if any(scores.titles[name] == name for name in scores.benchmarks):
        note += " A name behind \u201cas\u201d says how questions are laid out, asked and scored, not whose they are."
    return ["### Benchmarks", _with_base(headings, rows, num_words=3), note]


def _beside(found: Difference | None) -> tuple[str, str, str]:
    """The base's value, the paired difference to it, and the verdict."""
    if found is None or found.control is None:
        return NONE, NONE, NONE
    base = found.measure.value_text(found.control.value)
    if found.paired is None:
        return base, NONE, found.verdict_text
    difference = estimate_text(found.paired.difference, found.measure.difference_text)
    return base, difference, WORDS.get(found.verdict_text, found.verdict_text)


def _with_base(headings: Sequence[str], rows: Sequence[Sequence[str]], *, num_words: int = 1) -> str:
    """A table whose last three columns are those of the base, left out where no row has any."""
    if all(cell == NONE for row in rows for cell in row[-3:]):
        headings, rows = headings[:-3], [row[:-3] for row in rows]
    return table(headings, rows, num_words=num_words)


def _asked(title: str, facts: BenchmarkFacts) -> str:
    known = facts.title or benchmark_name(facts.name)
    layout = "" if known == title else f"as {known}"
    shots = "" if facts.num_shots is None else f"{plain(facts.num_shots)} shots"
    protocol = f"{facts.protocol} protocol" if facts.protocol else ""
    return escaped(", ".join(part for part in (layout, facts.split, shots, protocol, facts.answering) if part))


def _judged_blocks(scores: CardScores) -> list[str]:
    found = [(one, mine) for one in scores.judged if (mine := one.scored.get(scores.label)) is not None]
    rows = [row for one, mine in found if (row := _judged_row(scores, one, mine)) is not None]
    if not rows:
        return []
    headings = ("Questions", "Judge", "Its parts", "Scale", "Judgements", "Score", "Base", "Difference", "Verdict")
    notes = items([_judge_note(scores, one, mine) for one, mine in found])
    return [
        "### Responses to open questions",
        _with_base(headings, rows, num_words=4),
        "Who judged, and how far that can be trusted:",
        notes,
    ]


def _judged_row(scores: CardScores, one: JudgedBenchmark, mine: RunScores) -> tuple[str, ...] | None:
    """The mean of a judge's items, or its one item, with the items beside it; None where it rated nothing."""
    head = one.headline
    estimate = None if head is None else mine.estimates[head.key]
    if head is None or estimate is None:
        return None
    items = [(part.title, found) for part in one.parts if len(part.places) == 1 and (found := mine.estimates[part.key])]
    parts = ", ".join(f"{escaped(title.lower())} {value_text(head, found.value)}" for title, found in items)
    scale = "share of points" if head.is_share else scale_range(head.lowest, head.highest)
    score = estimate_text(estimate, lambda value: value_text(head, value))
    beside = next((_judged_beside(found) for found in one.differences if found.part == head), (NONE, NONE, NONE))
    title = escaped(scores.titles[one.benchmark])
    return title, escaped(one.judge), parts, scale, plain(mine.outcomes["rated"]), score, *beside


def _judged_beside(found: JudgedDifference) -> tuple[str, str, str]:
    if found.values is None or found.paired is None:
        return NONE, NONE, verdict_text(found)
    difference = estimate_text(found.paired.difference, lambda value: difference_text(found.part, value))
    verdict = verdict_text(found)
    return value_text(found.part, found.values[1]), difference, WORDS.get(verdict, verdict)


def _judge_note(scores: CardScores, one: JudgedBenchmark, mine: RunScores) -> str:
    trust = judge_trust(scores.exported.run, one.benchmark).get(one.judge)
    models = f", answering as {escaped(joined(mine.judge.models))}" if mine.judge.models else ""
    panel = f" ({escaped(joined(mine.judge.combines))})" if mine.judge.combines else ""
    lost = {name: mine.outcomes[name] for name in ("unparsed", "refused", "not answered") if mine.outcomes[name]}
    beside = "".join(f"; {plain(number)} {name}" for name, number in lost.items())
    note = trust_note(trust).removeprefix("rules, not a reader; ") if trust else ""
    told = "; ".join(part for part in (f"{KINDS[mine.judge.kind]}{panel}{models}{beside}", escaped(note)) if part)
    return f"{escaped(scores.titles[one.benchmark])}, {escaped(one.judge)}: {told}."


def _switching_blocks(scores: CardScores) -> list[str]:
    found = {name: score for name, seen in scores.exported.run.switching.items() if (score := switching_score(seen))}
    if not found:
        return []
    rows = [
        (
            escaped(scores.titles[name]),
            joined(f"{language_name(one)} {plain(number)}" for one, number in score.into.most_common()) or "none",
            plain(score.num_responses),
            estimate_text(score.switched, percent, points),
        )
        for name, score in found.items()
    ]
    note = (
        "Switched: with words of another language in it that are no names, known loans, code, formulas, quotations or "
        "words of the question."
    )
    return [
        "### Responses that leave their language",
        table(("Questions", "Into", "Responses", "Switched"), rows, num_words=2),
        note,
    ]


def _alignment_blocks(scores: CardScores) -> list[str]:
    found = score_alignment(_sides(scores.exported))
    base = scores.exported.base_run
    rows: list[tuple[str, ...]] = []
    for (label, languages), mine in found.items():
        if label != scores.label:
            continue
        theirs = None if base is None else found.get((base.label, languages))
        rows.append(
            (
                f"{language_name(languages[0])} and {language_name(languages[1])}",
                plain(mine.middle.num_sentences),
                estimate_text(accuracy_estimate(mine.middle), percent, points),
                percent(mine.middle.shuffled_accuracy),
                NONE if theirs is None else estimate_text(accuracy_estimate(theirs.middle), percent, points),
            )
        )
    if not rows:
        return []
    note = (
        "How often a sentence\u2019s own translation is the nearest of all sentences, by the model\u2019s vectors at "
        "its middle layer, both directions together; shuffled is the same with translations dealt out at random."
    )
    headings = ("Languages", "Sentences", "Translation is nearest", "Shuffled", "Base")
    if all(row[-1] == NONE for row in rows):
        headings, rows = headings[:-1], [row[:-1] for row in rows]
    return ["### Alignment of languages", table(headings, rows), note]


def _bits(value: float) -> str:
    return decimal(value, 3)
