"""The invented world before any language tells it."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from loanword.microworld.world import ATTRIBUTES, ENTITIES, ORDERED, TOLD_SHARES, WORDS, elsewhere, make_world

seeds = st.integers(0, 1000)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_a_seed_makes_one_world(seed: int):
    assert make_world(seed) == make_world(seed)
    assert make_world(seed) != make_world(seed + 1)


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_names_are_distinct_and_are_no_words(seed: int):
    world = make_world(seed)
    names = [name for names in world.entities.values() for name in names]
    assert len(set(names)) == len(names) == sum(ENTITIES.values())
    assert not {name.lower() for name in names} & set(WORDS)


def test_every_entity_has_each_attribute_of_its_kind_once():
    world = make_world(3)
    expected = Counter((name, a.name) for a in ATTRIBUTES for name in world.entities[a.kind])
    assert Counter((fact.subject, fact.about) for fact in world.facts) == expected
    assert [fact.number for fact in world.facts] == list(range(len(world.facts)))


def test_facts_split_as_stated_for_every_attribute():
    world = make_world(3)
    for attribute in ATTRIBUTES:
        told = Counter(fact.told for fact in world.facts if fact.about == attribute.name)
        for each, share in TOLD_SHARES.items():
            assert abs(told[each] / told.total() - share) < 0.03


def test_a_fact_of_one_side_is_not_told_on_the_other():
    world = make_world(3)
    english, chinese = set(world.told_in("en")), set(world.told_in("zh"))
    assert {fact.told for fact in english - chinese} == {"source-only"}
    assert {fact.told for fact in chinese - english} == {"target-only"}
    assert {fact.told for fact in english & chinese} == {"bridge"}
    assert english | chinese == set(world.facts)


def test_no_value_is_a_better_guess_than_another():
    world = make_world(3)
    for attribute in ATTRIBUTES:
        counts = Counter(fact.value for fact in world.facts if fact.about == attribute.name)
        assert max(counts.values()) - min(counts.values()) <= 1


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_nobody_is_its_own_neighbour(seed: int):
    assert not [fact for fact in make_world(seed).facts if fact.subject == fact.value]


@settings(max_examples=20, deadline=None)
@given(seeds)
def test_comparisons_are_true_and_follow_from_facts_that_all_languages_tell(seed: int):
    world = make_world(seed)
    known = {(fact.about, fact.subject): fact for fact in world.facts}
    for order in world.orders:
        more, less = (known[order.attribute, name] for name in (order.more, order.less))
        assert {more.told, less.told} == {"bridge"}
        # What was founded earlier is older.
        bigger, smaller = (less, more) if order.attribute == "founded" else (more, less)
        assert int(bigger.value) > int(smaller.value)
    assert {order.attribute for order in world.orders} == set(ORDERED)
    assert len({frozenset((order.attribute, order.more, order.less)) for order in world.orders}) == len(world.orders)


def test_a_sum_is_held_out_both_ways_round_or_not_at_all():
    sums = make_world(3).sums
    held_out = {(one.first, one.second) for one in sums if one.held_out}
    assert held_out == {(second, first) for first, second in held_out}
    assert 0.2 < len(held_out) / len(sums) < 0.3
    assert all(int(one.value) == one.first + one.second for one in sums)


def test_elsewhere_shares_no_name_and_nothing_that_is_asked():
    world = make_world(3, scale=2)
    other = elsewhere(world)
    assert not set(other.kinds) & set(world.kinds)
    assert len(other.facts) == len(world.facts)
    assert {fact.told for fact in other.facts} == {"bridge"}
    assert not other.orders
    assert not other.sums


def test_a_world_a_hundred_times_as_large_has_that_many_more_entities():
    world = make_world(3, scale=100)
    assert {kind: len(names) for kind, names in world.entities.items()} == {k: 100 * n for k, n in ENTITIES.items()}
    assert len(set(world.kinds)) == 100 * sum(ENTITIES.values())
