"""Sides of ratings: systems next to each other in rank, and how full a scale is."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pytest
import scipy.stats

from loanword.report.trust.rated import Rated, Side
from loanword.report.trust.rated_alone import saturation_of
from loanword.report.trust.rated_systems import neighbours, ranked, system_agreements


def side(scores: Mapping[str, Sequence[float | None]]) -> Side:
    responses = [
        Rated(system, str(place), {"wit": () if score is None else (score,)})
        for system, given in scores.items()
        for place, score in enumerate(given)
    ]
    return Side("judge", tuple(responses), {"wit": (0.0, 3.0)})


@pytest.mark.parametrize(("shift", "told"), [(1.9, False), (2.0, True)])
def test_systems_are_told_apart_beyond_twice_the_error_of_their_paired_difference(shift: float, told: bool):
    rng = np.random.default_rng(4)
    one = rng.normal(2, 1, 400)
    noise = rng.normal(0, 0.3, 400)
    noise -= noise.mean()
    error = np.std(noise, ddof=1) / 20
    other = one + noise - shift * error
    (pair,) = neighbours(side({"other": other.tolist(), "one": one.tolist()}), "wit")
    assert (pair.first, pair.second, pair.is_told_apart) == ("one", "other", told)
    assert pair.paired.difference.value == pytest.approx(shift * error)
    assert pair.standard_error == pytest.approx(error)
    tested = cast(Any, scipy.stats.ttest_rel(one, other))
    assert pair.paired.p_value == pytest.approx(tested.pvalue, abs=0.01)
    unpaired = np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / 400)
    assert pair.pairing_gain == pytest.approx(unpaired / error)


def test_examples_that_only_one_system_has_are_in_its_mean_and_in_no_difference():
    one = [3.0] * 10 + [0.0] * 10
    other: list[float | None] = [1.0, 2.0] * 5 + [None] * 10
    both = side({"one": one, "other": other})
    means = {mean.system: (mean.mean.value, mean.num_examples) for mean in ranked(both, "wit")}
    assert means == {"one": (1.5, 20), "other": (1.5, 10)}
    (pair,) = neighbours(both, "wit")
    assert (pair.paired.difference.value, pair.paired.num_examples) == (1.5, 10)


def test_under_ten_examples_systems_have_means_and_no_intervals():
    few = side({"one": [1.0] * 9, "other": [2.0] * 9})
    assert [(mean.system, mean.mean.low) for mean in ranked(few, "wit")] == [("other", None), ("one", None)]
    assert neighbours(few, "wit") == ()


def test_two_systems_are_too_few_for_a_rank_correlation():
    means = {"a": {"wit": 1.0}, "b": {"wit": 2.0}}
    assert system_agreements(means, means, ["wit"]) == ()


def test_a_mean_of_repeats_below_the_highest_score_is_not_at_the_top():
    responses = tuple(Rated("", str(place), {"wit": (3.0, 3.0 if place else 2.0)}) for place in range(12))
    (full,) = saturation_of(Side("judge", responses, {"wit": (0.0, 3.0)}))
    assert full.at_top.value == pytest.approx(11 / 12)
    assert (full.top, full.spread) == (3.0, None)
    (unknown,) = saturation_of(Side("judge", responses[:1], {}))
    assert unknown.top == 2.5
