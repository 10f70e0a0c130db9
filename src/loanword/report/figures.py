"""The report's figures: bits per byte against text, training curves, knowledge, tokenizers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from loanword.records import CurvePoint
from loanword.report.arms import Arm, budget_arms, describe, varying_keys, vocabulary_name
from loanword.report.axes import Axis, amount_axis, budget_axis
from loanword.report.gather import RunRecords
from loanword.report.knowledge import Knowledge, benchmarks_of
from loanword.report.likelihoods import Scores, languages_of
from loanword.report.panels import Bar, LinePanel, Point, Series, bar_panel, line_panel
from loanword.report.saying import clauses, listed, say, sentences
from loanword.report.svg import Style
from loanword.report.tokenizers import measured_tokenizers, tokenizers_panel
from loanword.report.wording import (
    MISSING,
    benchmark_name,
    bytes_text,
    count_text,
    decimal,
    language_name,
    percent,
)

MOST_CURVE_POINTS = 150
STAGE_TITLES: Mapping[str, str] = {
    "base": "Training the base",
    "pretraining": "Further pretraining",
    "tuning": "Instruction tuning",
}


@dataclass(frozen=True)
class Figure:
    """Drawings side by side under one caption."""

    key: str
    title: str
    caption: str
    drawings: tuple[Markup, ...]


def budget_figure(runs: Sequence[RunRecords], scores: Scores) -> Figure | None:
    """Bits per byte against budget of text, one panel a language; None where no run was pretrained further."""
    arms = budget_arms(runs)
    panels = [_budget_panel(language, arms, scores) for language in languages_of(runs)]
    drawings = tuple(drawn for drawn in panels if drawn is not None)
    if not drawings:
        return None
    gaps = [
        run.label
        for arm in arms
        for run in arm.runs
        if not all((run.label, code) in scores for code in languages_of(runs) if run.is_read(code))
    ]
    caption = say(
        "Lower is better. Whiskers are 95\u202f% intervals over documents; because every run reads the same documents, "
        "paired differences are known more precisely than the whiskers suggest. The panels have scales of their own: "
        "bits per byte do not compare between languages."
    )
    if gaps:
        caption = sentences((caption, say("Missing: {runs}.", runs=listed(dict.fromkeys(gaps)))))
    return Figure("budget", "Bits per byte against further pretraining text", caption, drawings)


def _budget_panel(language: str, arms: Sequence[Arm], scores: Scores) -> Markup | None:
    series = [
        Series(arm.phrases or (say("all runs"),), points, Style(place))
        for place, arm in enumerate(arms)
        if (points := _budget_points(language, arm, scores))
    ]
    # A language of which only the start was measured has no line to draw.
    if len({point.x for one in series for point in one.points}) < 2:
        return None
    budgets = [point.x for one in series for point in one.points]
    name = language_name(language)
    return line_panel(
        LinePanel(
            identifier=f"budget-{language}",
            title=say("{language}: bits per byte against text of further pretraining", language=name),
            description=described((one, bytes_text) for one in series),
            x_title=say("target text"),
            y_title=say("{language}, bits per byte", language=name),
            x_axis=budget_axis(budgets, bytes_text),
            series=series,
            markers=True,
        )
    )


def _budget_points(language: str, arm: Arm, scores: Scores) -> tuple[Point, ...]:
    found: list[Point] = []
    for run in arm.runs:
        score, budget = scores.get((run.label, language)), run.num_target_bytes
        if score is not None and budget is not None:
            estimate = score.bits_per_byte
            found.append(Point(float(budget), estimate.value, estimate.low, estimate.high))
    return tuple(found)


def described(lines: Iterable[tuple[Series, Callable[[float], str]]], digits: int = 3) -> str:
    """What lines show, point by point, for those who do not see them; each with how its places are written."""
    return sentences(
        say(
            "{line}: {points}.",
            line=series.label,
            points=clauses(
                say("{value} at {place}", value=decimal(point.y, digits), place=place_text(point.x))
                for point in series.points
            ),
        )
        for series, place_text in lines
    )


def knowledge_figure(runs: Sequence[RunRecords], knowledge: Knowledge) -> Figure | None:
    """Accuracy with interval and chance level, one panel a benchmark; None where nothing was asked."""
    drawings: list[Markup] = []
    for benchmark, facts in benchmarks_of(runs).items():
        asked = [run for run in runs if f"grades.{benchmark}" in run.artifacts]
        bars = [
            Bar(run.label, score.headline if (score := knowledge.get((run.label, benchmark))) else None)
            for run in asked
        ]
        told = clauses(
            say("{run}: {told}", run=bar.label, told=percent(bar.estimate.value) if bar.estimate else MISSING)
            for bar in bars
        )
        title = say("{benchmark}: the score that its authors report", benchmark=benchmark_name(benchmark))
        name, chance = benchmark_name(benchmark), facts.headline_chance
        drawings.append(bar_panel(f"knowledge-{benchmark}", name, title, say("{told}.", told=told), bars, chance))
    if not drawings:
        return None
    caption = "Whiskers are 95\u202f% intervals over questions; the dashed line is the score of guessing."
    return Figure("knowledge", "Accuracy, and the score of guessing", caption, tuple(drawings))


def curves_figure(runs: Sequence[RunRecords]) -> Figure | None:
    """Training loss against tokens, one panel a stage and vocabulary; None where no curve was kept."""
    panels: dict[tuple[str, str], list[tuple[RunRecords, tuple[CurvePoint, ...]]]] = {}
    seen: set[object] = set()
    for stage in STAGE_TITLES:
        for run in runs:
            artifact, points = run.artifacts.get(stage), run.curves.get(stage)
            if artifact is None or artifact.folder in seen or not points:
                continue
            seen.add(artifact.folder)
            title = say(STAGE_TITLES[stage])
            if stage != "base":
                title = say("{stage}, {vocabulary}", stage=title, vocabulary=vocabulary_name(run))
            panels.setdefault((stage, title), []).append((run, points))
    keys = {
        stage: _telling_keys(stage, [run for (other, _), found in panels.items() if other == stage for run, _ in found])
        for stage in STAGE_TITLES
    }
    drawings = tuple(_curve_panel(stage, title, found, keys[stage]) for (stage, title), found in panels.items())
    if not drawings:
        return None
    caption = (
        "Training loss of each step, averaged over neighbouring steps where there are many. Loss per token does not "
        "compare between panels of different vocabularies: a larger vocabulary cuts the same text into fewer, harder "
        "tokens. Tuning counts response tokens only."
    )
    return Figure("curves", "Training curves", caption, drawings)


def _telling_keys(stage: str, runs: Sequence[RunRecords]) -> list[str]:
    """Settings that tell a stage's curves apart; the vocabulary stands in the panel's title."""
    keys = varying_keys([run.settings for run in runs]) if runs else []
    # A run stands for all that share its artifact, whatever they do afterwards.
    silent = (
        "tokenizer.",
        *(("pretraining.", "tuning.") if stage == "base" else ("tuning.",) if stage == "pretraining" else ()),
    )
    return [key for key in keys if not key.startswith(silent)]


def _curve_panel(
    stage: str, title: str, found: Sequence[tuple[RunRecords, tuple[CurvePoint, ...]]], keys: Sequence[str]
) -> Markup:
    series = [
        Series(describe(run, keys) or (say("base") if stage == "base" else run.label,), thinned(points), Style(place))
        for place, (run, points) in enumerate(found)
    ]
    last = clauses(
        say("{line}: {value} at the end", line=one.label, value=decimal(one.points[-1].y, 2)) for one in series
    )
    return line_panel(
        LinePanel(
            identifier=f"curve-{stage}-{''.join(char for char in title if char.isalnum())}",
            title=title,
            description=say("Loss in nats per token. {told}.", told=last),
            x_title=say("response tokens") if stage == "tuning" else say("tokens"),
            y_title=say("{title}: nats per token", title=title),
            x_axis=_token_axis(series),
            series=series,
            markers=False,
        )
    )


def _token_axis(series: Sequence[Series]) -> Axis:
    return amount_axis(max(one.points[-1].x for one in series), count_text)


def thinned(points: Sequence[CurvePoint]) -> tuple[Point, ...]:
    """A curve in at most 150 points, each the mean of equally many neighbouring steps."""
    size = -(-len(points) // MOST_CURVE_POINTS)
    bins = [points[start : start + size] for start in range(0, len(points), size)]
    return tuple(
        Point(float(found[-1].tokens), sum(point.nats_per_token for point in found) / len(found)) for found in bins
    )


def tokenizers_figure(runs: Sequence[RunRecords]) -> Figure | None:
    """Tokens per character of every language, tokenizers side by side; None where there are no two to compare."""
    tokenizers = measured_tokenizers(runs)
    if len(tokenizers) < 2:
        return None
    caption = (
        "Fewer is better: the same text costs less to read, to write and to train on. Tokens per character do not "
        "compare between languages, whose characters say more or less."
    )
    return Figure("tokenizers", "Tokens that a character of text takes", caption, (tokenizers_panel(tokenizers),))
