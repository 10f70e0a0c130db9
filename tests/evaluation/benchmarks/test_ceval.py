import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from loanword.errors import UserError
from loanword.evaluation.benchmark import Subject
from loanword.evaluation.benchmarks.ceval import CEVAL, SUBJECTS, submission
from loanword.evaluation.benchmarks.ceval_answers import answer_only
from loanword.evaluation.grading import grade
from loanword.protocols import ChoicePrompt, OpenPrompt
from loanword.recipe import BenchmarkConfig, GradesConfig
from loanword.records import Response
from tests.evaluation.conftest import LOGIC_VAL, write_csv

GOLDEN = Path(__file__).parents[2] / "golden"
RequireGolden = Callable[[str, str, Iterable[tuple[str, str]]], None]
HEADER = "以下是中国关于逻辑学考试的单项选择题，请选出其中的正确答案。\n\n"


def config(**settings: object) -> BenchmarkConfig:
    return BenchmarkConfig.model_validate(
        {"name": "ceval", "folder": "ceval", "answering": "likelihood", "num_shots": 2} | settings
    )


def prompts(folder: Path, asked: BenchmarkConfig) -> list[ChoicePrompt | OpenPrompt]:
    assert asked.answering
    asking = CEVAL.protocols[asked.protocol][asked.answering]
    return [one for questions in CEVAL.load(folder, asked) for one in asking.prompts(questions, asked)]


def text(prompt: ChoicePrompt | OpenPrompt) -> str:
    return prompt.header + "".join(prompt.shots) + prompt.question


def said(text: str, answer: str = "A", *, num_shots: int = 0, options: Iterable[str] = "甲乙丙丁") -> Response:
    return Response(
        id="logic/val/0",
        benchmark="ceval",
        subject="logic",
        num_shots=num_shots,
        answers=(answer,),
        options=tuple(options),
        texts=(text,),
        ended="stopped",
    )


@pytest.mark.parametrize(
    ("protocol", "answering", "golden"),
    [
        ("official", "likelihood", "ceval_prompt"),
        ("official", "generation", "ceval_prompt"),
        ("official", "chain-of-thought", "ceval_thinking_prompt"),
        ("harness", "likelihood", "ceval_harness_prompt"),
    ],
)
def test_the_prompt_is_that_of_its_protocol(ceval_folder: Path, protocol: str, answering: str, golden: str):
    (prompt,) = prompts(ceval_folder, config(protocol=protocol, answering=answering, subjects=("logic",)))
    assert text(prompt).encode() == (GOLDEN / f"{golden}.txt").read_bytes()
    if isinstance(prompt, OpenPrompt):
        assert (prompt.system, prompt.chat) == ("", False)


def test_the_letter_follows_without_a_space_but_in_the_harness(ceval_folder: Path):
    (official, *_), (harness, *_) = (prompts(ceval_folder, config(protocol=name)) for name in ("official", "harness"))
    assert isinstance(official, ChoicePrompt) and official.choices == ("A", "B", "C", "D")
    assert isinstance(harness, ChoicePrompt) and harness.choices == (" A", " B", " C", " D")


@pytest.mark.parametrize("answering", ["generation", "chain-of-thought"])
def test_a_chat_has_a_system_message_and_the_header_all_the_same(ceval_folder: Path, answering: str):
    (prompt,) = prompts(ceval_folder, config(answering=answering, chat=True, num_shots=0, subjects=("logic",)))
    assert isinstance(prompt, OpenPrompt) and prompt.chat
    assert prompt.system == ("你是一个中文人工智能助手，以下是中国关于逻辑学考试的单项选择题，请选出其中的正确答案。")
    assert text(prompt).startswith(HEADER + "甲、乙、丙三人")


def test_without_shots_the_header_stays(ceval_folder: Path):
    for answering in ("likelihood", "generation", "chain-of-thought"):
        (prompt,) = prompts(ceval_folder, config(answering=answering, num_shots=0, subjects=("logic",)))
        assert (prompt.header, prompt.shots) == (HEADER, ())


def test_base_models_get_five_shots_and_tuned_ones_none():
    assert {name: asking.num_shots for name, asking in CEVAL.protocols["official"].items()} == {
        "likelihood": 5,
        "generation": 0,
        "chain-of-thought": 5,
    }
    assert next(iter(CEVAL.protocols["official"])) == "likelihood"


def test_a_statement_is_the_question_and_one_of_its_options(ceval_folder: Path):
    header, *rows = LOGIC_VAL
    rows = [
        *rows,
        ["1", "哪一个是真的？", "甲", "乙", "丙", "丁", "A"],
        ["2", "____先于____。", "桥，路", "路，桥", "甲", "乙", "B"],
    ]
    write_csv(ceval_folder / "val" / "logic_val.csv", [header, *rows])
    stated, cued, twice = prompts(ceval_folder, config(protocol="options", subjects=("logic",)))
    shots = (
        "如果所有的灯都亮着，那么下列哪一项必然为真？没有灯是灭的\n\n"
        "“天下雨，则地湿。”地不湿，可知天没有下雨\n\n"
    )  # fmt: skip
    assert text(stated) == shots + "甲、乙、丙三人中只有一人说真话。\n甲说：“乙说谎。”下列哪一项正确？"
    assert isinstance(stated, ChoicePrompt) and stated.choices == ("甲", "乙", "丙", "NA")
    assert text(cued) == shots + "哪一个是真的？\n答案："
    assert isinstance(cued, ChoicePrompt) and cued.choices == ("甲", "乙", "丙", "丁")
    assert text(twice) == shots + "____先于____。\n答案："
    alone = prompts(ceval_folder, config(protocol="options-only", subjects=("logic",), num_shots=0))
    assert [text(one) for one in alone] == ["", "", ""]


def test_subjects_of_another_set_are_asked_by_name_and_submitted(ceval_folder: Path):
    write_csv(ceval_folder / "test" / "hai_wai_test.csv", [row[:-1] for row in LOGIC_VAL])
    asked = CEVAL.load(ceval_folder, config(split="test", num_shots=0, subjects=("hai_wai", "law")))
    assert [questions.subject for questions in asked] == [SUBJECTS["law"], Subject("hai_wai", "hai wai", "")]
    given = {example.id: "B" for questions in reversed(asked) for example in questions.examples}
    assert list(submission(given).items()) == [("law", {"0": "B"}), ("hai_wai", {"0": "B"})]
    assert [(score.name, score.subjects) for score in CEVAL.scores([one.subject for one in asked])] == [
        ("accuracy", ("law", "hai_wai")),
        ("over questions", ("law", "hai_wai")),
        ("Humanities", ("law",)),
    ]
    with pytest.raises(UserError, match="no subject is called hai_nei"):
        CEVAL.load(ceval_folder, config(split="test", num_shots=0, subjects=("hai_nei",)))


def test_51_of_52_subjects_are_an_error_that_names_the_missing_one(ceval_folder: Path):
    (ceval_folder / "val" / "law_val.csv").unlink()
    with pytest.raises(UserError, match=r"51 of 52 subjects found, missing: law"):
        CEVAL.load(ceval_folder, config())


def test_a_subject_without_shots_is_an_error_unless_none_are_asked(ceval_folder: Path):
    (ceval_folder / "dev" / "law_dev.csv").unlink()
    with pytest.raises(UserError, match=r"dev - 51 of 52 subjects found, missing: law"):
        CEVAL.load(ceval_folder, config())
    assert all(not prompt.shots for prompt in prompts(ceval_folder, config(num_shots=0)))


def test_more_shots_than_there_are_is_an_error(ceval_folder: Path):
    with pytest.raises(UserError, match="2 examples, num_shots is 5"):
        CEVAL.load(ceval_folder, config(num_shots=5))


def test_a_missing_folder_says_what_belongs_there(tmp_path: Path):
    with pytest.raises(UserError, match=r"(?s)folder not found.*val/\*_val\.csv.*52 subjects"):
        CEVAL.load(tmp_path / "nowhere", config())


def test_questions_whose_labels_are_withheld_are_asked_without_an_answer(ceval_folder: Path):
    asked = CEVAL.load(ceval_folder, config(split="test"))
    assert {example.answers for questions in asked for example in questions.examples} == {()}
    assert all(shot.answers for questions in asked for shot in questions.shots)
    withheld, labelled = (
        [text(prompt) for prompt in prompts(ceval_folder, config(split=split))] for split in ("test", "val")
    )
    assert withheld == labelled


def test_labels_of_the_test_split_are_used_where_the_release_has_them(ceval_folder: Path):
    for name in SUBJECTS:
        val = (ceval_folder / "val" / f"{name}_val.csv").read_bytes()
        (ceval_folder / "test" / f"{name}_test.csv").write_bytes(val)
    asked = CEVAL.load(ceval_folder, config(split="test"))
    assert {example.answers for questions in asked for example in questions.examples} == {("D",)}


def test_labels_are_withheld_in_the_test_split_only(ceval_folder: Path):
    (ceval_folder / "val" / "law_val.csv").write_text("id,question,A,B,C,D\n0,问题,甲,乙,丙,丁\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"law_val\.csv:1 - no column answer among id, question, A, B, C, D"):
        CEVAL.load(ceval_folder, config())


@pytest.mark.parametrize("column", ["id", "question", "C", "answer"])
def test_a_wrong_column_is_named(ceval_folder: Path, column: str):
    path = ceval_folder / "val" / "law_val.csv"
    header, _, rest = path.read_text(encoding="utf-8").partition("\n")
    renamed = ",".join("spalte" if name == column else name for name in header.split(","))
    path.write_text(f"{renamed}\n{rest}", encoding="utf-8")
    with pytest.raises(UserError, match=rf"law_val\.csv:1 - no column {column} among .*spalte"):
        CEVAL.load(ceval_folder, config())


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("1,问题,甲,乙,丙,A", r":3 - 6 columns\n  expected: 7 columns"),
        ("1,问题,甲,乙,,丁,A", r":3 - option C is empty"),
        ("1, ,甲,乙,丙,丁,A", r":3 - question is empty"),
        (",问题,甲,乙,丙,丁,A", r":3 - id is empty"),
        ("0,问题,甲,乙,丙,丁,A", r":3 - id 0 is that of line 2 too"),
        ("1,问题,甲,乙,丙,丁,E", r":3 - answer 'E'"),
        ("1,问题,甲,乙,丙,丁,Ａ", r":3 - answer 'Ａ'"),
        ("1,问题,甲,乙,丙,丁,", r":3 - answer ''"),
        ('1,"问题,甲,乙,丙,丁,A', r":3 - not CSV"),
    ],
)
def test_a_row_that_is_no_question_names_file_and_line(ceval_folder: Path, row: str, complaint: str):
    path = ceval_folder / "val" / "law_val.csv"
    path.write_text(f"id,question,A,B,C,D,answer\n0,问题,甲,乙,丙,丁,A\n{row}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"law_val\.csv" + complaint):
        CEVAL.load(ceval_folder, config())


def test_a_file_that_is_not_utf8_says_where(ceval_folder: Path):
    (ceval_folder / "val" / "law_val.csv").write_bytes("id,question\n0,法".encode("gb18030"))
    with pytest.raises(UserError, match=r"law_val\.csv:2 - not UTF-8 at byte 14"):
        CEVAL.load(ceval_folder, config())


def test_an_empty_subject_is_an_error(ceval_folder: Path):
    (ceval_folder / "val" / "law_val.csv").write_text("id,question,A,B,C,D,answer\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"law_val\.csv - no questions"):
        CEVAL.load(ceval_folder, config())


def test_shots_of_a_chain_of_thought_need_their_explanations(ceval_folder: Path):
    path = ceval_folder / "dev" / "law_dev.csv"
    path.write_text("id,question,A,B,C,D,answer\n0,问题,甲,乙,丙,丁,A\n1,另问,甲,乙,丙,丁,B\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"dev - no explanation of law/dev/0, law/dev/1\n"):
        CEVAL.load(ceval_folder, config(answering="chain-of-thought"))
    assert CEVAL.load(ceval_folder, config(answering="chain-of-thought", num_shots=0))
    assert CEVAL.load(ceval_folder, config(answering="generation"))


def test_the_shots_are_not_asked(ceval_folder: Path):
    with pytest.raises(UserError, match="split dev with num_shots 2"):
        CEVAL.load(ceval_folder, config(split="dev"))


def test_fewer_examples_can_be_asked_of_each_subject(shared_data: Path):
    asked = CEVAL.load(shared_data / "benchmarks/ceval", config(limit_examples=3))
    assert [len(questions.examples) for questions in asked] == [3] * 52


def test_subjects_are_those_of_the_published_mapping(shared_data: Path):
    published = json.loads((shared_data / "benchmarks/ceval/subject_mapping.json").read_text(encoding="utf-8"))
    assert {name: (subject.title, subject.category) for name, subject in SUBJECTS.items()} == {
        name: (title, category) for name, (_, title, category) in published.items()
    }
    assert Counter(subject.hard for subject in SUBJECTS.values()) == {False: 44, True: 8}


def test_the_mean_over_subjects_is_the_number_to_report_and_hard_stands_beside_it():
    first, hard, questions, *_ = CEVAL.scores([SUBJECTS["law"], SUBJECTS["college_physics"]])
    assert (first.over, hard.name, hard.subjects, questions.over) == (
        "subjects",
        "C-Eval Hard",
        ("college_physics",),
        "questions",
    )


RESPONSES = json.loads((GOLDEN / "ceval_responses.json").read_text(encoding="utf-8"))["responses"]


@pytest.mark.parametrize("rule", ["zero-shot", "few-shot", "chain-of-thought"])
def test_texts_are_graded_as_the_authors_code_grades_them(rule: str):
    # For which labels extract_ans and exact_match (chatgpt.py) or extract_answer (llama.py), run on these texts, give
    # a point. Two labels: an option is called as another's letter, or two share a text.
    asking = CEVAL.protocols["official"]["chain-of-thought" if rule == "chain-of-thought" else "generation"]
    table = [row for row in RESPONSES if row["rule"] == rule]
    for row in table:
        right = {
            letter
            for letter in "ABCD"
            if grade(
                said(row["text"], letter, num_shots=5 * (rule == "few-shot"), options=row["options"]),
                asking,
                GradesConfig(),
            ).outcome
            == "correct"
        }
        assert right == set(row["correct_for"]), row
    assert len(table) >= 20


@pytest.mark.parametrize("text", ["", "不知道。", "答案是", "答案是Ｂ。", "E"])
def test_a_text_without_an_official_answer_is_unparsed(text: str):
    for answering in ("generation", "chain-of-thought"):
        graded = grade(said(text), CEVAL.protocols["official"][answering], GradesConfig())
        assert (graded.outcome, graded.given, graded.score) == ("unparsed", "", 0)


def test_after_shots_a_model_that_goes_on_with_the_next_question_has_answered_before_it():
    assert answer_only(said("B\n\n下一题\nA. 一", num_shots=5)) == ("B",)
    assert answer_only(said("B\n因为", num_shots=5)) is None


def test_robust_extraction_reads_what_the_official_patterns_do_not():
    for answering in ("generation", "chain-of-thought"):
        asking = CEVAL.protocols["official"][answering]
        assert grade(said("答案是Ｂ。", "B"), asking, GradesConfig()).outcome == "unparsed"
        assert grade(said("答案是Ｂ。", "B"), asking, GradesConfig(extraction="robust")).outcome == "correct"


def test_a_submission_has_the_published_form(shared_data: Path):
    folder = shared_data / "benchmarks/ceval"
    asked = CEVAL.load(folder, config(split="test", num_shots=0))
    given = {example.id: "B" for questions in asked for example in questions.examples} | {"law/test/7": ""}
    submitted = submission(given)
    example = json.loads((folder / "submission_example.json").read_text(encoding="utf-8"))
    assert submitted.keys() == example.keys()
    assert all(submitted[subject].keys() >= ids.keys() for subject, ids in example.items())
    assert sum(len(letters) for letters in submitted.values()) == 12342
    assert submitted["law"]["6"] == "B"
    assert submitted["law"]["7"] == "", "no letter is guessed where none was read"


@pytest.mark.parametrize("setting", json.loads((GOLDEN / "ceval.json").read_text(encoding="utf-8")))
def test_prompts_of_the_published_questions_are_those_of_the_authors_code(
    shared_data: Path, require_golden: RequireGolden, setting: str
):
    # The golden file says whose code: methods of hkust-nlp/ceval with the Chinese names of subject_mapping.json, and
    # lm-eval's Task objects, both on rows read as text. Subjects in alphabetical order. Of a chat: system, a zero byte,
    # and what the user says.
    protocol, answering, num_shots, split, *chat = setting.split("/")
    asked = config(protocol=protocol, answering=answering, num_shots=int(num_shots), split=split, chat=bool(chat))
    asked_prompts = sorted(prompts(shared_data / "benchmarks/ceval", asked), key=lambda prompt: prompt.id.split("/")[0])
    require_golden("ceval", setting, [(prompt.id, system(prompt) + text(prompt)) for prompt in asked_prompts])


def system(prompt: ChoicePrompt | OpenPrompt) -> str:
    return f"{prompt.system}\0" if isinstance(prompt, OpenPrompt) and prompt.chat else ""
