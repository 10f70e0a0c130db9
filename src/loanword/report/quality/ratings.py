"""What a judge gave, as numbers: means over examples with intervals, and paired differences.

Shapes: N examples, K items of a judge, R resamples.

An example that was judged several times counts once, with the mean of its ratings. Only what was rated has a score:
unparsed replies, refusals and questions that were never answered enter no mean.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from loanword.records import Item, JudgeFacts, Rating
from loanword.report.judged import POINTS
from loanword.report.saying import say, term
from loanword.report.statistics import (
    Bools,
    Estimate,
    Floats,
    PairedDifference,
    bootstrap_estimate,
    paired_bootstrap,
    resampled_sums,
    wilson,
)

HARMLESSNESS = "harmlessness"
AVERAGE, WITHOUT_HARMLESSNESS, MEAN_OF_ITEMS = "avg", "avg_without_harmlessness", "mean_of_items"
"""Keys of the means over items."""
MARGIN = 0.1
"""The largest difference that may be called none, as a share of the scale."""
NO_SPREAD = 1e-9

Key = tuple[str, str]
"""Subject and id of an example."""


@dataclass(frozen=True)
class Part:
    """One number that is reported of a judge: an item, or the mean of several, by their places; its scale."""

    key: str
    title: str
    places: tuple[int, ...]
    lowest: float
    highest: float
    is_share: bool = False

    @property
    def margin(self) -> float:
        return MARGIN * (self.highest - self.lowest)


@dataclass(frozen=True)
class RatedExamples:
    """Examples that a judge rated: scores [N, K], NaN where it does not rate an item, and what each counts, [N].

    In an examination scores are points, of those that an example is worth; elsewhere all examples count as 1.
    """

    keys: tuple[Key, ...]
    scores_NK: Floats
    worth_N: Floats

    def of(self, subject: str) -> "RatedExamples":
        """Those of one category."""
        return self.at([place for place, key in enumerate(self.keys) if key[0] == subject])

    def at(self, places: Sequence[int]) -> "RatedExamples":
        """Those at some places, in that order."""
        return RatedExamples(tuple(self.keys[place] for place in places), self.scores_NK[places], self.worth_N[places])


def parts_of(judge: JudgeFacts, rated: Collection[str] = ()) -> tuple[Part, ...]:
    """What is reported of a judge: its items, and the means over them that its rubric has.

    Items that it `rated` nothing by are left out: rules look for what a question file asks for, and some ask for less.

    Source: "AVG" as in arXiv 2401.01055, the mean of the five items' means; that of fewer is not called so.
    """
    is_share = judge.rubric == POINTS
    names = {item.name for item in judge.items}
    used = names.intersection(rated) or names
    items = [_item(place, item, is_share=is_share) for place, item in enumerate(judge.items) if item.name in used]
    if len(items) < 2 or is_share or len({(item.lowest, item.highest) for item in judge.items}) > 1:
        return tuple(items)
    if judge.kind == "rules" or used != names or HARMLESSNESS not in names:
        return (*items, _mean(MEAN_OF_ITEMS, say("Mean of its items"), items))
    others = [item for item in items if item.key != HARMLESSNESS]
    return (
        *items,
        _mean(AVERAGE, say("AVG"), items),
        _mean(WITHOUT_HARMLESSNESS, say("AVG without harmlessness"), others),
    )


def _item(place: int, item: Item, *, is_share: bool) -> Part:
    title = term(item.name.replace("_", " ").capitalize())
    key = re.sub(r"\W+", "_", item.name)
    return Part(key, title, (place,), 0.0 if is_share else item.lowest, 1.0 if is_share else item.highest, is_share)


def _mean(key: str, title: str, items: Sequence[Part]) -> Part:
    return Part(key, title, tuple(item.places[0] for item in items), items[0].lowest, items[0].highest)


def rated_examples(ratings: Iterable[Rating], judge: JudgeFacts) -> RatedExamples:
    """The examples that were rated, repeats averaged item by item, in the order of the ratings."""
    given: dict[Key, list[Rating]] = {}
    for rating in ratings:
        if rating.outcome == "rated":
            given.setdefault((rating.subject, rating.id), []).append(rating)
    scores_NK = np.full((len(given), len(judge.items)), np.nan)
    for row, repeats in enumerate(given.values()):
        for place, item in enumerate(judge.items):
            scores = [rating.scores[item.name] for rating in repeats if item.name in rating.scores]
            if scores:
                scores_NK[row, place] = sum(scores) / len(scores)
    worth = [repeats[0].points if judge.rubric == POINTS else 1.0 for repeats in given.values()]
    return RatedExamples(tuple(given), scores_NK, np.array(worth, dtype=np.float64))


def estimates(examples: RatedExamples, parts: Sequence[Part]) -> dict[str, Estimate | None]:
    """Every part with its interval over examples."""
    if not examples.keys:
        return {part.key: None for part in parts}
    earned_NK, possible_NK = _columns(examples.scores_NK, examples.worth_N, ~np.isnan(examples.scores_NK))
    sums_R = np.split(resampled_sums(np.hstack([earned_NK, possible_NK])), 2, axis=1)
    means_RK = _shares(sums_R[0], sums_R[1])
    mean_K = _shares(earned_NK.sum(axis=0), possible_NK.sum(axis=0))
    nums_K = np.count_nonzero(possible_NK, axis=0)
    found: dict[str, Estimate | None] = {}
    for part in parts:
        places = list(part.places)
        value, num = float(mean_K[places].mean()), int(nums_K[places].min())
        means_R, scale = means_RK[:, places].mean(axis=1), (part.lowest, part.highest)
        found[part.key] = interval(value, means_R, scale, num) if num else None
    return found


def differences(
    arm: RatedExamples, control: RatedExamples, parts: Sequence[Part]
) -> dict[str, tuple[tuple[float, float], PairedDifference] | None]:
    """Every part of an arm and its control over the examples of which both have it: both values, and the difference."""
    place_of = {key: place for place, key in enumerate(control.keys)}
    shared = [place for place, key in enumerate(arm.keys) if key in place_of]
    if not shared:
        return {part.key: None for part in parts}
    ours, theirs = arm.at(shared), control.at([place_of[arm.keys[place]] for place in shared])
    both_NK = ~np.isnan(ours.scores_NK) & ~np.isnan(theirs.scores_NK)
    earned_NK, possible_NK = _columns(ours.scores_NK, ours.worth_N, both_NK)
    theirs_NK, _ = _columns(theirs.scores_NK, theirs.worth_N, both_NK)
    sums = np.split(resampled_sums(np.hstack([earned_NK, theirs_NK, possible_NK])), 3, axis=1)
    totals = [columns_NK.sum(axis=0) for columns_NK in (earned_NK, theirs_NK, possible_NK)]
    found: dict[str, tuple[tuple[float, float], PairedDifference] | None] = {}
    for part in parts:
        places = list(part.places)
        num = int(both_NK[:, places].sum(axis=0).min())
        one, other = (float(_shares(totals[side], totals[2])[places].mean()) for side in (0, 1))
        one_R, other_R = (_shares(sums[side], sums[2])[:, places].mean(axis=1) for side in (0, 1))
        found[part.key] = ((one, other), _paired(one, other, one_R, other_R, part, num)) if num else None
    return found


def _columns(scores_NK: Floats, worth_N: Floats, has_NK: Bools) -> tuple[Floats, Floats]:
    return np.where(has_NK, scores_NK, 0.0), np.where(has_NK, worth_N[:, None], 0.0)


def _shares(earned: Floats, possible: Floats) -> Floats:
    # A resample without any example of a rare item says nothing of it.
    return np.divide(earned, possible, out=np.full_like(earned, np.nan), where=possible > 0)


def interval(value: float, resampled_R: Floats, scale: tuple[float, float], num_examples: int) -> Estimate:
    """A value with its percentile interval.

    Where all examples are alike every resample is too, which is no certainty: as many others as Wilson's interval
    leaves room for may lie at either end of the scale.
    """
    told_R = resampled_R[np.isfinite(resampled_R)]
    if np.ptp(told_R) > NO_SPREAD:
        return bootstrap_estimate(value, told_R)
    unseen = 1 - wilson(num_examples, num_examples).low
    return Estimate(value, value - unseen * (value - scale[0]), value + unseen * (scale[1] - value))


def _paired(
    one: float, other: float, one_R: Floats, other_R: Floats, part: Part, num_examples: int
) -> PairedDifference:
    told_R = np.isfinite(one_R) & np.isfinite(other_R)
    paired = paired_bootstrap(one, other, one_R[told_R], other_R[told_R], num_examples)
    differences_R = one_R[told_R] - other_R[told_R]
    if np.ptp(differences_R) > NO_SPREAD:
        return paired
    width = part.highest - part.lowest
    # All differ by the same, or not at all: the exact sign test still tells three examples from three hundred.
    p_value = 1.0 if abs(one - other) < NO_SPREAD else min(1.0, 2.0 ** (1 - num_examples))
    difference = interval(one - other, differences_R, (-width, width), num_examples)
    return replace(paired, difference=difference, p_value=p_value)
