import json
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.evaluation.judging.judge import judge_facts, judge_responses
from loanword.evaluation.judging.rate import rated
from loanword.evaluation.judging.rules import bigram_f1, holds_words, num_sentences, rule_scores
from loanword.microworld.phrasebook import phrasebooks
from loanword.microworld.tasks import Task, Telling, make_tasks
from loanword.microworld.world import make_world
from loanword.protocols import Work
from loanword.recipe.judging import JudgementsConfig
from loanword.records import Execution, Properties, Response
from tests.evaluation.judging.serving import NEVER_GIVEN, Place, checked, response

RULES = JudgementsConfig(kind="rules", rubric="rules")
BOOKS = phrasebooks()
WORLD = make_world(5)


def tasks(code: str) -> list[Task]:
    return list(make_tasks(Telling(WORLD, BOOKS[code], BOOKS["en"], reserved=True), BOOKS["zh"]))


def said(task: Task, text: str) -> Response:
    checks = {name: getattr(task, name) for name in ("accepted", "refused", "properties", "input")}
    return checked(1, text, **checks)


@pytest.mark.parametrize("code", ["sw", "zh", "ur"])
def test_the_worlds_own_references_earn_everything(code: str):
    rated_items: Counter[str] = Counter()
    for task in tasks(code):
        scores = rule_scores(said(task, task.output))
        rated_items.update(scores.keys())
        assert set(scores.values()) == {3.0}, (task, scores)
    assert rated_items["accuracy"] > rated_items["form"] > 50


@pytest.mark.parametrize("code", ["sw", "zh", "ur"])
def test_references_of_other_questions_rarely_earn_anything(code: str):
    asked = [task for task in tasks(code) if task.accepted]
    others = [*asked[7:], *asked[:7]]
    wrong = [rule_scores(said(task, other.output))["accuracy"] for task, other in zip(asked, others, strict=True)]
    assert sum(score == 3.0 for score in wrong) < 0.1 * len(asked)


@pytest.mark.parametrize(
    ("text", "sought"),
    [
        ("It is a Cat.", "cat"),
        ("(cat)", "cat"),
        ("the cat's tail", "cat"),
        ("a big  red\ncat", "red cat"),
        ("It takes 12.", "12"),
        ("12km", "12"),
        ("१२ दिन", "12"),
        ("答案是12，3个人", "12"),
        ("它在红河边。", "红河"),
        ("答案是A。", "A"),
        ("ｃａｔ", "cat"),
        ("서울입니다", "서울"),
        ("คำตอบคือแมวครับ", "แมว"),
        ("बिल्ली\u200d है", "बिल्ली"),
        ("سؤال: قطة؟", "قطة"),
        ("concatenate a cat", "cat"),
        ("pages 3-5", "5"),
        ("5 - 3", "3"),
        ("- 5 apples", "5"),
        ("A-5", "5"),
        ("x = −5", "−5"),
        ("2 500 people", "2500"),
        ("2500", "2 500"),
        ("In line 2\n500 people", "500"),
        ("in 2024 500 people", "500"),
    ],
)
def test_whole_words_and_numbers_are_found(text: str, sought: str):
    assert holds_words(text, sought)


@pytest.mark.parametrize(
    ("text", "sought"),
    [
        ("concatenate", "cat"),
        ("cats", "cat"),
        ("112", "12"),
        ("1.12 m", "12"),
        ("12.5", "12"),
        ("1,200", "200"),
        ("-5", "5"),
        ("答案是-5", "5"),
        ("−5", "5"),
        ("-15", "-5"),
        ("1/2", "2"),
        ("1/2", "1"),
        ("½", "2"),
        ("2 500", "500"),
        ("2\u202f500", "2"),
        ("1 234 567", "234"),
        ("DNA是", "A"),
        ("बिल्लियाँ", "बिल्ल"),
        ("بالقطة", "قطة"),
        ("", "cat"),
        ("cat", ""),
    ],
)
def test_parts_of_words_and_numbers_are_not(text: str, sought: str):
    assert not holds_words(text, sought)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("One. Two! Three?", 3),
        ("About 3.5 km, e.g. here. So.", 3),
        ("一句。两句！三句？“四句。”", 4),
        ("یہ ایک ہے۔ یہ دو ہے۔", 2),
        ("यह एक है। यह दो है।", 2),
        ("هل هذا؟ نعم.", 2),
        ("One\nTwo without an end", 2),
        ("...", 0),
        ("", 0),
        ("Wait... what?", 2),
    ],
)
def test_sentences_end_as_their_scripts_end_them(text: str, number: int):
    assert num_sentences(text) == number


@pytest.mark.parametrize("text", ["." * 200_000 + "x", "a " + '."' * 100_000 + "x", "。" * 200_000, "1 " * 100_000])
def test_a_text_that_goes_on_and_on_is_read_in_little_time(text: str):
    start = time.process_time()
    num_sentences(text)
    holds_words(text, "5")
    assert time.process_time() - start < 2.0


def test_nothing_is_no_right_answer_where_only_wrong_ones_are_known():
    assert rule_scores(checked(1, " \n", refused=("blue",))) == {"accuracy": 0.0}
    assert rule_scores(checked(1, "", refused=("blue",))) == {"accuracy": 0.0}


def test_one_refused_answer_spoils_an_accepted_one():
    asked = {"accepted": ("red", "crimson"), "refused": ("blue",)}
    assert rule_scores(checked(1, "It is crimson.", **asked)) == {"accuracy": 3.0}
    assert rule_scores(checked(1, "It is red or blue.", **asked)) == {"accuracy": 0.0}
    assert rule_scores(checked(1, "It is green.", **asked)) == {"accuracy": 0.0}
    assert rule_scores(checked(1, "It is green.", refused=("blue",))) == {"accuracy": 3.0}


def test_mentions_and_form_earn_their_shares():
    seen = Properties(mentions=("Mira", "Tol"), min_sentences=2, num_lines=2, shorter_than_input=True)
    one = checked(1, "Mira lives here.", properties=seen, input="Mira lives here, by the river.")
    assert rule_scores(one) == {"accuracy": 1.5, "form": 1.0}
    both = checked(1, "Mira is here.\n\nTol too.", properties=seen, input="Mira lives here, by the river.")
    assert rule_scores(both) == {"accuracy": 3.0, "form": 3.0}


def test_nothing_is_neither_another_text_nor_a_shorter_one():
    seen = Properties(differs_from_input=True, shorter_than_input=True)
    assert rule_scores(checked(1, " ", properties=seen, input="Some text.")) == {"form": 0.0}
    assert rule_scores(checked(1, "SOME text.", properties=seen, input="Some text.")) == {"form": 0.0}
    assert rule_scores(checked(1, "Some.", properties=seen, input="Some text.")) == {"form": 3.0}


def test_overlap_is_the_f1_of_pairs_of_characters():
    # ab bc cd and bc cd de: two of three are shared.
    assert bigram_f1("ab cd", "b cde") == pytest.approx(2 * 2 / 6)
    assert bigram_f1("aaa", "aa") == pytest.approx(2 * 1 / 3), "a pair counts as often as it occurs"
    assert bigram_f1("ｘｙ", "xy") == 1
    assert (bigram_f1("a", "a"), bigram_f1("a", "b"), bigram_f1("", "ab")) == (1, 0, 0)
    assert rule_scores(response(1, "ab cd", references=("b cde",))) == {"overlap": 2.0}


@given(st.text(), st.text())
def test_overlap_is_symmetric_and_whole_for_equal_texts(one: str, other: str):
    assert 0 <= bigram_f1(one, other) == bigram_f1(other, one) <= 1
    assert bigram_f1(one, one) == 1


@given(st.text(), st.sampled_from(["cat", "12", "红河", "बिल्ली"]))
def test_words_that_stand_alone_are_found_in_any_text(text: str, sought: str):
    assert holds_words(f"{text} {sought} {text}", sought)


def test_what_nothing_is_known_of_is_not_rated_and_said(tmp_path):
    place = Place(tmp_path)
    answered = [checked(1, "red", accepted=("red",)), response(2, "free"), response(3, **NEVER_GIVEN)]
    judged = judge_responses(None, answered, RULES, place.work, language="en")
    assert [one.id for one in judged] == ["q1"]
    assert place.heard == [
        "rules rate 1 of 2 responses: the other questions carry no accepted answers, no properties and no reference"
    ]
    facts = judge_facts(RULES, judged)
    assert (facts.kind, facts.num_requests, facts.models) == ("rules", 0, ())
    ratings = rated(answered, judged, facts)
    assert [(one.id, one.outcome, one.scores) for one in ratings] == [
        ("q1", "rated", {"accuracy": 3.0}),
        ("q3", "not answered", {}),
    ]
    assert json.loads(judged[0].replies[0]) == {"scores": {"accuracy": 3.0}}


def test_a_world_that_is_judged_twice_gives_the_same(tmp_path):
    answered = [said(task, task.output[:20]).model_copy(update={"id": task.id}) for task in tasks("sw")]
    work = Work({}, tmp_path, seed=0, execution=Execution())
    once, twice = (judge_responses(None, answered, RULES, work, language="sw") for _ in range(2))
    assert once == twice
    ratings = rated(answered, once, judge_facts(RULES, once))
    assert len(ratings) == len(answered)
    assert {one.outcome for one in ratings} == {"rated"}
