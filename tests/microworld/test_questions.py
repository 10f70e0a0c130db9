"""Questions with options: balanced, apart by class, and with no answer in what is seen of the options alone."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loanword.microworld.questions import ARITHMETIC, CLASSES, COMPARISONS, LETTERS, SUBJECTS, Split, exams
from loanword.microworld.world import Fact, Order, Sum, Told, make_world

WORLD = make_world(5)
EXAMS = exams(WORLD)
LARGE = exams(make_world(5, scale=20))


@pytest.mark.parametrize("told", CLASSES)
def test_a_class_asks_for_its_own_facts_and_shows_what_everybody_is_told(told: Told):
    dev = set(EXAMS["bridge"]["dev"])
    splits: tuple[Split, ...] = ("val", "test")
    for split in splits:
        facts = [question.truth for question in EXAMS[told][split] if isinstance(question.truth, Fact)]
        assert facts
        assert {fact.told for fact in facts} == {told}
        assert not {question.truth for question in dev} & set(facts)
    shown = [question.truth for question in EXAMS[told]["dev"] if isinstance(question.truth, Fact)]
    assert {fact.told for fact in shown} == {"bridge"}


def test_every_fact_is_asked_for_once():
    asked = Counter(q.truth for told in CLASSES for s in ("val", "test") for q in EXAMS[told][s])
    asked.update(question.truth for question in EXAMS["bridge"]["dev"])
    assert set(asked.values()) == {1}
    assert {truth for truth in asked if isinstance(truth, Fact)} == set(WORLD.facts)
    assert {truth for truth in asked if isinstance(truth, Sum)} == {one for one in WORLD.sums if one.held_out}
    assert {truth for truth in asked if isinstance(truth, Order)} <= {one for one in WORLD.orders if one.held_out}


def test_every_subject_has_five_solved_examples_and_something_in_each_split():
    for told in CLASSES:
        subjects = [*SUBJECTS.values(), *((COMPARISONS, ARITHMETIC) if told == "bridge" else ())]
        for split in ("dev", "val", "test"):
            counts = Counter(question.subject for question in EXAMS[told][split])
            assert set(counts) == set(subjects)
            assert split != "dev" or set(counts.values()) == {5}


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_options_differ_and_one_alone_is_right(seed: int):
    world = make_world(seed)
    known = {(fact.about, fact.subject): fact.value for fact in world.facts}
    for told, exam in exams(world).items():
        for question in [q for some in exam.values() for q in some]:
            assert len(set(question.options)) == len(LETTERS), (told, question)
            truth = question.truth
            if isinstance(truth, Fact):
                assert question.right == truth.value
                assert truth.subject not in question.options
                if truth.about == "neighbour":
                    assert not [one for one in question.options if known[truth.about, one] == truth.subject]
            elif isinstance(truth, Sum):
                assert [int(option) == truth.first + truth.second for option in question.options].count(True) == 1
            else:
                assert [_holds(truth, question.blank, option, known) for option in question.options].count(True) == 1
                assert _holds(truth, question.blank, question.right, known)


def _holds(order: Order, blank: str, option: str, known: dict) -> bool:
    more, less = (option, order.less) if blank == "more" else (order.more, option)
    first, second = (int(known[order.attribute, name]) for name in (more, less))
    return first < second if order.attribute == "founded" else first > second


@pytest.mark.parametrize("told", CLASSES)
def test_every_letter_is_right_as_often(told: Told):
    for split in ("val", "test"):
        counts = Counter(question.answer for question in EXAMS[told][split])
        assert max(counts[letter] for letter in LETTERS) - min(counts[letter] for letter in LETTERS) <= 1


@pytest.mark.parametrize("told", CLASSES)
def test_an_option_is_right_about_as_often_as_chance_has_it(told: Told):
    """In a larger world, where a share is a share: the best rule that sees options alone does hardly better."""
    right: Counter[tuple[str, str]] = Counter()
    shown: Counter[tuple[str, str]] = Counter()
    for question in LARGE[told]["test"]:
        if question.subject not in (COMPARISONS, ARITHMETIC):
            right[question.truth.about, question.right] += 1
            shown.update((question.truth.about, option) for option in question.options)
    words = [key for key in shown if shown[key] >= 40]
    assert len(words) >= 20
    assert all(0.15 < right[key] / shown[key] < 0.35 for key in words)


def test_a_sum_is_of_any_rank_among_its_options():
    ranks = Counter(
        sorted(map(int, question.options)).index(int(question.right))
        for split in ("val", "test")
        for question in EXAMS["bridge"][split]
        if question.subject == ARITHMETIC
    )
    assert max(ranks.values()) - min(ranks.values()) <= 4


def test_whoever_is_longer_or_older_is_no_better_guess_in_comparisons():
    """The rule `name the largest` would win where only larger ones were asked for."""
    world = make_world(5, scale=20)
    known = {(fact.about, fact.subject): int(fact.value) for fact in world.facts if fact.value.isdigit()}
    hits: dict[str, list[bool]] = defaultdict(list)
    for question in [q for s in ("val", "test") for q in LARGE["bridge"][s] if q.subject == COMPARISONS]:
        assert isinstance(question.truth, Order)
        values = {option: known[question.truth.attribute, option] for option in question.options}
        hits["largest"].append(values[question.right] == max(values.values()))
        hits["smallest"].append(values[question.right] == min(values.values()))
    assert len(hits["largest"]) > 100
    assert all(0.3 < sum(found) / len(found) < 0.7 for found in hits.values())
