import json
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from loanword.evaluation.benchmarks import BENCHMARKS
from loanword.evaluation.choices import benchmark_facts, grade_choice, responses
from loanword.protocols import ChoicePrompt, ChoiceScores, Progress, silent
from loanword.recipe import BenchmarkConfig
from loanword.records import ChoiceResponse, canonical_json


class Alphabet:
    """A model at the boundary that always likes the last choice best, and sees one shot."""

    def choose(self, prompts: Sequence[ChoicePrompt], progress: Progress = silent) -> list[ChoiceScores]:
        progress(len(prompts), len(prompts), "questions")
        return [ChoiceScores((-4.0, -3.0, -2.0, -1.0), 1, ((1,), (2,), (3,), (4,))) for _ in prompts]


def response(*nats: float, answer: str = "A") -> ChoiceResponse:
    return ChoiceResponse(
        id="x/val/0", benchmark="mmlu", subject="x", num_shots=5, choices=(" A", " B", " C", " D"),
        log_likelihoods_nats=nats, choice_ids=((1,),) * len(nats), answer=answer,
    )  # fmt: skip


def test_responses_come_subject_by_subject_with_the_progress_of_the_whole(ceval_folder: Path):
    ceval = BENCHMARKS["ceval"]
    config = BenchmarkConfig(name="ceval", folder="ceval", num_shots=2, subjects=("law", "logic", "marxism"))
    asked = ceval.load(ceval_folder, config)
    seen: list[tuple[int, int]] = []
    told = responses(Alphabet(), ceval, asked, lambda done, total, unit: seen.append((done, total)))  # pyright: ignore[reportArgumentType]
    made = dict(told)
    assert list(made) == [questions.subject.name for questions in asked] == ["marxism", "law", "logic"]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    (first,) = made["law"]
    assert (first.id, first.subject, first.num_shots, first.answer) == ("law/val/0", "law", 1, "D")
    assert grade_choice(first).outcome == "correct"


def test_facts_name_the_hard_subjects_that_were_asked_and_are_json(ceval_folder: Path):
    ceval = BENCHMARKS["ceval"]
    config = BenchmarkConfig(name="ceval", folder="ceval", num_shots=2, subjects=("college_physics", "logic"))
    facts = benchmark_facts(ceval, config, ceval.load(ceval_folder, config))
    assert facts["hard_subjects"] == ["college_physics"]
    assert facts["subjects"] == {
        "college_physics": {"category": "STEM", "num_examples": 1},
        "logic": {"category": "Humanities", "num_examples": 1},
    }
    assert json.loads(canonical_json(facts)) == facts


def test_the_likeliest_choice_is_what_was_given():
    grade = grade_choice(response(-2.0, -1.0, -3.0, -4.0, answer="B"))
    assert (grade.outcome, grade.given, grade.score) == ("correct", "B", 1.0)
    grade = grade_choice(response(-2.0, -1.0, -3.0, -4.0, answer="A"))
    assert (grade.outcome, grade.given, grade.score) == ("incorrect", "B", 0.0)


def test_a_tie_of_the_best_two_is_unparsed_and_a_tie_below_them_is_not():
    assert grade_choice(response(-1.0, -1.0, -3.0, -4.0)).outcome == "unparsed"
    assert grade_choice(response(-1.0, -2.0, -2.0, -2.0)).outcome == "correct"


def test_a_question_that_did_not_fit_is_unparsed():
    grade = grade_choice(response())
    assert (grade.outcome, grade.given, grade.score) == ("unparsed", "", 0.0)


@settings(deadline=None)
@given(st.lists(st.floats(-50, 0), min_size=4, max_size=4), st.sampled_from("ABCD"))
def test_a_response_is_never_graded_on_a_letter_that_another_equals(nats: list[float], answer: str):
    grade = grade_choice(response(*nats, answer=answer))
    best = [letter for letter, value in zip("ABCD", nats, strict=True) if value == max(nats)]
    assert grade.given == (best[0] if len(best) == 1 else "")
    assert (grade.outcome == "correct") == (best == [answer])
