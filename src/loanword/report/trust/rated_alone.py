"""One side alone: whether it agrees with itself, how full its scales are, and what the length of a response earns."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loanword.report.trust.concordance import (
    Kinds,
    Measured,
    counts_by_value,
    equal_repeats,
    kinds_of,
    mean_of,
    measured,
    ordinal_alpha,
    partial_spearman,
    spearman,
)
from loanword.report.trust.rated import ALL_EQUAL, Side, mean_score, places_of, shared_items, with_overall


@dataclass(frozen=True)
class Repeats:
    """How far several scores for the same response agree: a judge's with itself, or those of several people."""

    item: str
    num_responses: int
    num_scores: int
    equal: Measured
    alpha: Measured


@dataclass(frozen=True)
class Saturation:
    """How many responses have the most that an item can give, and how far the systems' means lie apart.

    `top` is the highest score that was given, where the scale is not known. `spread` is None for one system.
    """

    item: str
    num_responses: int
    top: float
    at_top: Measured
    spread: float | None


@dataclass(frozen=True)
class LengthEffect:
    """Spearman's correlation of the length of responses, in characters, with their scores.

    `given_other` holds the other side's scores constant: what length earns beyond what it is worth; None without one.
    """

    item: str
    num_responses: int
    spearman: Measured
    given_other: Measured | None


def repeats_of(side: Side) -> tuple[Repeats, ...]:
    """Agreement between several scores for the same response, by item; none where nothing was rated twice."""
    found: list[Repeats] = []
    for item in side.items:
        rated = [one for one in side.responses if len(one.scores.get(item, ())) > 1]
        if not rated:
            continue
        counts_NV = counts_by_value([one.scores[item] for one in rated])
        kinds = kinds_of(list(counts_NV.T), places_of(one.example for one in rated))
        counts_KV = kinds.columns_CK.T
        found.append(
            Repeats(
                item=item,
                num_responses=len(rated),
                num_scores=int(counts_NV.sum()),
                equal=measured(kinds, equal_repeats(counts_KV), ALL_EQUAL),
                alpha=measured(kinds, ordinal_alpha(counts_KV), ALL_EQUAL),
            )
        )
    return tuple(found)


def saturation_of(side: Side) -> tuple[Saturation, ...]:
    """How full each item's scale is, and how far it tells systems apart."""
    found: list[Saturation] = []
    for item in side.items:
        rated = [(one, score) for one in side.responses if (score := mean_score(one, item, ())) is not None]
        scores_N = np.array([score for _, score in rated])
        scale = side.scales.get(item)
        top = scale[1] if scale else float(scores_N.max())
        kinds = kinds_of([scores_N], places_of(one.example for one, _ in rated))
        at_top = measured(kinds, mean_of((kinds.columns_CK[0] >= top).astype(np.float64)), ALL_EQUAL)
        by_system: dict[str, list[float]] = {}
        for one, score in rated:
            by_system.setdefault(one.system, []).append(score)
        means = [float(np.mean(scores)) for scores in by_system.values()]
        spread = max(means) - min(means) if len(means) > 1 else None
        found.append(Saturation(item, len(rated), top, at_top, spread))
    return tuple(found)


def lengths_of(side: Side, other: Side | None = None) -> tuple[LengthEffect, ...]:
    """What the length of a response goes with in its scores; none where no length is known."""
    found: list[LengthEffect] = []
    for item in with_overall(side.items):
        effect = _length_effect(side, item, other)
        if effect is not None:
            found.append(effect)
    return tuple(found)


def _length_effect(side: Side, item: str, other: Side | None) -> LengthEffect | None:
    scored = [
        (one, one.num_characters, score)
        for one in side.responses
        if one.num_characters is not None and (score := mean_score(one, item, side.items)) is not None
    ]
    if not scored:
        return None
    alone = _length_kinds([(length, score) for _, length, score in scored], [one.example for one, _, _ in scored])
    whole = measured(alone, spearman(*alone.columns_CK), ALL_EQUAL)
    if other is None:
        return LengthEffect(item, len(scored), whole, None)
    items = shared_items(side, other)
    both = [
        (one, (length, score, given))
        for one, length, score in scored
        if (theirs := other.by_key.get(one.key)) is not None
        and (given := mean_score(theirs, item, items or other.items)) is not None
    ]
    if not both:
        return LengthEffect(item, len(scored), whole, None)
    kinds = _length_kinds([numbers for _, numbers in both], [one.example for one, _ in both])
    given_other = measured(kinds, partial_spearman(*kinds.columns_CK), ALL_EQUAL)
    return LengthEffect(item, len(scored), whole, given_other)


def _length_kinds(numbers: Sequence[tuple[float, ...]], examples: Sequence[str]) -> Kinds:
    return kinds_of([np.array(column, dtype=np.float64) for column in zip(*numbers, strict=True)], places_of(examples))
