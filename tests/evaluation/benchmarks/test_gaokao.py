import hashlib
import json
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from loanword.errors import UserError
from loanword.evaluation.answering import answer, batches
from loanword.evaluation.benchmark import Asking, SubjectQuestions
from loanword.evaluation.benchmarks import BENCHMARKS, asking_of, openness, settled
from loanword.evaluation.benchmarks.gaokao import GAOKAO, SUBJECTS, follow_up
from loanword.evaluation.benchmarks.gaokao_sections import OBJECTIVE, OPEN, SECTIONS
from loanword.evaluation.facts import benchmark_facts
from loanword.evaluation.grading import grade
from loanword.protocols import ChoicePrompt, ChoiceScores, OpenPrompt, Progress, silent
from loanword.recipe import BenchmarkConfig, GradesConfig
from loanword.records import OpenQuestion
from tests.evaluation.models import Ruled

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden" / "gaokao.json").read_text(encoding="utf-8"))
HISTORY, USAGE, PHYSICS = "2010-2022_History_MCQs", "2010-2022_Chinese_Lang_and_Usage_MCQs", "2010-2022_Physics_MCQs"
GEOGRAPHY, CLOZE_TEST = "2010-2022_Geography_MCQs", "2012-2022_English_Cloze_Test"
CORRECTION, POETRY = "2012-2022_English_Language_Error_Correction", "2010-2022_Chinese_Language_Ancient_Poetry_Reading"
BLANKS = "2010-2022_Math_I_Fill-in-the-Blank"


def item(question: str, answer: object, score: float, index: int = 0, **fields: object) -> dict[str, object]:
    given = {"year": "2010", "category": "（自拟）", "question": question, "analysis": "略"}
    return given | {"answer": answer, "score": score, "index": index} | fields


ITEMS = {
    HISTORY: [item(" 1. 桥先于路修成，说明\nA. 河急  B. 路远  C. 桥短  D. 人多\n\n", ["C"], 4)],
    USAGE: [
        item("1. 下列句子没有语病的一项是\nA. 甲  B. 乙  C. 丙  D. 丁", ["B"], 3),
        item("阅读短文，回答三题。\n1. 甲\n2. 乙\n3. 丙", ["A", "D", "B"], 3, index=1),
    ],
    PHYSICS: [item("14. 关于弹簧，正确的有\nA. 甲  B. 乙  C. 丙  D. 丁", ["ABD"], 6)],
    GEOGRAPHY: [item("读图，回答1-2题。\n1. 河流\n2. 山脉\n", ["A", "C"], 4)],
    CLOZE_TEST: [item("A bridge. 36 37 38 39 40\nA. a\nB. b\nC. c\nD. d\nE. e\nF. f\nG. g", list("ECAGF"), 2)],
    CORRECTION: [item("改正短文。只允许修改10处，多者不计分。\nThe old bridge have two arch.\n", "have改为has", 10)],
    POETRY: [item("读诗，回答问题。\n（1）写了什么？", "写了桥。", 11, analysis="诗中有桥。")],
    BLANKS: [item("1+1=____", "2", 5)],
}
ANY = {name: [item("问题\nA. 甲  B. 乙  C. 丙  D. 丁", ["A"], 6)] for name in OBJECTIVE if name not in ITEMS}

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes one file of questions, by default under the keys that are published."""

    def to_folder(name: str, items: object, keyword: str = "keywords", called: str | None = None) -> None:
        part = "Subjective_Questions" if name in OPEN else "Objective_Questions"
        (tmp_path / part).mkdir(exist_ok=True)
        text = json.dumps({keyword: called or name, "example": items}, ensure_ascii=False, indent=1)
        (tmp_path / part / f"{name}.json").write_text(text, encoding="utf-8")

    return to_folder


@pytest.fixture
def folder(tmp_path: Path, write: Write) -> Path:
    """All 14 objective files and three open ones, with questions of our own."""
    for name, items in (ANY | ITEMS).items():
        write(name, items)
    return tmp_path


def config(**settings: object) -> BenchmarkConfig:
    return settled(BenchmarkConfig.model_validate({"name": "gaokao", "folder": "gaokao"} | settings))


def asked(folder: Path, **settings: object) -> tuple[list[SubjectQuestions], Asking, BenchmarkConfig]:
    how = config(**settings)
    return GAOKAO.load(folder, how), asking_of(how), how


def prompts_of(folder: Path, **settings: object) -> list[Any]:
    loaded, asking, how = asked(folder, **settings)
    return [prompt for questions in loaded for prompt in asking.prompts(questions, how)]


def sha256(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def require_golden(part: str, texts_by_id: dict[str, list[str]], num_prompts: int) -> None:
    golden = GOLDEN[part]
    for id, expected in golden["prompts"].items():
        texts = texts_by_id[id]
        assert {"sha256": sha256(texts), "num_characters": sum(map(len, texts))} == expected, id
    assert num_prompts == golden["num_prompts"]
    assert sha256(text for id in sorted(texts_by_id) for text in texts_by_id[id]) == golden["sha256"]


# Prompts


def test_a_single_choice_is_asked_by_the_prompt_and_the_question(folder: Path):
    (prompt,) = prompts_of(folder, subjects=(HISTORY,), chat=True)
    assert prompt == OpenPrompt(
        id=f"{HISTORY}/0",
        header="",
        shots=(),
        question="1. 桥先于路修成，说明\nA. 河急  B. 路远  C. 桥短  D. 人多\n",
        system=(
            "请你做一道历史选择题\n请你一步一步思考并将思考过程写在【解析】和<eoe>之间。你将从A，B，C，D中选出正确的答案，"
            "并写在【答案】和<eoa>之间。\n例如：【答案】: A <eoa>\n完整的题目回答的格式如下：\n【解析】 ... <eoe>\n"
            "【答案】 ... <eoa>\n请你严格按照上述格式作答。\n题目如下："
        ),
        chat=True,
    )


def test_questions_in_several_parts_are_asked_at_once(folder: Path):
    (prompt,) = prompts_of(folder, subjects=(GEOGRAPHY,))
    assert not prompt.chat
    assert prompt.system + prompt.header + prompt.question == (
        "请你做一道地理选择题，其中包含两到三个小题。\n请你一步一步思考。每一题你将从A，B，C，D中选出正确的答案，"
        "并写在【答案】和<eoa>之间。\n例如：（1）【答案】 A <eoa>\n（2）【答案】 B <eoa>\n请你严格按照上述格式作答。\n"
        "读图，回答1-2题。\n1. 河流\n2. 山脉\n"
    )


def test_an_open_question_is_asked_by_generation_where_it_is_named(folder: Path):
    (prompt,) = prompts_of(folder, subjects=(BLANKS,))
    assert prompt.system + prompt.question == (
        "请解答下面的数学填空题\n仔细阅读题目，解答其中的问题，请你一步步思考并将思考过程写在【解析】和<eoe>之间。"
        "请把你的答案写在【答案】和<eoa>之间。\n完整的题目回答格式如下：\n【解析】 ...<eoe>\n【答案】...<eoa>\n"
        "请你严格按照上述格式作答。\n题目如下:1+1=____\n"
    )


@pytest.mark.parametrize(
    ("name", "index", "ends", "choices"),
    [
        (HISTORY, 0, ["D. 人多\n【答案】:"], " A B C D"),
        (PHYSICS, 0, ["D. 丁\n【答案】"], " A B C D"),
        (USAGE, 0, ["D. 丁\n【答案】:"], " A B C D"),
        (USAGE, 1, ["3. 丙\n（1）【答案】:", "3. 丙\n（2）【答案】:", "3. 丙\n（3）【答案】:"], " A B C D"),
        (GEOGRAPHY, 0, ["2. 山脉\n（1）【答案】", "2. 山脉\n（2）【答案】"], " A B C D"),
        (CLOZE_TEST, 0, [f"G. g\n（{number}）【答案】" for number in range(1, 6)], " A B C D E F G"),
    ],
)
def test_likelihood_asks_every_part_by_itself(folder: Path, name: str, index: int, ends: list[str], choices: str):
    prompts = [
        prompt
        for prompt in prompts_of(folder, subjects=(name,), answering="likelihood")
        if prompt.id == f"{name}/{index}"
    ]
    assert [prompt.question[-len(end) :] for prompt, end in zip(prompts, ends, strict=True)] == ends
    assert {prompt.header for prompt in prompts} == set(SECTIONS[name].prompts)
    assert {"".join(prompt.choices) for prompt in prompts} == {choices}


def test_a_text_to_correct_is_compared_with_its_correction_in_a_second_call(folder: Path):
    (first,) = prompts_of(folder, subjects=(CORRECTION,), chat=True)
    second = follow_up(first, "好的。【答案】\nThe old bridge has two arches. <eoa> 以上。")
    assert second is not None
    assert second.question == ("Article 1:\nThe old bridge have two arch.\n\nArticle 2:The old bridge has two arches.")
    assert (second.id, second.system, second.chat) == (first.id, SECTIONS[CORRECTION].prompts[1], True)


def test_nothing_else_is_asked_twice(folder: Path):
    for prompt in prompts_of(folder, subjects=(HISTORY, POETRY, BLANKS)):
        assert follow_up(prompt, "【答案】 A <eoa>") is None


def test_prompts_of_the_published_questions_are_those_the_authors_send(shared_data: Path):
    real = shared_data / "benchmarks/gaokao-bench"
    for part, subjects in (("objective", ()), ("open", tuple(OPEN))):
        prompts = prompts_of(real, subjects=subjects)
        require_golden(part, {p.id: [p.system, p.header + p.question] for p in prompts}, len(prompts))


def test_second_prompts_of_the_published_questions_are_those_the_authors_send(shared_data: Path):
    said = GOLDEN["second call"]["said"]
    first = prompts_of(shared_data / "benchmarks/gaokao-bench", subjects=(CORRECTION,))
    seconds = [follow_up(prompt, said[number % len(said)]) for number, prompt in enumerate(first)]
    texts = {prompt.id: [prompt.system, prompt.question] for prompt in seconds if prompt is not None}
    require_golden("second call", texts, len(seconds))


def test_likelihood_prompts_of_the_published_questions_stay_as_they_are(shared_data: Path):
    prompts = prompts_of(shared_data / "benchmarks/gaokao-bench", answering="likelihood")
    texts: dict[str, list[str]] = {}
    for prompt in prompts:
        texts.setdefault(prompt.id, []).extend([prompt.header + prompt.question, "".join(prompt.choices)])
    require_golden("likelihood", texts, len(prompts))


# Questions


def test_the_published_files_hold_1781_examples_with_2944_parts(shared_data: Path):
    loaded, _, _ = asked(shared_data / "benchmarks/gaokao-bench")
    examples = [example for questions in loaded for example in questions.examples]
    assert [questions.subject.name for questions in loaded] == list(OBJECTIVE)
    assert (len(examples), sum(len(example.answers) for example in examples)) == (1781, 2944)
    # Source: Results/gpt_4_0314_obj/result/correction_score.json (total_score).
    assert sum(example.points for example in examples) == 9702


def test_the_published_open_files_hold_1030_questions_without_a_label_to_mark(shared_data: Path):
    loaded, _, _ = asked(shared_data / "benchmarks/gaokao-bench", subjects=tuple(OPEN))
    examples = [example for questions in loaded for example in questions.examples]
    assert len(examples) == 1030
    assert not any(example.answers for example in examples)
    kept = [example.asked for example in examples if example.asked is not None]
    assert len(kept) == 1030
    assert all("【标准答案】" in one.references[0] and one.checks is None for one in kept)


def test_only_objective_files_are_asked_unless_others_are_named(folder: Path):
    loaded, _, _ = asked(folder)
    assert [questions.subject.name for questions in loaded] == list(OBJECTIVE)


def test_an_open_question_keeps_its_reference_answer_for_a_judge(folder: Path):
    (questions,), _, _ = asked(folder, subjects=(POETRY,))
    (example,) = questions.examples
    references = ("【分析过程】诗中有桥。\n【标准答案】写了桥。",)
    assert example.asked == OpenQuestion(turns=("读诗，回答问题。\n（1）写了什么？",), references=references)
    assert (example.answers, example.points) == ((), 11)


def test_a_text_to_correct_is_one_turn_of_which_the_last_text_is_the_answer(folder: Path):
    (questions,), asking, how = asked(folder, subjects=(CORRECTION,))

    class Corrects(Ruled):
        def says(self, prompt: OpenPrompt) -> str:
            return "【答案】have改为has<eoa>" if "Article 2" in prompt.question else "【答案】It has.<eoa>"

    (response,) = answer(Corrects(), "gaokao", questions, asking, how)
    assert response.texts == ("【答案】It has.<eoa>", "【答案】have改为has<eoa>")
    assert response.asked is not None
    assert len(response.asked.turns) == 1


def test_whether_a_judge_is_needed_follows_from_the_files_that_are_named():
    named = {(): "none", (HISTORY,): "none", (POETRY, BLANKS): "all", (HISTORY, POETRY): "some"}
    assert {subjects: openness(config(subjects=subjects)) for subjects in named} == named


def test_points_are_those_of_all_parts(folder: Path):
    (questions,), _, _ = asked(folder, subjects=(USAGE,))
    assert [example.points for example in questions.examples] == [3, 9]


def test_files_of_either_version_of_the_repository_are_read(folder: Path, write: Write):
    old, _, _ = asked(folder, subjects=(HISTORY,))
    newer = [{**fields, "standard_answer": fields["answer"]} for fields in ITEMS[HISTORY]]
    for fields in newer:
        del fields["answer"]
    write(HISTORY, newer, keyword="keyword")
    assert asked(folder, subjects=(HISTORY,))[0] == old


def test_fewer_examples_can_be_asked_of_each_file(folder: Path):
    (questions,), _, _ = asked(folder, subjects=(USAGE,), limit_examples=1)
    assert len(questions.examples) == 1


# Marks


def test_open_questions_cannot_be_guessed(folder: Path):
    (questions,), asking, _ = asked(folder, subjects=(POETRY,))
    assert asking.chance(questions.subject, questions.examples[0]) == 0


class AlwaysA:
    """Finds ` A` likeliest, whatever is asked."""

    def choose(self, prompts: list[ChoicePrompt], progress: Progress = silent) -> list[ChoiceScores]:
        return [
            ChoiceScores(tuple(-float(index) for index in range(len(prompt.choices))), 0, ((1,),) * len(prompt.choices))
            for prompt in prompts
        ]


def test_likelihood_earns_the_share_of_the_parts_that_are_right(folder: Path):
    loaded, asking, how = asked(folder, answering="likelihood")
    model: Any = AlwaysA()
    grades = {
        said.id: grade(said, asking, GradesConfig())
        for batch in batches(loaded)
        for said in answer(model, "gaokao", batch, asking, how)
    }
    assert grades[f"{USAGE}/1"].score == pytest.approx(1 / 3)
    assert (grades[f"{USAGE}/1"].given, grades[f"{USAGE}/1"].answer) == ("A A A", "A D B")
    assert grades[f"{PHYSICS}/0"].score == 0.5
    assert grades[f"{CLOZE_TEST}/0"].score == pytest.approx(1 / 5)
    assert grades[f"{HISTORY}/0"].score == 0
    assert len(grades) == sum(len(questions.examples) for questions in loaded)


# Numbers


def test_the_scoring_rate_is_points_over_points_of_objective_files(folder: Path):
    loaded, asking, how = asked(folder, subjects=(HISTORY, PHYSICS, POETRY))
    scores = benchmark_facts(GAOKAO, how, asking, loaded)["scores"]
    assert [(score["name"], score["over"]) for score in scores] == [
        ("scoring rate", "points"),
        ("Physics", "points"),
        ("History", "points"),
        ("over questions", "questions"),
    ]
    assert scores[0]["subjects"] == [PHYSICS, HISTORY]
    # ABD in physics: one letter is right in three of four cases, and earns 3 of 6 points.
    assert scores[0]["chance"] == pytest.approx((6 * 3 / 8 + 4 * 1 / 4) / 10)


def test_every_file_of_an_examination_counts_to_it():
    exams = [exam for exam, _ in groupby(section.exam for section in OBJECTIVE.values())]
    reported = GAOKAO.scores([SUBJECTS[name] for name in SUBJECTS])
    assert [score.name for score in reported[1:-1]] == exams
    assert sum(len(score.subjects) for score in reported[1:-1]) == len(reported[0].subjects) == len(OBJECTIVE) == 14
    assert BENCHMARKS["gaokao"] is GAOKAO


# Bad input


def test_a_missing_file_is_named(folder: Path):
    (folder / "Objective_Questions" / f"{HISTORY}.json").unlink()
    with pytest.raises(UserError, match=rf"13 of 14 files found, missing: {HISTORY}"):
        asked(folder)


def test_a_missing_folder_says_what_belongs_there(tmp_path: Path):
    with pytest.raises(UserError, match=r"(?s)0 of 14 files.*Objective_Questions/\*\.json, 14 files"):
        asked(tmp_path / "nowhere")


def test_an_unknown_file_is_refused(folder: Path):
    with pytest.raises(UserError, match="no subject is called 2023_Physics"):
        asked(folder, subjects=("2023_Physics",))


@pytest.mark.parametrize("content", [b'{"keywords": ', b"\xff\xfe", b"[]", b""])
def test_what_is_not_such_a_file_is_refused_with_its_name(folder: Path, content: bytes):
    (folder / "Objective_Questions" / f"{HISTORY}.json").write_bytes(content)
    with pytest.raises(UserError, match=rf"{HISTORY}\.json"):
        asked(folder)


@pytest.mark.parametrize("field", ["question", "answer", "analysis", "index", "score"])
def test_a_missing_field_is_named_with_its_place(folder: Path, write: Write, field: str):
    fields = dict(ITEMS[HISTORY][0])
    del fields[field]
    write(HISTORY, [fields])
    with pytest.raises(UserError, match=rf"{HISTORY}\.json - example\.0\.\w*{field}: missing"):
        asked(folder)


@pytest.mark.parametrize(
    ("name", "wrong", "says"),
    [
        (HISTORY, {"answer": ["E"]}, "index 0 - answer 'E'"),
        (HISTORY, {"answer": ["AB"]}, "index 0 - answer 'AB'"),
        (HISTORY, {"answer": ["A", "B"]}, r"index 0 - answer \['A', 'B'\]"),
        (HISTORY, {"answer": []}, r"index 0 - answer \[\]"),
        (HISTORY, {"answer": "A"}, "index 0 - answer 'A'"),
        (HISTORY, {"score": 0}, r"example\.0\.score: input should be greater than 0 \(got 0\)"),
        (HISTORY, {"score": -4}, r"example\.0\.score: input should be greater than 0 \(got -4\)"),
        (HISTORY, {"question": " \n"}, r"example\.0\.question"),
        (GEOGRAPHY, {"answer": ["A", "a"]}, "index 0 - answer 'a'"),
        (CLOZE_TEST, {"answer": list("ABCDH")}, "index 0 - answer 'H'"),
        (CLOZE_TEST, {"answer": list("ABCD")}, "index 0 - answer"),
        (PHYSICS, {"answer": ["AA"]}, "index 0 - answer 'AA'"),
        (PHYSICS, {"answer": ["AE"]}, "index 0 - answer 'AE'"),
        (PHYSICS, {"answer": [""]}, "index 0 - answer ''"),
        (PHYSICS, {"score": 4}, "index 0 - score 4"),
        (POETRY, {"answer": ["A"]}, r"index 0 - answer \['A'\]"),
        (CORRECTION, {"question": "改正短文。\nThe old bridge have two arch."}, "index 0 - question"),
    ],
)
def test_a_wrong_value_is_refused_with_file_and_place(
    folder: Path, write: Write, name: str, wrong: dict[str, object], says: str
):
    write(name, [ITEMS[name][0] | wrong])
    with pytest.raises(UserError, match=rf"{name}\.json.*{says}"):
        asked(folder, subjects=(name,))


def test_a_file_under_another_name_is_refused(folder: Path, write: Write):
    write(HISTORY, ITEMS[HISTORY], called=PHYSICS)
    with pytest.raises(UserError, match=rf"{HISTORY}\.json - keyword '{PHYSICS}'"):
        asked(folder)


def test_an_index_twice_is_refused(folder: Path, write: Write):
    write(HISTORY, ITEMS[HISTORY] * 2)
    with pytest.raises(UserError, match=rf"{HISTORY}\.json - index 0 twice"):
        asked(folder)


def test_a_file_without_questions_is_refused(folder: Path, write: Write):
    write(HISTORY, [])
    with pytest.raises(UserError, match=rf"{HISTORY}\.json - example"):
        asked(folder)


def test_there_are_no_shots_to_show(folder: Path):
    with pytest.raises(UserError, match=r"benchmarks\.gaokao\.num_shots - .*num_shots is 5"):
        asked(folder, num_shots=5)


def test_open_questions_have_no_likelihood(folder: Path):
    with pytest.raises(UserError, match=rf"open questions have no letters to score: {POETRY}"):
        asked(folder, subjects=(HISTORY, POETRY), answering="likelihood")
