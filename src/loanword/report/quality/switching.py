"""How often responses leave the language that they were to be in: tables and findings, by run and benchmark."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from loanword.records import Switching
from loanword.report.cells import (
    MISSING_CELL,
    NOT_PLANNED_CELL,
    Cell,
    Column,
    RowGroup,
    Sources,
    Table,
    against,
    estimate_cell,
    number_cell,
    one_group,
    run_cell,
    text_cell,
)
from loanword.report.gather import RunRecords
from loanword.report.quality.coherence import coherence_cells, coherence_columns, coherence_judges, coherence_note
from loanword.report.quality.scores import titles_of
from loanword.report.saying import listed, say, sentences
from loanword.report.statistics import Estimate, PairedDifference, Verdict, paired_accuracy, wilson, with_verdicts
from loanword.report.summary import Finding, difference_point, interval_text
from loanword.report.tables import COMPARED, REACHED, RUN, TONES
from loanword.report.wording import MISSING, decimal, joined, language_name, p_text, percent, plain, signed

MOST_LANGUAGES = 3
"""Languages that a cell names."""
MARGIN = 0.1
"""The largest difference of shares that may be called none."""
SWITCHED_NOTE = (
    "Switched: a response with words of another language that are no names, known loans, code, formulas, "
    "quotations or words of the question; brackets hold Wilson\u2019s 95\u202f% intervals. Into: responses by the "
    "languages in them. Letters: the mean share of letters in other languages, over the responses that switch. "
    "Line and word pass rates are the Language Confusion Benchmark\u2019s, over responses that have something for "
    "it to look at."
)


@dataclass(frozen=True)
class SwitchingScore:
    """What was seen in the responses of one run to one benchmark.

    `into` counts the responses that switch into each language. `letters` is the mean share of letters that are in
    other languages, over responses that switch; None where none does. Pass rates are over the responses that have
    something to look at.
    """

    num_responses: int
    switched: Estimate
    into: Counter[str]
    letters: float | None
    lines: Estimate | None
    words: Estimate | None


@dataclass(frozen=True)
class SwitchingDifference:
    """How much more often an arm's responses switch than its control's, over the questions that both answered."""

    arm: str
    control: str
    benchmark: str
    is_missing: bool = False
    values: tuple[float, float] | None = None
    paired: PairedDifference | None = None
    adjusted_p: float | None = None
    verdict: Verdict | None = None


def switching_tables(runs: Sequence[RunRecords], differences: Sequence[SwitchingDifference]) -> tuple[Table, ...]:
    """One table a benchmark that was looked through, and one of arms beside their controls."""
    titles = titles_of(runs)
    tables = [_table(benchmark, titles[benchmark], runs) for benchmark in _benchmarks(runs)]
    return (*tables, *([_differences_table(titles, differences)] if differences else []))


def switching_findings(runs: Sequence[RunRecords], differences: Sequence[SwitchingDifference]) -> list[Finding]:
    """For each benchmark: how often runs switch, into what, and every arm minus its control."""
    titles = titles_of(runs)
    return [
        finding
        for benchmark in _benchmarks(runs)
        for finding in _finding(
            benchmark, titles[benchmark], runs, [one for one in differences if one.benchmark == benchmark]
        )
    ]


def switching_score(seen: Sequence[Switching]) -> SwitchingScore | None:
    """The numbers of what was seen; None of nothing."""
    if not seen:
        return None
    switched = [one for one in seen if one.switched]
    return SwitchingScore(
        num_responses=len(seen),
        switched=wilson(len(switched), len(seen)),
        into=Counter(language for one in switched for language in dict.fromkeys(span.language for span in one.spans)),
        letters=sum(one.share for one in switched) / len(switched) if switched else None,
        lines=_pass_rate(one.line_passes for one in seen),
        words=_pass_rate(one.word_passes for one in seen),
    )


def switching_differences(
    runs: Sequence[RunRecords], comparisons: Sequence[tuple[str, str]]
) -> list[SwitchingDifference]:
    """Every arm beside its control on every benchmark that both plan; p is adjusted by Holm over all of them."""
    by_label = {run.label: run for run in runs}
    found = [
        _difference(by_label[arm], by_label[control], benchmark)
        for benchmark in _benchmarks(runs)
        for arm, control in dict.fromkeys(comparisons)
        if all(f"switching.{benchmark}" in by_label[label].artifacts for label in (arm, control))
    ]
    return with_verdicts(found, lower_is_better=lambda _: True, margin=lambda _: MARGIN)


def _difference(arm: RunRecords, control: RunRecords, benchmark: str) -> SwitchingDifference:
    one = SwitchingDifference(arm.label, control.label, benchmark)
    if any(benchmark not in run.switching for run in (arm, control)):
        return replace(one, is_missing=True)
    ours, theirs = ({(of.subject, of.id): of.switched for of in run.switching[benchmark]} for run in (arm, control))
    shared = [key for key in ours if key in theirs]
    if not shared:
        return one
    arm_N, control_N = (np.array([of[key] for key in shared], dtype=np.bool_) for of in (ours, theirs))
    values = float(arm_N.mean()), float(control_N.mean())
    return replace(one, values=values, paired=paired_accuracy(arm_N, control_N))


def _pass_rate(passes: Iterable[bool | None]) -> Estimate | None:
    told = [one for one in passes if one is not None]
    return wilson(sum(told), len(told)) if told else None


def _benchmarks(runs: Sequence[RunRecords]) -> list[str]:
    return list(dict.fromkeys(name for run in runs for name in run.named("switching")))


def _table(benchmark: str, title: str, runs: Sequence[RunRecords]) -> Table:
    judges = coherence_judges(benchmark, runs)
    columns = (
        RUN,
        Column("num_responses", "Responses"),
        Column("switched", "Switched"),
        Column("into", "Into", is_number=False),
        Column("letters", "Letters, where switched"),
        Column("line_pass_rate", "Line pass rate"),
        Column("word_pass_rate", "Word pass rate"),
        *coherence_columns(judges),
    )
    rows = [
        [run_cell(run.label), *_row(run, benchmark), *coherence_cells(run, benchmark, judges)]
        for run in runs
        if f"switching.{benchmark}" in run.artifacts
    ]
    languages = dict.fromkeys(one.language for run in runs for one in run.switching.get(benchmark, ()))
    expected = joined(language_name(code) for code in languages) or say("their language")
    note = sentences((say(SWITCHED_NOTE), coherence_note(judges)))
    return Table(
        f"switching.{benchmark}",
        say("{benchmark}: responses that leave {language}", benchmark=title, language=expected),
        note,
        columns,
        one_group(rows),
        Sources(roles=(f"switching.{benchmark}", f"responses.{benchmark}")),
    )


def _row(run: RunRecords, benchmark: str) -> list[Cell]:
    score = switching_score(run.switching.get(benchmark, ()))
    if score is None:
        return [MISSING_CELL if run.artifacts[f"switching.{benchmark}"] is None else NOT_PLANNED_CELL] * 6
    return [
        number_cell(score.num_responses, plain),
        _share_cell(score.switched),
        text_cell(_into_text(score.into) or say("none"), tone="" if score.into else "quiet"),
        number_cell(score.letters, percent, planned=False),
        _share_cell(score.lines),
        _share_cell(score.words),
    ]


def _share_cell(estimate: Estimate | None) -> Cell:
    return estimate_cell(estimate, percent, bounds=lambda share: decimal(100 * share, 1), planned=False)


def _into_text(into: Counter[str]) -> str:
    ordered = sorted(into.items(), key=lambda pair: (-pair[1], pair[0]))
    named = [
        say("{language} {number}", language=language_name(language), number=plain(num))
        for language, num in ordered[:MOST_LANGUAGES]
    ]
    others = len(ordered) - len(named)
    return listed([*named, *([say("{number} more", number=plain(others))] if others > 0 else [])])


def _differences_table(titles: Mapping[str, str], differences: Sequence[SwitchingDifference]) -> Table:
    columns = (
        Column("pair", "Arm against control", is_number=False),
        *COMPARED,
        Column("num_examples", "Questions"),
        *REACHED,
    )
    groups = tuple(
        RowGroup(
            titles[benchmark],
            tuple(_difference_row(one) for one in differences if one.benchmark == benchmark),
        )
        for benchmark in dict.fromkeys(one.benchmark for one in differences)
    )
    note = (
        "Shares of responses that switch, over the questions that both answered; differences are in percentage points, "
        "with 95\u202f% intervals of the paired difference and exact McNemar tests, adjusted by Holm over the whole "
        "table. To switch less often helps."
    )
    return Table(
        "switching.differences",
        "Switching, arms against their controls",
        note,
        columns,
        groups,
        Sources(roles=("switching",)),
    )


def _difference_row(one: SwitchingDifference) -> tuple[Cell, ...]:
    control, arm = (None, None) if one.values is None else one.values[::-1]
    word, named = one.verdict.word if one.verdict else "", against(one.arm, one.control)
    return (
        Cell(named, named, sources=Sources((one.arm, one.control), (f"switching.{one.benchmark}",))),
        number_cell(control, percent, planned=one.is_missing),
        number_cell(arm, percent, planned=one.is_missing),
        estimate_cell(
            one.paired and one.paired.difference, lambda share: signed(100 * share, 1), planned=one.is_missing
        ),
        number_cell(one.paired and one.paired.num_examples, plain, planned=one.is_missing),
        number_cell(one.adjusted_p, p_text, planned=one.is_missing),
        text_cell(_verdict_text(one), tone=TONES.get(word, "quiet")),
    )


def _verdict_text(one: SwitchingDifference) -> str:
    if one.verdict is None:
        return MISSING if one.is_missing else say("not comparable: different questions")
    if one.verdict.word == "no difference" and one.verdict.bound is not None:
        bound = say("{number} points", number=decimal(100 * one.verdict.bound, 1))
        return say("no difference larger than {bound} shown", bound=bound)
    return say({"helps": "switches less often", "hurts": "switches more often"}.get(one.verdict.word, one.verdict.word))


def _finding(
    benchmark: str, title: str, runs: Sequence[RunRecords], differences: Sequence[SwitchingDifference]
) -> list[Finding]:
    scored = {
        run.label: score for run in runs if (score := switching_score(run.switching.get(benchmark, ()))) is not None
    }
    if not scored:
        return []
    label = max(scored, key=lambda of: scored[of].switched.value)
    most = scored[label]
    share = {
        "share": percent(most.switched.value),
        "run": label,
        "low": percent(most.switched.low),
        "high": percent(most.switched.high),
    }
    text = (
        say(
            "{share} of the responses of {run} switch (95\u202f% interval {low} to {high}), into {languages}.",
            **share,
            languages=_into_text(most.into),
        )
        if most.into
        else say("{share} of the responses of {run} switch (95\u202f% interval {low} to {high}).", **share)
    )
    if len(scored) > 1:
        between = say(
            "Between {lowest} and {highest} of a run\u2019s responses switch.",
            lowest=percent(min(score.switched.value for score in scored.values())),
            highest=percent(most.switched.value),
        )
        text = sentences((between, text))
    points = tuple(_point(one) for one in differences if one.paired is not None)
    sources = Sources(tuple(scored), (f"switching.{benchmark}",))
    return [Finding(say("{benchmark}: switches of language", benchmark=title), text, points=points, sources=sources)]


def _point(one: SwitchingDifference) -> str:
    change = None if one.paired is None else _change_text(one.paired)
    return difference_point(one.arm, one.control, change, one.adjusted_p, _verdict_text(one))


def _change_text(paired: PairedDifference) -> str:
    change = paired.difference
    low, high = signed(100 * change.low, 1), signed(100 * change.high, 1)
    return say("{change} points", change=interval_text(signed(100 * change.value, 1), low, high))
