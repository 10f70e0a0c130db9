"""The same questions in two languages."""

from dataclasses import replace

import pytest

from loanword.records import Grade
from loanword.report.consistency import consistencies, consistency_table
from loanword.report.facts import BenchmarkFacts
from loanword.report.gather import RunRecords, read_runs


def grade(number: int, given: str, answer: str = "A") -> Grade:
    return Grade(
        id=f"q/{number}",
        benchmark="mmlu",
        subject="q",
        outcome="unparsed" if not given else "correct" if given == answer else "incorrect",
        score=float(given == answer),
        given=given,
        answer=answer,
        num_shots=0,
    )


def run_of(study, english: list[Grade], chinese: list[Grade]) -> RunRecords:
    run = read_runs(study.runs[:1])[0]
    facts = BenchmarkFacts(name="mmlu", language="en", split="test", protocol="options", answering="likelihood",
                           num_shots=5)  # fmt: skip
    return replace(
        run,
        grades={"in English": tuple(english), "in Chinese": tuple(chinese)},
        benchmarks={"in English": facts, "in Chinese": facts.model_copy(update={"language": "zh"})},
    )


def test_equal_answers_are_alike_and_their_kappa_is_one(study):
    given = ["A", "B", "C", "D"] * 10
    english = [grade(number, letter) for number, letter in enumerate(given)]
    (found,) = consistencies([run_of(study, english, english)])
    assert (found.alike.value, found.kappa, found.both_right, found.num_examples) == (1.0, 1.0, 0.25, 40)
    assert found.by_chance == pytest.approx(0.25)


def test_independent_answers_have_a_kappa_near_zero(study):
    english = [grade(number, "ABCD"[number % 4]) for number in range(160)]
    chinese = [grade(number, "ABCD"[number // 4 % 4]) for number in range(160)]
    (found,) = consistencies([run_of(study, english, chinese)])
    assert found.kappa == pytest.approx(0.0, abs=1e-9)


def test_what_cannot_be_read_is_like_nothing_and_both_sides_are_told_apart(study):
    english = [grade(number, "A" if number < 30 else "") for number in range(40)]
    chinese = [grade(number, "A" if number < 20 else "B" if number < 30 else "") for number in range(40)]
    (found,) = consistencies([run_of(study, english, chinese)])
    assert found.alike.value == 0.5
    assert (found.both_right, found.only_first_right, found.only_second_right) == (0.5, 0.25, 0.0)


def test_sets_whose_answers_differ_are_other_questions(study):
    english = [grade(number, "A") for number in range(40)]
    chinese = [grade(number, "A", answer="B" if number == 39 else "A") for number in range(40)]
    assert consistencies([run_of(study, english, chinese)]) == []
    assert consistency_table([]) is None


@pytest.mark.parametrize("asked", [{"num_shots": 0}, {"chat": True}, {"protocol": "official"}])
def test_questions_that_are_asked_in_another_way_are_no_pair(study, asked: dict):
    english = [grade(number, "A") for number in range(40)]
    run = run_of(study, english, english)
    chinese = BenchmarkFacts.model_validate({**run.benchmarks["in Chinese"].model_dump(), **asked})
    assert consistencies([replace(run, benchmarks={**run.benchmarks, "in Chinese": chinese})]) == []


def test_two_sets_in_one_language_are_no_pair(study):
    english = [grade(number, "A") for number in range(40)]
    run = run_of(study, english, english)
    same = {name: facts.model_copy(update={"language": "en"}) for name, facts in run.benchmarks.items()}
    assert consistencies([replace(run, benchmarks=same)]) == []
