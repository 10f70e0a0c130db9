"""The invented world before any language tells it."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from loanword.microworld.world import ATTRIBUTES, ENTITIES, WORDS, make_world

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
    assert Counter((fact.subject, fact.attribute) for fact in world.facts) == expected
    assert [fact.number for fact in world.facts] == list(range(len(world.facts)))


def test_facts_split_as_stated_for_every_attribute():
    world = make_world(3)
    for attribute in ATTRIBUTES:
        told = Counter(fact.told for fact in world.facts if fact.attribute == attribute.name)
        assert abs(told["everywhere"] / told.total() - 0.6) < 0.03
        assert abs(told["source"] / told.total() - 0.25) < 0.03
        assert abs(told["targets"] / told.total() - 0.15) < 0.03


def test_a_fact_of_one_side_is_not_told_on_the_other():
    world = make_world(3)
    english, chinese = set(world.told_in("en")), set(world.told_in("zh"))
    assert {fact.told for fact in english - chinese} == {"source"}
    assert {fact.told for fact in chinese - english} == {"targets"}
    assert {fact.told for fact in english & chinese} == {"everywhere"}
    assert english | chinese == set(world.facts)


def test_no_word_is_a_better_guess_than_another():
    world = make_world(3)
    for attribute in ATTRIBUTES:
        counts = Counter(fact.value for fact in world.facts if fact.attribute == attribute.name)
        assert max(counts.values()) - min(counts.values()) <= 1


def test_a_larger_world_has_that_many_more_entities():
    world = make_world(3, scale=4)
    assert {kind: len(names) for kind, names in world.entities.items()} == {k: 4 * n for k, n in ENTITIES.items()}
