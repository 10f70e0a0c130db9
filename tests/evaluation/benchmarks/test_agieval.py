import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from loanword.errors import UserError
from loanword.evaluation.benchmark import Asking, Example, SubjectQuestions
from loanword.evaluation.benchmarks import BENCHMARKS
from loanword.evaluation.benchmarks.agieval import AGIEVAL, second_call
from loanword.evaluation.benchmarks.agieval_answers import (
    chance,
    harness_chance,
)
from loanword.evaluation.benchmarks.agieval_tasks import CLOZE, LETTERS, REPEATED, SEVERAL, SUBJECTS
from loanword.evaluation.grading import grade
from loanword.protocols import ChoicePrompt, OpenPrompt
from loanword.recipe import BenchmarkConfig, GradesConfig
from loanword.records import ChoiceScore, Response
from tests.evaluation.conftest import write_rows

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden" / "agieval.json").read_text("utf-8"))
SETTINGS = {
    "zero-shot": ("generation", 0),
    "zero-shot-CoT": ("chain-of-thought", 0),
    "few-shot": ("generation", 5),
    "few-shot-CoT": ("chain-of-thought", 5),
    "second stage": ("chain-of-thought", 0),
}
OWN = tuple(GOLDEN["items"])


def config(**settings: object) -> BenchmarkConfig:
    defaults = {"name": "agieval", "folder": "agieval", "answering": "generation", "num_shots": 0}
    return BenchmarkConfig.model_validate(defaults | settings)


def asking_of(config: BenchmarkConfig) -> Asking:
    assert config.answering is not None
    return AGIEVAL.protocols[config.protocol][config.answering]


def texts(folder: Path, setting: str, tasks: Sequence[str]) -> dict[str, str]:
    answering, num_shots = SETTINGS[setting]
    how = config(subjects=tasks, answering=answering, num_shots=num_shots)
    asked: dict[str, str] = {}
    for questions in AGIEVAL.load(folder, how):
        for prompt in asking_of(how).prompts(questions, how):
            assert isinstance(prompt, OpenPrompt)
            last = second_call(prompt, GOLDEN["said"]) if setting == "second stage" else prompt
            assert last is not None
            asked[prompt.id] = last.header + "".join(last.shots) + last.question
    return asked


@pytest.mark.parametrize("setting", SETTINGS)
def test_prompts_of_our_own_items_are_the_official_ones(setting: str, agieval_folder: Path):
    asked = texts(agieval_folder, setting, OWN)
    for task, expected in GOLDEN["own"][setting].items():
        assert [text for id, text in asked.items() if id.startswith(f"{task}/")] == expected


@pytest.mark.parametrize("setting", SETTINGS)
def test_all_prompts_of_the_real_files_are_the_official_ones(setting: str, shared_data: Path):
    asked = texts(shared_data / "benchmarks" / "agieval", setting, tuple(SUBJECTS))
    digests = {id: hashlib.sha256(text.encode()).hexdigest() for id, text in asked.items()}
    expected = GOLDEN["real"][setting]
    assert len(expected["prompts"]) == 21
    for id, (digest, length) in expected["prompts"].items():
        assert (digests[id], len(asked[id])) == (digest, length), id
    assert len(asked) == expected["num_prompts"] == 8269
    assert hashlib.sha256("".join(digests.values()).encode()).hexdigest() == expected["sha256"]


# What is asked.


def test_twenty_tasks_are_asked_and_the_repeated_file_only_by_name(agieval_folder: Path):
    names = [questions.subject.name for questions in AGIEVAL.load(agieval_folder, config())]
    assert names == [name for name in SUBJECTS if name != REPEATED]
    assert len(names) == 20
    (repeated,) = AGIEVAL.load(agieval_folder, config(subjects=(REPEATED,)))
    assert repeated.subject.name == REPEATED


def test_tasks_are_in_the_order_and_languages_of_the_official_code():
    assert list(SUBJECTS)[:2] + list(SUBJECTS)[-2:] == ["lsat-ar", "lsat-lr", "math", "gaokao-mathcloze"]
    english = [subject.name for subject in SUBJECTS.values() if subject.category == "English"]
    assert len(english) == 10
    assert "gaokao-english" in english


@pytest.mark.parametrize(("protocol", "number"), [("official", 18), ("harness", 19)])
def test_likelihoods_are_asked_of_tasks_with_options_alone(protocol: str, number: int, agieval_folder: Path):
    asked = AGIEVAL.load(agieval_folder, config(answering="likelihood", protocol=protocol))
    assert len(asked) == number
    assert not {questions.subject.name for questions in asked} & set(CLOZE)
    with pytest.raises(UserError, match="math cannot be answered by likelihood"):
        AGIEVAL.load(agieval_folder, config(answering="likelihood", protocol=protocol, subjects=("math", "lsat-ar")))


def test_the_harness_generates_answers_to_cloze_tasks_alone(agieval_folder: Path):
    asked = AGIEVAL.load(agieval_folder, config(protocol="harness"))
    assert [questions.subject.name for questions in asked] == list(CLOZE)
    with pytest.raises(UserError, match="lsat-ar cannot be answered by generation in the harness protocol"):
        AGIEVAL.load(agieval_folder, config(protocol="harness", subjects=("lsat-ar",)))


def test_folder_v1_itself_may_be_named_and_needs_its_csv_for_shots_alone(agieval_folder: Path):
    v1 = agieval_folder / "v1"
    assert len(AGIEVAL.load(v1, config())) == 20
    with pytest.raises(UserError, match=r"few_shot_prompts\.csv - file not found\n  expected: .*in the folder that"):
        AGIEVAL.load(v1, config(num_shots=1))
    (agieval_folder / "few_shot_prompts.csv").rename(v1 / "few_shot_prompts.csv")
    with pytest.raises(UserError, match=r"few_shot_prompts\.csv - file not found\n  expected: .*beside v1"):
        AGIEVAL.load(agieval_folder, config(num_shots=1))
    assert len(AGIEVAL.load(v1, config(num_shots=1))[0].shots) == 1


def test_a_task_has_at_most_the_shots_that_are_asked_for(agieval_folder: Path):
    one, two = (
        AGIEVAL.load(agieval_folder, config(subjects=("sat-math", "lsat-ar"), num_shots=number)) for number in (1, 2)
    )
    assert [len(questions.shots) for questions in one] == [1, 1]
    assert [len(questions.shots) for questions in two] == [1, 2]


def test_an_empty_label_is_an_answer_that_nothing_earns(agieval_folder: Path):
    (questions,) = AGIEVAL.load(agieval_folder, config(subjects=("jec-qa-kd",)))
    assert questions.examples[1].answers == ("",), "no answers would say that the label is withheld"
    assert questions.malformed == {"jec-qa-kd/1": "the label is empty"}
    assert chance(questions.subject, questions.examples[1]) == 0


def test_the_limit_is_of_each_task(agieval_folder: Path):
    asked = AGIEVAL.load(agieval_folder, config(limit_examples=1))
    assert [len(questions.examples) for questions in asked] == [1] * 20


def test_the_second_call_follows_reasoning_without_shots_alone(agieval_folder: Path):
    for number in (0, 1):
        how = config(subjects=("math",), answering="chain-of-thought", num_shots=number, chat=True)
        (questions,) = AGIEVAL.load(agieval_folder, how)
        (prompt,) = asking_of(how).prompts(questions, how)
        assert isinstance(prompt, OpenPrompt)
        follow_up = second_call(prompt, "one sixth")
        if number:
            assert follow_up is None
        else:
            assert follow_up is not None
            assert follow_up.question == f"{prompt.question}\none sixth\nTherefore, the answer is"
            assert (follow_up.id, follow_up.system, follow_up.chat) == (prompt.id, prompt.system, True)


def test_the_system_turn_is_there_in_chat_alone(agieval_folder: Path):
    for chat in (False, True):
        how = config(subjects=("lsat-ar",), chat=chat)
        (questions,) = AGIEVAL.load(agieval_folder, how)
        (prompt,) = asking_of(how).prompts(questions, how)
        assert isinstance(prompt, OpenPrompt)
        assert (prompt.chat, prompt.system) == (chat, "You are a helpful AI assistant." if chat else "")


def test_letters_follow_a_space_in_english_and_none_in_chinese(agieval_folder: Path):
    how = config(subjects=("lsat-ar", "sat-math", "logiqa-zh"), answering="likelihood")
    choices = {}
    for questions in AGIEVAL.load(agieval_folder, how):
        (prompt,) = asking_of(how).prompts(questions, how)
        assert isinstance(prompt, ChoicePrompt)
        assert prompt.question == GOLDEN["own"]["zero-shot"][questions.subject.name][0]
        choices[questions.subject.name] = prompt.choices
    assert choices == {
        "lsat-ar": (" A", " B", " C", " D", " E"),
        "sat-math": (" A", " B", " C", " D"),
        "logiqa-zh": ("A", "B", "C", "D"),
    }


# The harness.


def scored(example: Example, task: str, index: int, how: BenchmarkConfig, questions: SubjectQuestions) -> Response:
    prompts = asking_of(how).prompts(questions, how)
    (prompt,) = (prompt for prompt in prompts if prompt.id == example.id)
    assert isinstance(prompt, ChoicePrompt)
    nats = tuple(-1.0 if number == index else -2.0 for number in range(len(prompt.choices)))
    score = ChoiceScore(choices=prompt.choices, log_likelihoods_nats=nats, choice_ids=((1,),) * len(nats))
    return Response(
        id=example.id,
        benchmark="agieval",
        subject=task,
        num_shots=0,
        answers=example.answers,
        options=example.options,
        scores=(score,),
        ended="scored",
    )


def test_the_harness_takes_any_letter_of_the_label(agieval_folder: Path):
    how = config(subjects=("jec-qa-kd", "gaokao-mathqa"), protocol="harness", answering="likelihood")
    several, malformed = AGIEVAL.load(agieval_folder, how)
    for questions, expected in ((several, [1, 0, 1, 0]), (malformed, [1, 1, 0, 0])):
        example, task = questions.examples[0], questions.subject.name
        graded = [grade(scored(example, task, i, how, questions), asking_of(how), GradesConfig()) for i in range(4)]
        assert [one.score for one in graded] == expected
        assert harness_chance(questions.subject, example) == 0.5
    assert harness_chance(several.subject, several.examples[1]) == 0


def test_the_harness_scores_options_as_they_are_published(agieval_folder: Path):
    how = config(subjects=("sat-math",), protocol="harness", answering="likelihood")
    (questions,) = AGIEVAL.load(agieval_folder, how)
    (prompt,) = asking_of(how).prompts(questions, how)
    assert isinstance(prompt, ChoicePrompt)
    assert prompt.choices == (" (A)7", " (B)12", " (C)15", " (D)34")
    assert prompt.question == GOLDEN["own"]["zero-shot"]["sat-math"][0]


# Labels, chance, averages.


def test_the_published_labels_that_cannot_be_right_are_listed(shared_data: Path):
    asked = AGIEVAL.load(shared_data / "benchmarks" / "agieval", config(subjects=tuple(SUBJECTS)))
    assert sum(len(questions.examples) for questions in asked) == 8269
    assert sum(len(questions.examples) for questions in asked if questions.subject.name != REPEATED) == 8063
    listed = {questions.subject.name: questions.malformed for questions in asked if questions.malformed}
    assert {name: len(malformed) for name, malformed in listed.items()} == {
        "jec-qa-kd": 1,
        "jec-qa-ca": 1,
        "gaokao-mathqa": 7,
    }
    assert list(listed["jec-qa-kd"].values()) == ["the label is empty"]
    for questions in asked:
        wrong = [example for example in questions.examples if example.id in questions.malformed]
        assert all(chance(questions.subject, example) == 0 for example in wrong)
        assert all(example.answers for example in questions.examples), "every example is labelled"


def test_the_examples_with_other_than_one_letter_are_as_many_as_published(shared_data: Path):
    asked = AGIEVAL.load(shared_data / "benchmarks" / "agieval", config(subjects=SEVERAL))
    several = {
        questions.subject.name: sum(
            example.answers not in {(letter,) for letter in LETTERS} for example in questions.examples
        )
        for questions in asked
    }
    assert several == {"jec-qa-kd": 521, "jec-qa-ca": 467, "gaokao-physics": 35}


def test_sat_en_without_passage_repeats_the_questions_of_sat_en(shared_data: Path):
    whole, without = AGIEVAL.load(shared_data / "benchmarks" / "agieval", config(subjects=("sat-en", REPEATED)))
    assert [(e.question, e.options, e.answers) for e in whole.examples] == [
        (e.question, e.options, e.answers) for e in without.examples
    ]
    assert all(example.passage for example in whole.examples)
    assert not any(example.passage for example in without.examples)


def test_averages_are_over_tasks_and_leave_the_repeated_file_out():
    every = list(SUBJECTS.values())
    scores = {score.name: score for score in AGIEVAL.scores(every)}
    assert next(iter(scores)) == "average"
    assert len(scores["average"].subjects) == 20
    assert REPEATED not in scores["average"].subjects + scores["English average"].subjects
    assert {scores[f"{language} average"].over for language in ("English", "Chinese")} == {"subjects"}
    assert [len(scores[f"{language} average"].subjects) for language in ("English", "Chinese")] == [9, 11]
    assert len(scores["average of all files"].subjects) == len(scores["over questions"].subjects) == 21
    without = [subject for subject in every if subject.name != REPEATED]
    assert "average of all files" not in {score.name for score in AGIEVAL.scores(without)}
    assert AGIEVAL.scores([SUBJECTS[REPEATED]])[0].subjects == (REPEATED,)


def test_agieval_can_be_named_in_a_study_file():
    assert BENCHMARKS["agieval"] is AGIEVAL


# Bad input.


@pytest.mark.parametrize(
    ("task", "change", "what"),
    [
        ("sat-math", lambda row: row | {"options": row["options"][:3]}, "3 options\n  expected: 4 options"),
        ("lsat-ar", lambda row: row | {"options": row["options"][:4]}, "4 options\n  expected: 5 options"),
        ("sat-math", lambda row: row | {"options": None}, "0 options"),
        ("sat-math", lambda row: row | {"options": ["(A)1", " ", "(C)3", "(D)4"]}, "an option is empty"),
        ("sat-math", lambda row: row | {"label": "E"}, "label 'E'\n  expected: letters from A to D"),
        ("sat-math", lambda row: row | {"label": "b"}, "label 'b'"),
        ("sat-math", lambda row: row | {"label": ""}, "label ''"),
        ("sat-math", lambda row: row | {"label": None}, "label None"),
        ("jec-qa-kd", lambda row: row | {"label": ["A", "F"]}, r"label \('A', 'F'\)"),
        ("sat-math", lambda row: row | {"label": 2}, "label"),
        ("math", lambda row: row | {"answer": None}, "answer None\n  expected: an expression"),
        ("math", lambda row: row | {"question": " "}, "the question is empty"),
        ("math", lambda row: {key: row[key] for key in row if key != "question"}, "question: missing"),
        ("math", lambda row: row | {"hint": "?"}, "hint: unknown key"),
        ("math", lambda row: [row], "input should be an object"),
    ],
)
def test_a_bad_row_names_file_and_line(
    task: str, change: Callable[[dict[str, Any]], object], what: str, agieval_folder: Path
):
    row = GOLDEN["items"][task][0]
    write_rows(agieval_folder / "v1" / f"{task}.jsonl", [row, change(row)])
    with pytest.raises(UserError, match=rf"{task}\.jsonl:2 - .*{what}") as raised:
        AGIEVAL.load(agieval_folder, config(subjects=(task,)))
    assert raised.value.where.endswith(f"{task}.jsonl:2")


def test_a_line_that_is_cut_off_names_file_and_line(agieval_folder: Path):
    path = agieval_folder / "v1" / "math.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(UserError, match=r"math\.jsonl:1 - "):
        AGIEVAL.load(agieval_folder, config())


def test_bytes_that_are_not_utf8_are_an_error_of_the_file(agieval_folder: Path):
    (agieval_folder / "v1" / "math.jsonl").write_bytes(b'{"question": "\xff"}')
    with pytest.raises(UserError, match=r"math\.jsonl - not UTF-8 at byte 14"):
        AGIEVAL.load(agieval_folder, config())


def test_an_empty_file_is_an_error_and_an_empty_line_is_not(agieval_folder: Path):
    path = agieval_folder / "v1" / "math.jsonl"
    path.write_text(path.read_text("utf-8") + "\n\n", encoding="utf-8")
    assert len(AGIEVAL.load(agieval_folder, config(subjects=("math",)))[0].examples) == 1
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"math\.jsonl - no questions"):
        AGIEVAL.load(agieval_folder, config())


def test_a_missing_task_is_named(agieval_folder: Path):
    (agieval_folder / "v1" / "aqua-rat.jsonl").unlink()
    with pytest.raises(UserError, match="19 of 20 tasks found, missing: aqua-rat"):
        AGIEVAL.load(agieval_folder, config())
    assert len(AGIEVAL.load(agieval_folder, config(subjects=("math",)))) == 1


def test_an_unknown_task_is_refused_by_name(agieval_folder: Path):
    with pytest.raises(UserError, match="no subject is called sat-fr"):
        AGIEVAL.load(agieval_folder, config(subjects=("sat-fr",)))


@pytest.mark.parametrize("settings", [{"answering": "likelihood"}, {"protocol": "harness"}])
def test_shots_are_refused_where_no_protocol_has_them(settings: dict[str, str], agieval_folder: Path):
    with pytest.raises(UserError, match="few-shot prompts are made to be answered in words"):
        AGIEVAL.load(agieval_folder, config(num_shots=3, **settings))


def test_more_shots_than_any_task_has_are_refused(agieval_folder: Path):
    with pytest.raises(UserError, match="6 shots, the benchmark has three to 5 of a task"):
        AGIEVAL.load(agieval_folder, config(num_shots=6))


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda text: text.replace("logiqa-zh", "logiqa"), "no column logiqa-zh"),
        (lambda text: text.replace("sample 1,", "sample 1,,"), "rows are missing or of another width"),
        (lambda text: text.replace("They are two.\n\nSo B.", ""), "1 examples of lsat-ar, 0 explanations"),
        (lambda text: text.replace("{'passage': 'Two cats", "{'passage': Two cats"), r"csv:2 \(lsat-ar\) - no example"),
        (
            lambda text: text.replace("'question': 'How many", "'asked': 'How many"),
            r"csv:2 \(lsat-ar\) - .*unknown key",
        ),
    ],
)
def test_a_bad_file_of_shots_is_an_error(spoil: Callable[[str], str], what: str, agieval_folder: Path):
    path = agieval_folder / "few_shot_prompts.csv"
    spoiled = spoil(path.read_text("utf-8"))
    assert spoiled != path.read_text("utf-8")
    path.write_text(spoiled, encoding="utf-8")
    with pytest.raises(UserError, match=what):
        AGIEVAL.load(agieval_folder, config(num_shots=1))
