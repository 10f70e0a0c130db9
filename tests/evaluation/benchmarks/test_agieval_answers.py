import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from loanword.evaluation.benchmarks.agieval import AGIEVAL
from loanword.evaluation.benchmarks.agieval_answers import (
    harness_mark,
    harness_read,
    last_boxed,
    mark,
    read_plain,
    read_reasoned,
    robust_plain,
)
from loanword.evaluation.benchmarks.agieval_tasks import CLOZE, LETTERS, kind
from loanword.evaluation.grading import grade
from loanword.protocols import ChoicePrompt
from loanword.recipe import BenchmarkConfig, GradesConfig
from loanword.records import ChoiceScore, Response

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden" / "agieval.json").read_text("utf-8"))
SETTINGS = ("zero-shot", "zero-shot-CoT", "few-shot", "few-shot-CoT")


def config(**settings: object) -> BenchmarkConfig:
    return BenchmarkConfig.model_validate({"name": "agieval", "folder": "agieval", "num_shots": 0} | settings)


def response(task: str, text: str, label: str | Sequence[str], *, num_shots: int = 0) -> Response:
    num_options = 0 if task in CLOZE else 5 if task.startswith("lsat") else 4
    return Response(
        id=f"{task}/0",
        benchmark="agieval",
        subject=task,
        num_shots=num_shots,
        answers=(label,) if isinstance(label, str) else tuple(label) or ("",),
        options=tuple(f"({letter})option {letter}" for letter in LETTERS[:num_options]),
        texts=(text,),
        ended="stopped",
    )


@pytest.mark.parametrize(("task", "setting", "text", "label", "parsed", "right"), GOLDEN["responses"])
def test_a_response_is_read_and_marked_as_the_authors_do(
    task: str, setting: str, text: str, label: Any, parsed: Any, right: bool
):
    said = response(task, text, label, num_shots=5 if setting.startswith("few-shot") else 0)
    read = read_reasoned if setting.endswith("CoT") else read_plain
    expected = tuple(sorted(set(parsed))) if isinstance(parsed, list) else (parsed,) if parsed else ()
    given = read(said)
    assert given == (expected or None)
    assert (0.0 if given is None else mark(said, given)) == right


def test_the_table_of_responses_covers_every_kind_of_task_and_setting():
    rows = GOLDEN["responses"]
    assert len(rows) >= 60
    assert {(kind(task), setting) for task, setting, *_ in rows} == {
        (asked, setting) for asked in ("single", "several", "cloze") for setting in SETTINGS
    }
    assert sum(right for *_, right in rows) >= 30


def test_a_label_without_letters_is_never_earned_by_saying_nothing():
    asking = AGIEVAL.protocols["official"]["generation"]
    graded = grade(response("jec-qa-kd", "都不对", ()), asking, GradesConfig())
    assert (graded.outcome, graded.score) == ("unparsed", 0.0)


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("\\boxed{1}", "1"),
        ("\\boxed{\\frac{1}{2}} then", "\\frac{1}{2}"),
        ("\\boxed{1}\\boxed{}", ""),
        ("\\boxed{1", None),
        ("\\boxed 1", None),
        ("none", None),
    ],
)
def test_the_last_box_is_read_to_the_brace_that_closes_it(text: str, inside: str | None):
    assert last_boxed(text) == inside


@pytest.mark.parametrize(
    ("task", "text", "label", "right"),
    [
        ("logiqa-zh", "答案是A。", "A", True),
        ("gaokao-mathcloze", "\\boxed{\\frac12}", "$\\frac{1}{2}$", True),
        ("gaokao-mathcloze", "\\boxed{\\frac12}", "\\frac{1}{2}", True),
        ("gaokao-mathcloze", "是 $10$", "$10$", True),
        ("gaokao-mathcloze", "是 $11$", "$10$", False),
        ("jec-qa-kd", "AC", ("A", "C"), True),
        ("jec-qa-kd", "AC", ("A",), False),
        ("gaokao-physics", "B", "B", True),
    ],
)
def test_our_own_reading_is_marked_by_the_same_rules(task: str, text: str, label: Any, right: bool):
    said = response(task, text, label)
    given = robust_plain(said)
    assert given is not None
    assert mark(said, given) == right


def test_our_own_reading_knows_an_option_by_its_text_however_its_letter_is_published():
    options = ("(A)a red kite", "B a blue kite", " C. a green kite", "    D．a kite", "(E)no kite")
    for letter, text in zip("ABCD", ("a red kite", "a blue kite", "a green kite", "a kite"), strict=True):
        said = response("lsat-ar", text, letter).model_copy(update={"options": options})
        assert robust_plain(said) == (letter,)


def test_our_own_reading_guesses_nothing():
    assert robust_plain(response("math", "no idea", "1")) is None
    assert robust_plain(response("lsat-ar", "", "A")) is None
    assert robust_plain(response("jec-qa-kd", "", ("A",))) is None


def test_the_harness_reads_the_label_of_a_cloze_task_as_it_reads_the_answer():
    said = response("gaokao-mathcloze", "是 $10$", "$10$")
    assert harness_read(said) == ("10",)
    assert harness_mark(said, ("10",)) == 1
    assert harness_mark(response("math", "", "\\frac{1}{2}"), ("2",)) == 1, "it reads the last number of the label"
    assert harness_mark(response("math", "", "x"), ("2",)) == 0
    assert harness_read(response("math", "no idea", "1")) is None


@pytest.mark.parametrize("protocol", ["official", "harness"])
def test_random_likelihoods_earn_the_stated_chance(protocol: str, shared_data: Path):
    how = config(answering="likelihood", protocol=protocol)
    asking = AGIEVAL.protocols[protocol]["likelihood"]
    rng = random.Random(0)
    earned: list[float] = []
    stated: list[float] = []
    for questions in AGIEVAL.load(shared_data / "benchmarks" / "agieval", how):
        for example, prompt in zip(questions.examples, asking.prompts(questions, how), strict=True):
            assert isinstance(prompt, ChoicePrompt)
            nats = tuple(rng.random() for _ in prompt.choices)
            score = ChoiceScore(choices=prompt.choices, log_likelihoods_nats=nats, choice_ids=((1,),) * len(nats))
            said = response(questions.subject.name, "", example.answers)
            said = said.model_copy(update={"options": example.options, "scores": (score,), "ended": "scored"})
            earned.append(grade(said, asking, GradesConfig()).score)
            stated.append(asking.chance(questions.subject, example))
    deviation = sum(one * (1 - one) for one in stated) ** 0.5
    assert abs(sum(earned) - sum(stated)) < 3 * deviation


def test_always_naming_a_earns_the_share_of_a(shared_data: Path):
    asked = AGIEVAL.load(shared_data / "benchmarks" / "agieval", config())
    for questions in (one for one in asked if one.subject.name not in CLOZE):
        name = questions.subject.name
        scores = [mark(response(name, "A", example.answers), ("A",)) for example in questions.examples]
        assert sum(scores) == sum(example.answers == ("A",) for example in questions.examples)
