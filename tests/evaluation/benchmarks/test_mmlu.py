import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from loanword.errors import UserError
from loanword.evaluation.benchmark import Subject
from loanword.evaluation.benchmarks.mmlu import MMLU, SUBJECTS, first_letter
from loanword.evaluation.grading import grade
from loanword.protocols import ChoicePrompt, OpenPrompt
from loanword.recipe import BenchmarkConfig, GradesConfig
from loanword.records import Response
from tests.evaluation.conftest import GEOGRAPHY_DEV, GEOGRAPHY_VAL, write_csv

GOLDEN = Path(__file__).parents[2] / "golden"
RequireGolden = Callable[[str, str, Iterable[tuple[str, str]]], None]


def config(**settings: object) -> BenchmarkConfig:
    return BenchmarkConfig.model_validate(
        {"name": "mmlu", "folder": "mmlu", "answering": "likelihood", "num_shots": 2} | settings
    )


def prompts(folder: Path, asked: BenchmarkConfig) -> list[ChoicePrompt | OpenPrompt]:
    assert asked.answering
    asking = MMLU.protocols[asked.protocol][asked.answering]
    return [one for questions in MMLU.load(folder, asked) for one in asking.prompts(questions, asked)]


def text(prompt: ChoicePrompt | OpenPrompt) -> str:
    return prompt.header + "".join(prompt.shots) + prompt.question


def said(text: str, answer: str = "A") -> Response:
    return Response(
        id="anatomy/val/0",
        benchmark="mmlu",
        subject="anatomy",
        num_shots=5,
        answers=(answer,),
        options=("the first", "the second", "the third", "the fourth"),
        texts=(text,),
        ended="stopped",
    )


@pytest.mark.parametrize("answering", ["likelihood", "generation"])
@pytest.mark.parametrize(("protocol", "golden"), [("official", "mmlu_prompt"), ("harness", "mmlu_harness_prompt")])
def test_the_prompt_is_that_of_its_protocol(mmlu_folder: Path, protocol: str, golden: str, answering: str):
    (prompt,) = prompts(
        mmlu_folder, config(protocol=protocol, answering=answering, subjects=("high_school_geography",))
    )
    assert text(prompt).encode() == (GOLDEN / f"{golden}.txt").read_bytes()
    if isinstance(prompt, ChoicePrompt):
        assert prompt.choices == (" A", " B", " C", " D")
    else:
        assert (prompt.system, prompt.chat) == ("", False)


def test_a_chat_is_asked_the_same_text(mmlu_folder: Path):
    plain = prompts(mmlu_folder, config(answering="generation"))
    chat = prompts(mmlu_folder, config(answering="generation", chat=True))
    assert [text(one) for one in chat] == [text(one) for one in plain]
    assert all(isinstance(one, OpenPrompt) and one.chat and not one.system for one in chat)


def test_the_paper_s_five_shots_are_the_default_of_every_protocol_of_others():
    others = [MMLU.protocols[name] for name in ("official", "harness")]
    assert {asking.num_shots for ways in others for asking in ways.values()} == {5}
    assert {next(iter(ways)) for ways in MMLU.protocols.values()} == {"likelihood"}


def test_a_statement_is_the_question_and_one_of_its_options(mmlu_folder: Path):
    blank = ["A delta that is fed by ____ grows first.", "silt", "sand", " None ", "NA", "A"]
    write_csv(mmlu_folder / "val" / "high_school_geography_val.csv", [*GEOGRAPHY_VAL, blank])
    how = {"protocol": "options", "subjects": ("high_school_geography",)}
    cued, stated = prompts(mmlu_folder, config(**how))
    shots = (
        "Which of these is a peninsula?\nAnswer: Iberia\n\n"
        "A map at 1:50,000 shows 4 cm between two wells. They lie\nAnswer: 2 km apart\n\n"
    )
    assert text(cued) == shots + 'What turns first in a delta, "silt" or sand?\nAnswer:'
    assert isinstance(cued, ChoicePrompt) and cued.choices == (" Silt, always", " Sand", " 1.0", " None")
    assert text(stated) == shots + "A delta that is fed by"
    assert isinstance(stated, ChoicePrompt)
    assert stated.choices == (" silt grows first.", " sand grows first.", " None grows first.", " NA grows first.")
    alone = prompts(mmlu_folder, config(**how | {"protocol": "options-only", "num_shots": 0}))
    assert [text(one) for one in alone] == ["", ""]
    assert [one.choices for one in alone if isinstance(one, ChoicePrompt)] == [
        ("Silt, always", "Sand", "1.0", "None"),
        ("silt", "sand", "None", "NA"),
    ]


def test_all_57_subjects_are_asked_in_published_order_and_ids_are_distinct(mmlu_folder: Path):
    asked = MMLU.load(mmlu_folder, config())
    assert [questions.subject for questions in asked] == list(SUBJECTS.values())
    ids = [example.id for questions in asked for example in questions.examples]
    assert len(set(ids)) == len(ids) == 57
    assert ids[0] == "abstract_algebra/val/0"


def test_answers_are_letters_and_none_and_na_are_texts(mmlu_folder: Path):
    (questions,) = MMLU.load(mmlu_folder, config(subjects=("anatomy",)))
    assert [shot.options[3] for shot in questions.shots] == ["None", "NA"]
    assert [example.answers for example in (*questions.shots, *questions.examples)] == [("A",), ("B",), ("A",)]


def test_five_subjects_can_be_asked_where_the_others_are_absent(mmlu_folder: Path):
    (mmlu_folder / "val" / "virology_val.csv").unlink()
    five = ("anatomy", "astronomy", "marketing", "nutrition", "world_religions")
    asked = MMLU.load(mmlu_folder, config(subjects=five))
    assert {questions.subject.name for questions in asked} == set(five)


def test_subjects_of_another_set_are_asked_by_name_where_their_files_are(mmlu_folder: Path):
    for name in ("chess_openings", "bread"):
        write_csv(mmlu_folder / "dev" / f"{name}_dev.csv", GEOGRAPHY_DEV)
        write_csv(mmlu_folder / "val" / f"{name}_val.csv", GEOGRAPHY_VAL)
    assert len(MMLU.load(mmlu_folder, config())) == 57, "they are asked where they are named"
    names = ("chess_openings", "virology", "bread", "anatomy")
    asked = MMLU.load(mmlu_folder, config(subjects=names, language="id"))
    found = [questions.subject for questions in asked]
    assert found == [
        SUBJECTS["anatomy"],
        SUBJECTS["virology"],
        Subject("chess_openings", "chess openings", ""),
        Subject("bread", "bread", ""),
    ]
    assert asked[2].examples[0].id == "chess_openings/val/0"
    first = MMLU.protocols["official"]["likelihood"].prompts(asked[2], config())[0]
    assert first.header == "The following are multiple choice questions (with answers) about  chess openings.\n\n"
    of = tuple(subject.name for subject in found)
    assert [(score.name, score.over, score.subjects) for score in MMLU.scores(found)] == [
        ("accuracy", "questions", of),
        ("mean of subjects", "subjects", of),
        ("Other", "questions", ("anatomy", "virology")),
    ]


def test_a_subject_that_is_neither_published_nor_there_is_refused_by_name(mmlu_folder: Path):
    write_csv(mmlu_folder / "dev" / "bread_dev.csv", GEOGRAPHY_DEV)
    with pytest.raises(UserError, match=r"no subject is called bread\n  expected: any of abstract_algebra, astronomy"):
        MMLU.load(mmlu_folder, config(subjects=("bread",)))
    write_csv(mmlu_folder / "val" / "bread_val.csv", GEOGRAPHY_VAL)
    (mmlu_folder / "dev" / "bread_dev.csv").unlink()
    with pytest.raises(UserError, match=r"dev - 0 of 1 subjects found, missing: bread"):
        MMLU.load(mmlu_folder, config(subjects=("bread",)))
    assert MMLU.load(mmlu_folder, config(subjects=("bread",), num_shots=0))
    write_csv(mmlu_folder / "val" / "a" / "b_val.csv", GEOGRAPHY_VAL)
    with pytest.raises(UserError, match="no subject is called a/b"):
        MMLU.load(mmlu_folder, config(subjects=("a/b",), num_shots=0))


def test_56_of_57_subjects_are_an_error_that_names_the_missing_one(mmlu_folder: Path):
    (mmlu_folder / "val" / "virology_val.csv").unlink()
    with pytest.raises(UserError, match=r"56 of 57 subjects found, missing: virology"):
        MMLU.load(mmlu_folder, config())


def test_an_unknown_subject_is_refused_by_name(mmlu_folder: Path):
    with pytest.raises(UserError, match="no subject is called anatomie"):
        MMLU.load(mmlu_folder, config(subjects=("anatomy", "anatomie")))


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("another,a,b,c,d,E", r":3 - answer 'E'\n  expected: one of A, B, C, D"),
        ("another,a,b,c,d,", r":3 - answer ''"),
        ("another,a,b,c,d,AB", r":3 - answer 'AB'"),
        ("another,a,b,c,A", r":3 - 5 columns\n  expected: 6 columns"),
        ("another,a,b,c,d,e,A", r":3 - 7 columns"),
        ("another,a, ,c,d,A", r":3 - option 2 is empty"),
        (" ,a,b,c,d,A", r":3 - question is empty"),
        ('"another,a,b,c,d,A', r":3 - not CSV"),
        ('"another" one,a,b,c,d,A', r":3 - not CSV"),
    ],
)
def test_a_row_that_is_no_question_names_file_and_line(mmlu_folder: Path, row: str, complaint: str):
    path = mmlu_folder / "val" / "anatomy_val.csv"
    path.write_text(f'"one\nquestion",a,b,c,d,A\n{row}\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"anatomy_val\.csv" + complaint):
        MMLU.load(mmlu_folder, config())


def test_quotes_inside_a_field_are_read_as_they_are_written(mmlu_folder: Path):
    (mmlu_folder / "val" / "anatomy_val.csv").write_text('"say ""one"", two",a,b"c,"x,\ny",d,C\n', encoding="utf-8")
    (questions,) = MMLU.load(mmlu_folder, config(subjects=("anatomy",)))
    assert questions.examples[0].question == 'say "one", two'
    assert questions.examples[0].options == ("a", 'b"c', "x,\ny", "d")


def test_a_file_that_is_not_utf8_says_where(mmlu_folder: Path):
    (mmlu_folder / "dev" / "anatomy_dev.csv").write_bytes("q\u00e9,a,b,c,d,A\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"anatomy_dev\.csv:1 - not UTF-8 at byte 1"):
        MMLU.load(mmlu_folder, config())


def test_categories_have_the_published_sizes():
    sizes = Counter(subject.category for subject in SUBJECTS.values())
    assert sizes == {"STEM": 18, "Humanities": 13, "Social Sciences": 12, "Other": 14}


def test_the_mean_over_questions_is_the_number_to_report():
    first, second, *_ = MMLU.scores([SUBJECTS["anatomy"], SUBJECTS["astronomy"]])
    assert (first.over, second.over) == ("questions", "subjects")


@pytest.mark.parametrize(
    ("text", "given"),
    [
        (" A", "A"),
        ("B", "B"),
        ("\n C.", "C"),
        (" D\n", "D"),
        ("A) the first", "A"),
        ("B, because", "B"),
        (" A man", "A"),  # the piece ` A` comes first, which is what the official script looks at
        ("Although", None),
        ("DNA", None),
        ("B12", None),
        ("A型", None),
        ("a", None),
        ("E", None),
        ("(A)", None),
        ("**B**", None),
        ("Ａ", None),
        ("The answer is A.", None),
        ("the second", None),
        ("", None),
    ],
)
def test_the_official_answer_is_the_letter_that_a_text_begins_with(text: str, given: str | None):
    assert first_letter(said(text)) == (given and (given,))


def test_texts_of_the_harness_are_read_as_lm_eval_reads_them():
    # Which letter lm-eval's filters and exact_match, run on these texts, take for right.
    asking = MMLU.protocols["harness"]["generation"]
    table = json.loads((GOLDEN / "mmlu_responses.json").read_text(encoding="utf-8"))["responses"]
    for row in table:
        outcomes = {letter: grade(said(row["text"], letter), asking, GradesConfig()).outcome for letter in "ABCD"}
        assert {letter for letter in outcomes if outcomes[letter] == "correct"} == set(row["correct_for"]), row
        assert row["correct_for"] or set(outcomes.values()) == {"unparsed"}, row
    assert len(table) >= 30


def test_robust_extraction_reads_what_the_official_rule_does_not():
    asking = MMLU.protocols["official"]["generation"]
    response = said("The answer is B.", "B")
    assert grade(response, asking, GradesConfig()).outcome == "unparsed"
    assert grade(response, asking, GradesConfig(extraction="robust")).outcome == "correct"


@pytest.mark.parametrize("setting", json.loads((GOLDEN / "mmlu.json").read_text(encoding="utf-8")))
def test_prompts_of_the_published_questions_are_those_of_the_authors_code(
    shared_data: Path, require_golden: RequireGolden, setting: str
):
    # The golden file says whose code: the functions of hendrycks/test on rows read as text (pandas with
    # keep_default_na=False), and lm-eval's Task objects on the same rows. Subjects in alphabetical order.
    protocol, answering, num_shots, split = setting.split("/")
    asked = config(protocol=protocol, answering=answering, num_shots=int(num_shots), split=split)
    asked_prompts = sorted(
        prompts(shared_data / "benchmarks/mmlu/data", asked), key=lambda prompt: prompt.id.split("/")[0]
    )
    require_golden("mmlu", setting, [(prompt.id, text(prompt)) for prompt in asked_prompts])
