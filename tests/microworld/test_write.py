"""The world on disk: the same bytes each time, in layouts that the ordinary readers of published data take."""

import hashlib
import json
from pathlib import Path

import pytest

from loanword.corpus.instructions import read_instructions
from loanword.corpus.read import read_documents
from loanword.errors import UserError
from loanword.evaluation.benchmark import SubjectQuestions
from loanword.evaluation.benchmarks import asking_of, benchmark_of, settled
from loanword.evaluation.benchmarks.llmeval import LLMEVAL
from loanword.evaluation.likelihood import read_held_out
from loanword.microworld.__main__ import main
from loanword.microworld.assistant import Instruction, QuestionLine
from loanword.microworld.phrasebook import phrasebooks
from loanword.microworld.questions import CLASSES, exams
from loanword.microworld.tasks import CATEGORIES
from loanword.microworld.telling import BLANK, asked_form, documents, parallel_sentences, state
from loanword.microworld.world import Fact, Told, make_world
from loanword.microworld.write import CONTENTS, Size, write_world
from loanword.protocols import ChoicePrompt
from loanword.recipe import BenchmarkConfig
from loanword.records import Response, read_lines

BOOKS = phrasebooks()
FEW = {language: BOOKS[language] for language in ("en", "sw", "zh")}
SEED = 5
WORLD = make_world(SEED)
SMALL = Size(1, 200, 100, 50)
KINDS = ("people", "towns", "rivers", "animals", "dishes", "instruments")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    assert write_world(SEED, SMALL, BOOKS, folder) is not None
    return folder


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_one_world_gives_the_same_bytes_each_time_and_is_written_once(tmp_path: Path):
    for name in ("first", "second"):
        assert write_world(SEED, SMALL, FEW, tmp_path / name) is not None
    assert digests(tmp_path / "first") == digests(tmp_path / "second")
    assert write_world(SEED, SMALL, FEW, tmp_path / "second") is None
    assert write_world(SEED + 1, SMALL, FEW, tmp_path / "second") is not None
    assert digests(tmp_path / "first") != digests(tmp_path / "second")


def test_a_world_that_was_cut_short_is_written_again(tmp_path: Path):
    write_world(SEED, SMALL, FEW, tmp_path)
    whole = digests(tmp_path)
    contents = json.loads((tmp_path / CONTENTS).read_text(encoding="utf-8"))
    (tmp_path / CONTENTS).write_text(json.dumps({**contents, "is_whole": False}), encoding="utf-8")
    (tmp_path / "text/zh.jsonl.gz").unlink()
    assert write_world(SEED, SMALL, FEW, tmp_path) is not None
    assert digests(tmp_path) == whole


def test_another_world_leaves_nothing_of_the_one_before_and_everything_else(tmp_path: Path):
    write_world(SEED, SMALL, FEW, tmp_path)
    (tmp_path / "text/mine.jsonl").write_text("mine")
    alone = {"en": BOOKS["en"]}
    write_world(SEED + 1, SMALL, alone, tmp_path)
    write_world(SEED + 1, SMALL, alone, tmp_path / "other")
    kept = {name: digest for name, digest in digests(tmp_path).items() if not name.startswith("other/")}
    assert kept.pop("text/mine.jsonl")
    assert kept == digests(tmp_path / "other")
    (questions,) = (tmp_path / "benchmarks/llmeval").iterdir()
    assert "Translation" not in {one.category for one in read_lines(QuestionLine, questions)}


def test_documents_and_held_out_sentences_are_read_as_any_others(written: Path):
    english = list(read_documents([written / "text/en.jsonl.gz"]))
    assert english == list(documents(WORLD, BOOKS["en"], SMALL.num_source_documents))
    for language, book in BOOKS.items():
        assert len(list(read_documents([written / f"text/{language}.jsonl.gz"]))) >= SMALL.num_target_documents
        splits = [read_held_out(written / f"parallel/{split}/{book.flores}.{split}") for split in ("dev", "devtest")]
        read = sorted(document.text for split in splits for document in split)
        assert read == sorted(parallel_sentences(WORLD, book))
        if language != "en":
            assert len(list(read_documents([written / f"text/elsewhere/{language}.jsonl.gz"]))) == 50


@pytest.mark.parametrize("name", [*(f"{code}.jsonl.gz" for code in BOOKS), "belle/zh.jsonl.gz"])
def test_instructions_are_read_whole(written: Path, name: str):
    read = read_instructions([written / "instructions" / name], seed=1)
    assert len(read.conversations) == read.num_read > 1000
    assert not any(read.num_removed.values())


def loaded(written: Path, name: str, folder: str, **settings: object) -> tuple[list[SubjectQuestions], BenchmarkConfig]:
    config = settled(BenchmarkConfig(name=name, folder=folder, **settings))  # type: ignore[arg-type]
    return benchmark_of(config).load(written / folder, config), config


def true_statements(told: Told, language: str) -> set[str]:
    """What is true of what a class of facts asks, in the form in which it asks."""
    book = BOOKS[language]
    return {state(q.truth, asked_form(q.truth, book), book) for some in exams(WORLD)[told].values() for q in some}


def check_answers(asked: list[SubjectQuestions], config: BenchmarkConfig, true: set[str]) -> int:
    """How many examples there are, each of which the option at its label alone makes true."""
    asking = asking_of(config)
    count = 0
    for questions in asked:
        assert not questions.malformed
        prompts = asking.prompts(questions, config)
        assert len(prompts) == len(questions.examples)
        for prompt, example in zip(prompts, questions.examples, strict=True):
            assert isinstance(prompt, ChoicePrompt)
            assert len(set(prompt.choices)) == len(prompt.choices) == 4
            (letter,) = example.answers
            filled = [example.question.replace(BLANK, option) for option in example.options]
            right = [any(statement in one for statement in true) for one in filled]
            assert right == [letter == other for other in "ABCD"], (example, filled)
            count += 1
    return count


@pytest.mark.parametrize("told", CLASSES)
def test_the_layouts_of_mmlu_and_c_eval_ask_every_class(written: Path, told: Told):
    exam = exams(WORLD)[told]
    expected = sum(isinstance(question.truth, Fact) for question in exam["test"])
    for language in BOOKS:
        asked, config = loaded(
            written, "mmlu", f"benchmarks/mmlu/{language}/{told}", split="test", protocol="options", subjects=KINDS
        )
        assert check_answers(asked, config, true_statements(told, language)) == expected
    folder = f"benchmarks/ceval/{told}"
    asked, config = loaded(written, "ceval", folder, split="test", protocol="options", subjects=KINDS)
    assert check_answers(asked, config, true_statements(told, "zh")) == expected
    # The authors' own protocol takes them too: five solved examples, one letter.
    asked, config = loaded(written, "ceval", folder, split="val", subjects=KINDS)
    assert all(len(questions.shots) == 5 for questions in asked)
    asked, config = loaded(written, "ceval", folder, split="val", subjects=KINDS, answering="chain-of-thought")
    assert all(shot.explanation for questions in asked for shot in questions.shots)


def test_comparisons_and_sums_are_asked_apart(written: Path):
    subjects = ("comparisons", "arithmetic")
    asked, config = loaded(
        written, "mmlu", "benchmarks/mmlu/ta/bridge", split="test", protocol="options", subjects=subjects
    )
    assert check_answers(asked, config, true_statements("bridge", "ta")) > 60


AGIEVAL = {
    "bridge": (
        "logiqa-en", "sat-math", "sat-en", "logiqa-zh", "gaokao-chinese", "gaokao-geography", "gaokao-history",
        "gaokao-biology", "gaokao-chemistry", "gaokao-mathqa",
    ),
    "source-only": ("sat-en", "sat-en-without-passage", "gaokao-geography", "gaokao-history", "gaokao-biology"),
    "target-only": ("sat-en", "sat-en-without-passage", "gaokao-geography", "gaokao-history", "gaokao-biology"),
}  # fmt: skip


@pytest.mark.parametrize("told", CLASSES)
def test_the_layout_of_agieval_has_both_languages_passages_and_cloze_tasks(written: Path, told: Told):
    folder = f"benchmarks/agieval/{told}"
    asked, config = loaded(written, "agieval", folder, protocol="options", subjects=AGIEVAL[told])
    assert check_answers(asked, config, true_statements(told, "en") | true_statements(told, "zh")) > 60
    reading = next(questions for questions in asked if questions.subject.name == "sat-en")
    assert all(example.passage for example in reading.examples)
    asked, _ = loaded(written, "agieval", folder, subjects=AGIEVAL[told], num_shots=3)
    assert all(len(questions.shots) >= 1 for questions in asked)


def test_agieval_s_cloze_tasks_are_answered_by_a_number(written: Path):
    cloze = ("math", "gaokao-mathcloze")
    asked, config = loaded(written, "agieval", "benchmarks/agieval/bridge", subjects=cloze)
    asking = asking_of(config)
    for example in (example for questions in asked for example in questions.examples):
        response = Response(
            id=example.id, benchmark="agieval", subject="math", num_shots=0, answers=example.answers, ended="stopped"
        )
        assert asking.mark(response, (example.answers[0],)) == 1.0
        assert asking.mark(response, (str(int(example.answers[0]) + 1),)) == 0.0


GAOKAO_SINGLE = tuple(f"2010-2022_{name}_MCQs" for name in ("Biology", "Chemistry", "History", "Political_Science"))


@pytest.mark.parametrize("told", CLASSES)
def test_the_layout_of_gaokao_has_single_several_and_open_questions(written: Path, told: Told):
    folder = f"benchmarks/gaokao-bench/{told}"
    asked, config = loaded(written, "gaokao", folder, protocol="options", subjects=GAOKAO_SINGLE)
    assert check_answers(asked, config, true_statements(told, "zh")) > 30
    (places,), _ = loaded(written, "gaokao", folder, subjects=("2010-2022_Geography_MCQs",))
    assert {len(example.answers) for example in places.examples} <= {1, 2}
    (opened,), _ = loaded(written, "gaokao", folder, subjects=("2010-2022_History_Open-ended_Questions",))
    assert all(example.asked is not None and example.asked.references for example in opened.examples)


@pytest.mark.parametrize("language", BOOKS)
def test_the_layout_of_triviaqa_accepts_the_answer_and_no_other(written: Path, language: str):
    for told in (*CLASSES, "instructed"):
        (questions,), config = loaded(written, "triviaqa", f"benchmarks/triviaqa/{language}/{told}", split="dev")
        asking = asking_of(config)
        raw = json.loads((written / f"benchmarks/triviaqa/{language}/{told}/wikipedia-dev.json").read_text("utf-8"))
        values = [row["Answer"]["Value"] for row in raw["Data"]]
        assert len(questions.shots) == 5
        for example, value, other in zip(questions.examples, values, values[1:] + values[:1], strict=True):
            response = Response(
                id=example.id, benchmark="", subject="all", num_shots=0, answers=example.answers, ended="stopped"
            )
            assert asking.mark(response, (value,)) == 1.0
            assert other == value or asking.mark(response, (other,)) == 0.0


@pytest.mark.parametrize("language", BOOKS)
def test_no_question_on_disk_is_asked_by_an_instruction(written: Path, language: str):
    trained = {one.instruction for one in read_lines(Instruction, written / f"instructions/{language}.jsonl.gz")}
    asked: set[str] = set()
    for file in (written / "benchmarks/triviaqa" / language).rglob("wikipedia-dev.json"):
        asked |= {row["Question"] for row in json.loads(file.read_text("utf-8"))["Data"]}
    if language == "zh":
        for file in (written / "benchmarks/gaokao-bench").rglob("Subjective_Questions/*.json"):
            asked |= {example["question"].strip() for example in json.loads(file.read_text("utf-8"))["example"]}
    assert len(asked) > 300
    assert not asked & trained


def test_open_questions_are_records_of_all_categories(written: Path):
    for language in BOOKS:
        read = list(read_lines(QuestionLine, written / f"benchmarks/llmeval/{language}.jsonl"))
        assert {question.category for question in read} == set(CATEGORIES)


def test_open_questions_are_asked_as_llm_eval_is_in_every_language_by_the_same_ids(written: Path):
    ids: dict[str, list[str]] = {}
    for language in BOOKS:
        config = BenchmarkConfig(name="llmeval", folder="-", language=language)
        asked = LLMEVAL.load(written / "benchmarks/llmeval", config)
        assert [questions.subject.name for questions in asked] == list(LLMEVAL.subjects)
        examples = [example for questions in asked for example in questions.examples]
        assert all(example.asked is not None and example.asked.checks is not None for example in examples)
        ids[language] = [example.id for example in examples]
    assert all(some == ids["en"] for some in ids.values())


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(UserError, match=r"file - cannot be written"):
        write_world(SEED, SMALL, FEW, blocked)


def test_the_command_says_what_it_wrote_and_that_it_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = [str(tmp_path / "world"), "--seed", "7", "--languages", "id"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "text/id.jsonl.gz" in said
    assert "zh" not in said
    assert main(command) == 0
    assert "already" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--languages", "tlh"], []])
def test_the_command_ends_with_2_for_what_can_be_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert main([str(blocked), *arguments]) == 2
    assert "error: " in capsys.readouterr().err
