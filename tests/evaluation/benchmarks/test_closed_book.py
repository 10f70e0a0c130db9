import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from loanword.errors import UserError
from loanword.evaluation.benchmark import Benchmark
from loanword.evaluation.benchmarks import BENCHMARKS, asking_of, settled
from loanword.evaluation.benchmarks.closed_book import NQ_OPEN, TRIVIAQA
from loanword.evaluation.benchmarks.free_answers import (
    best_f1,
    exact_match,
    harness_nq_open_text,
    harness_triviaqa_text,
    nq_open_text,
    triviaqa_text,
)
from loanword.evaluation.facts import benchmark_facts
from loanword.evaluation.grading import grade
from loanword.protocols import OpenPrompt
from loanword.recipe import BenchmarkConfig, GradesConfig
from loanword.records import Grade, Response

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "golden" / "closed_book.json").read_text(encoding="utf-8")
)
Rows = Sequence[Mapping[str, Any]]


def config(name: str, **settings: object) -> BenchmarkConfig:
    written = {"name": name, "folder": name, "split": "dev", "num_shots": 2} | settings
    return settled(BenchmarkConfig.model_validate(written))


def write(path: Path, rows: Rows) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[[str], Path]:
    """A folder with the train and dev questions of our own for one benchmark."""

    def folder(name: str) -> Path:
        made = tmp_path / name
        made.mkdir()
        write(made / "train.jsonl", GOLDEN[name]["train"])
        write(made / "dev.jsonl", GOLDEN[name]["dev"])
        return made

    return folder


def texts(benchmark: Benchmark, folder: Path, asked: BenchmarkConfig) -> list[str]:
    (questions,) = benchmark.load(folder, asked)
    prompts = asking_of(asked).prompts(questions, asked)
    assert all(isinstance(prompt, OpenPrompt) for prompt in prompts)
    return [prompt.header + "".join(prompt.shots) + prompt.question for prompt in prompts]


@pytest.mark.parametrize("num_shots", [0, 2])
@pytest.mark.parametrize("name", ["triviaqa", "nq_open"])
def test_harness_prompts_are_those_of_lm_eval(folder_of: Callable[[str], Path], name: str, num_shots: int):
    asked = config(name, protocol="harness", num_shots=num_shots)
    assert texts(BENCHMARKS[name], folder_of(name), asked) == GOLDEN[name]["prompts"][str(num_shots)]


def test_prompts_of_the_published_questions_are_those_of_lm_eval(
    shared_data: Path, require_golden: Callable[[str, str, Iterable[tuple[str, str]]], None]
):
    folder = shared_data / "benchmarks" / "nq_open"
    if not folder.is_dir():
        pytest.skip(f"NQ-open.dev.jsonl is not at {folder}")
    asked = config("nq_open", protocol="harness", num_shots=0)
    (questions,) = NQ_OPEN.load(folder, asked)
    ids = [example.id for example in questions.examples]
    require_golden("nq_open", "harness/generation/0/dev", zip(ids, texts(NQ_OPEN, folder, asked), strict=True))


def test_official_prompts_are_those_of_figure_3(folder_of: Callable[[str], Path]):
    asked = texts(TRIVIAQA, folder_of("triviaqa"), config("triviaqa", num_shots=1))
    assert asked[0] == (
        "Answer these questions:\nQ: Which loaf is baked twice in the harbour of Quennel?\nA: Rusk\n"
        "Q: What is the tallest lighthouse of the Marren coast?\nA:"
    )
    asked = texts(NQ_OPEN, folder_of("nq_open"), config("nq_open", num_shots=1))
    assert asked[0] == (
        "Answer these questions:\nQ: Who built the first glass bridge in orrin?\nA: Mara Teel\n"
        "Q: Where does the river quennel end?\nA:"
    )


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["said"])
def test_scores_are_those_of_the_published_scripts(case: Mapping[str, Any]):
    said, answers = case["said"], case["answers"]
    for name, normalise in (("triviaqa", triviaqa_text), ("nq_open", nq_open_text)):
        assert [exact_match(said, answers, normalise), best_f1(said, answers, normalise)] == case[name]
    assert exact_match(said, answers, harness_triviaqa_text) == case["harness triviaqa"]
    assert exact_match(said, answers, harness_nq_open_text) == case["harness nq_open"]


def graded(asked: BenchmarkConfig, said: str, answers: tuple[str, ...]) -> Grade:
    response = Response(
        id="all/dev/0",
        benchmark=asked.name,
        subject="all",
        num_shots=2,
        answers=answers,
        texts=(said,),
        ended="stopped",
    )
    return grade(response, asking_of(asked), GradesConfig())


def test_any_accepted_answer_is_correct_and_f1_is_that_of_the_nearest():
    official = config("nq_open")
    right = graded(official, " The Marren sea.", ("in the Marren Sea", "the Marren Sea"))
    assert (right.outcome, right.score, right.f1, right.given) == ("correct", 1.0, 1.0, "The Marren sea.")
    near = graded(official, "Marren", ("in the Marren Sea", "the Marren Sea"))
    assert (near.outcome, near.score, near.f1) == ("incorrect", 0.0, pytest.approx(2 / 3))
    assert graded(config("triviaqa", protocol="harness"), "the old widow", ("Old Widow",)).outcome == "incorrect"
    assert graded(config("triviaqa"), "the old widow", ("old widow",)).outcome == "correct"


@pytest.mark.parametrize("said", ["", " \n"])
def test_an_empty_response_is_unparsed(said: str):
    empty = graded(config("nq_open"), said, ("nine",))
    assert (empty.outcome, empty.score, empty.f1) == ("unparsed", 0.0, 0.0)


def test_nothing_is_known_by_chance(folder_of: Callable[[str], Path]):
    asked = config("nq_open")
    facts = benchmark_facts(NQ_OPEN, asked, asking_of(asked), NQ_OPEN.load(folder_of("nq_open"), asked))
    assert [(score["name"], score["measure"], score["chance"]) for score in facts["scores"]] == [
        ("exact match", "score", 0.0),
        ("F1", "f1", 0.0),
    ]


def published(rows: Rows) -> dict[str, Any]:
    """The form of triviaqa's own files."""
    return {
        "Data": [
            {
                "Question": row["question"],
                "QuestionId": row["question_id"],
                "Answer": {
                    "Value": row["answer"]["value"],
                    "Aliases": row["answer"]["aliases"],
                    "NormalizedAliases": [triviaqa_text(alias) for alias in row["answer"]["aliases"]],
                    "HumanAnswers": ["A Wall of Light"],
                },
                "SearchResults": [],
            }
            for row in rows
        ],
        "Domain": "Web",
        "Version": 1.0,
    }


def test_the_published_files_of_triviaqa_are_read(tmp_path: Path):
    for split in ("train", "dev"):
        path = tmp_path / f"unfiltered-web-{split}.json"
        path.write_text(json.dumps(published(GOLDEN["triviaqa"][split]), indent=2), encoding="utf-8")
    (questions,) = TRIVIAQA.load(tmp_path, config("triviaqa", split="val"))
    assert [example.id for example in questions.examples] == ["all/val/0", "all/val/1"]
    assert questions.examples[1].answers == ("eel street", "eel st", "eel street belk", "wall of light")
    assert [shot.answers for shot in questions.shots] == [("Rusk",), ("Ida Voss",)]
    (harness,) = TRIVIAQA.load(tmp_path, config("triviaqa", protocol="harness"))
    assert harness.examples[1].answers == ("Eel Street", "Eel St.", "eel street (Belk)")
    assert harness.shots[0].answers == ("The Rusk",)


def test_a_parquet_file_in_parts_is_one(tmp_path: Path):
    import pyarrow
    import pyarrow.parquet

    for split, rows in (("train", GOLDEN["triviaqa"]["train"]), ("validation", GOLDEN["triviaqa"]["dev"])):
        for number, row in enumerate(rows):
            path = tmp_path / f"{split}-{number:05}-of-{len(rows):05}.parquet"
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    (questions,) = TRIVIAQA.load(tmp_path, config("triviaqa", split="val"))
    assert [example.question for example in questions.examples] == [
        row["question"] for row in GOLDEN["triviaqa"]["dev"]
    ]
    assert len(questions.shots) == 2


def test_a_limit_cuts_and_no_shots_need_no_file(folder_of: Callable[[str], Path]):
    folder = folder_of("nq_open")
    (folder / "train.jsonl").unlink()
    (questions,) = NQ_OPEN.load(folder, config("nq_open", num_shots=0, limit_examples=1))
    assert (len(questions.examples), questions.shots) == (1, ())


def test_without_shots_triviaqa_needs_no_train_file(tmp_path: Path):
    path = tmp_path / "wikipedia-dev.json"
    path.write_text(json.dumps(published(GOLDEN["triviaqa"]["dev"])), encoding="utf-8")
    for protocol, first in (("official", "Answer these questions:\nQ: What is"), ("harness", "Question: What is")):
        asked = config("triviaqa", protocol=protocol, num_shots=0)
        (questions,) = TRIVIAQA.load(tmp_path, asked)
        assert (len(questions.examples), questions.shots) == (len(GOLDEN["triviaqa"]["dev"]), ())
        assert texts(TRIVIAQA, tmp_path, asked)[0].startswith(first)
    with pytest.raises(UserError, match=r"(?s)no file of split train.*or set num_shots = 0"):
        TRIVIAQA.load(tmp_path, config("triviaqa", num_shots=1))


def test_the_shots_are_never_what_is_asked(folder_of: Callable[[str], Path]):
    folder = folder_of("nq_open")
    (folder / "train.jsonl").unlink()
    for split in ("dev", "val"):
        with pytest.raises(UserError, match=r"(?s)no file of split train.*num_shots = 0"):
            NQ_OPEN.load(folder, config("nq_open", split=split))
    write(folder / "test.jsonl", GOLDEN["nq_open"]["train"])
    (questions,) = NQ_OPEN.load(folder, config("nq_open", split="test"))
    assert [shot.question for shot in questions.shots] == [row["question"] for row in GOLDEN["nq_open"]["dev"]]


def test_two_files_of_one_split_are_not_chosen_from(folder_of: Callable[[str], Path]):
    folder = folder_of("nq_open")
    write(folder / "NQ-open.efficientqa.dev.1.1.jsonl", GOLDEN["nq_open"]["dev"])
    with pytest.raises(UserError, match=r"several files are called dev: NQ-open\.efficientqa\.dev\.1\.1\.jsonl, dev"):
        NQ_OPEN.load(folder, config("nq_open"))


def test_a_missing_folder_or_split_says_what_belongs_there(tmp_path: Path):
    with pytest.raises(UserError, match="folder not found"):
        NQ_OPEN.load(tmp_path / "nothing", config("nq_open"))
    with pytest.raises(UserError, match=r"(?s)no file of split test.*a file with test in its name"):
        NQ_OPEN.load(tmp_path, config("nq_open", split="test"))


def test_more_shots_than_rows_are_an_error(folder_of: Callable[[str], Path]):
    with pytest.raises(UserError, match=r"train\.jsonl - 3 rows, num_shots is 5"):
        NQ_OPEN.load(folder_of("nq_open"), config("nq_open", num_shots=5))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": "why", "answer": []}, "no answer is accepted"),
        ({"question": "why", "answer": [" "]}, "no answer is accepted"),
        ({"question": " ", "answer": ["so"]}, "the question is empty"),
        ({"question": "why"}, "no column 'answer'"),
        ({"question": "why", "answer": "so"}, "column 'answer' holds no list"),
        ({"question": "why", "answer": [None]}, r"column 'answer\[0\]' holds nothing"),
        ({"question": None, "answer": ["so"]}, "column 'question' holds nothing"),
        (["why", "so"], "not an object"),
    ],
)
def test_a_row_that_is_no_question_is_an_error_with_its_line(tmp_path: Path, row: Any, said: str):
    write(tmp_path / "dev.jsonl", [GOLDEN["nq_open"]["dev"][0], row])
    with pytest.raises(UserError, match=rf"dev\.jsonl:2 - .*{said}"):
        NQ_OPEN.load(tmp_path, config("nq_open", num_shots=0))


def test_an_answer_without_its_parts_is_an_error_that_names_them(tmp_path: Path):
    write(tmp_path / "dev.jsonl", [{"question": "why?", "answer": {"value": "so"}}])
    with pytest.raises(UserError, match=r"dev\.jsonl:1, answer - no column 'aliases', 'normalized_aliases'"):
        TRIVIAQA.load(tmp_path, config("triviaqa", num_shots=0))
    write(tmp_path / "dev.jsonl", [{"question": "why?", "answer": "so"}])
    with pytest.raises(UserError, match="column 'answer' holds no object"):
        TRIVIAQA.load(tmp_path, config("triviaqa", num_shots=0))


def test_options_are_not_asked_for():
    with pytest.raises(UserError, match="not answered by likelihood"):
        config("triviaqa", answering="likelihood")
