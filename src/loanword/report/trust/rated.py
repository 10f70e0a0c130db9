"""Two sides that rated the same responses, judge or people, and what can be told of each item from what they gave.

Several scores of one side for one response, a judge's repeats or people's raters, are averaged where the sides are
compared, and compared with each other where a side is looked at alone. Intervals are by bootstrap over examples.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

import numpy as np

from loanword.report.saying import joined, say
from loanword.report.statistics import Floats
from loanword.report.trust.concordance import (
    Ints,
    Measured,
    counts_by_value,
    kendall,
    kinds_of,
    mean_of,
    measured,
    ordinal_alpha,
    pairs_within,
    quadratic_kappa,
    same_order,
    share_of,
    spearman,
)

OVERALL = "overall"
"""The mean over a response's items, where they have one scale."""
ALL_EQUAL = say("all scores are equal")
OTHER_SCALES = say("the scales differ")
NONE_TOLD_APART = say("no pair is told apart")

Scale = tuple[float, float]
Key = tuple[str, str]
"""The system that responded, and the example."""


@dataclass(frozen=True)
class Rated:
    """What one response was given: by item, one score a repeat or rater. A response that was not rated has none."""

    system: str
    example: str
    scores: Mapping[str, tuple[float, ...]]
    subject: str = ""
    language: str = ""
    num_characters: int | None = None

    @property
    def key(self) -> Key:
        return self.system, self.example


@dataclass(frozen=True)
class Side:
    """A judge, or people, and everything that they rated; `scales` are those that are known, by item."""

    name: str
    responses: tuple[Rated, ...]
    scales: Mapping[str, Scale]

    @cached_property
    def items(self) -> tuple[str, ...]:
        """Items that any response was given a score for, in the order in which they first come."""
        return tuple(dict.fromkeys(item for one in self.responses for item in one.scores if one.scores[item]))

    @cached_property
    def by_key(self) -> Mapping[Key, Rated]:
        return {one.key: one for one in self.responses}

    @property
    def systems(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.system for one in self.responses))

    def only(self, keep: Callable[[Rated], bool]) -> "Side":
        """The same side with some of its responses."""
        return Side(self.name, tuple(filter(keep, self.responses)), self.scales)

    def scale(self, item: str, items: Sequence[str]) -> Scale | None:
        """The scale of an item, or the one that all items of a mean have; None where it is not known."""
        scales = {self.scales.get(one) for one in (items if item == OVERALL else (item,))}
        return next(iter(scales)) if len(scales) == 1 else None


@dataclass(frozen=True)
class ItemAgreement:
    """How far a judge and another side agree on one item; `bias` is the judge's score minus the other's.

    `order_within`: the pairs of `order` are of responses to one example, as they are where several systems answered.
    """

    item: str
    num_responses: int
    num_examples: int
    spearman: Measured
    kendall: Measured
    kappa: Measured
    alpha: Measured
    order: Measured
    order_within: bool
    equal: Measured
    bias: Measured

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why some of it is not there."""
        found = (self.spearman, self.kendall, self.kappa, self.alpha, self.order, self.equal, self.bias)
        return tuple(dict.fromkeys(one.why for one in found if one.why))


@dataclass(frozen=True)
class GroupAgreement:
    """Agreement over the responses of one category or language."""

    group: str
    agreement: ItemAgreement


def mean_score(one: Rated, item: str, items: Sequence[str]) -> float | None:
    """The mean of an item's scores, or of all items' means; None where one is lacking."""
    wanted = items if item == OVERALL else (item,)
    if not wanted or not all(one.scores.get(name) for name in wanted):
        return None
    return fmean(fmean(one.scores[name]) for name in wanted)


def with_overall(items: Sequence[str]) -> tuple[str, ...]:
    """Items, and their mean before them where there are several."""
    return (OVERALL, *items) if len(items) > 1 else tuple(items)


def shared_items(judge: Side, other: Side) -> tuple[str, ...]:
    """Items that both rated."""
    return tuple(item for item in judge.items if item in other.items)


def num_shared(judge: Side, other: Side) -> int:
    """Responses that both rated, on any item."""
    shared = (one for one in judge.responses if any(one.scores.values()) and one.key in other.by_key)
    return sum(1 for one in shared if any(other.by_key[one.key].scores.values()))


def agreements(judge: Side, other: Side, items: Sequence[str] = ()) -> tuple[ItemAgreement, ...]:
    """Agreement on every item that both rate, their mean first; on no more than their means where they share none."""
    shared = items or shared_items(judge, other)
    found = [item_agreement(judge, other, item, shared) for item in with_overall(shared)] if shared else []
    found = found or [item_agreement(judge, other, OVERALL, ())]
    return tuple(one for one in found if one.num_responses)


def by_group(
    judge: Side, other: Side, items: Sequence[str], group_of: Callable[[Rated], str]
) -> tuple[GroupAgreement, ...]:
    """Agreement on the first of `items` over each group's responses; a side may lack what groups are told by."""
    shared = shared_items(judge, other)
    of = {one.key: group_of(one) or group_of(other.by_key.get(one.key, one)) for one in judge.responses}
    groups = sorted({group for group in of.values() if group})
    found = (
        GroupAgreement(group, item_agreement(judge.only(_is_in(of, group)), other, items[0], shared))
        for group in groups
    )
    return tuple(one for one in found if one.agreement.num_responses)


def _is_in(group_of: Mapping[Key, str], group: str) -> Callable[[Rated], bool]:
    return lambda one: group_of[one.key] == group


def item_agreement(judge: Side, other: Side, item: str, items: Sequence[str]) -> ItemAgreement:
    """Agreement on one item, or on the mean over `items`; over each side's own items where there are none."""
    judge_N, other_N, examples_N, several = _columns(judge, other, item, items)
    if not len(judge_N):
        none = Measured(None, why="no response is rated by both")
        return ItemAgreement(item, 0, 0, none, none, none, none, none, False, none, none)
    kinds = kinds_of([judge_N, other_N], examples_N)
    judge_K, other_K = kinds.columns_CK
    undefined = _undefined(judge, other, judge_N, other_N)
    order = (
        measured(pairs_within(judge_N, other_N, examples_N), share_of, NONE_TOLD_APART)
        if several
        else measured(kinds, same_order(judge_K, other_K), NONE_TOLD_APART)
    )
    values = (
        quadratic_kappa(judge_K, other_K),
        ordinal_alpha(counts_by_value(kinds.columns_CK.T.tolist())),
        mean_of((judge_K == other_K).astype(np.float64)),
        mean_of(judge_K - other_K),
    )
    if _same_scale(judge, other, item, items):
        kappa, alpha, equal, bias = (measured(kinds, measure, ALL_EQUAL) for measure in values)
    else:
        kappa = alpha = equal = bias = Measured(None, why=OTHER_SCALES)
    return ItemAgreement(
        item=item,
        num_responses=kinds.num_responses,
        num_examples=kinds.num_examples,
        spearman=measured(kinds, spearman(judge_K, other_K), undefined),
        kendall=measured(kinds, kendall(judge_K, other_K), undefined),
        kappa=kappa,
        alpha=alpha,
        order=order,
        order_within=several,
        equal=equal,
        bias=bias,
    )


def _same_scale(judge: Side, other: Side, item: str, items: Sequence[str]) -> bool:
    scales = [side.scale(item, items) for side in (judge, other)]
    return bool(items) and (None in scales or scales[0] == scales[1])


def _undefined(judge: Side, other: Side, judge_N: Floats, other_N: Floats) -> str:
    constant = [side.name for side, scores_N in ((judge, judge_N), (other, other_N)) if np.ptp(scores_N) == 0]
    return say("{raters}: {reason}", raters=joined(constant), reason=ALL_EQUAL) if constant else ALL_EQUAL


def _columns(judge: Side, other: Side, item: str, items: Sequence[str]) -> tuple[Floats, Floats, Ints, bool]:
    """Both sides' scores of the responses that both rated, which example each answers, and whether any has several."""
    rows: list[tuple[float, float, str]] = []
    for one in judge.responses:
        theirs = other.by_key.get(one.key)
        if theirs is None:
            continue
        ours = mean_score(one, item, items or judge.items)
        given = mean_score(theirs, item, items or other.items)
        if ours is not None and given is not None:
            rows.append((ours, given, one.example))
    examples = [example for _, _, example in rows]
    places = {example: place for place, example in enumerate(dict.fromkeys(examples))}
    return (
        np.array([row[0] for row in rows], dtype=np.float64),
        np.array([row[1] for row in rows], dtype=np.float64),
        places_of(examples),
        len(places) < len(examples),
    )


def places_of(examples: Iterable[str]) -> Ints:
    """Numbers of examples, in the order in which they first come."""
    places: dict[str, int] = {}
    return np.array([places.setdefault(example, len(places)) for example in examples], dtype=np.int64)
