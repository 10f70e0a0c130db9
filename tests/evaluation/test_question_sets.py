import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from loanword.errors import UserError
from loanword.evaluation.benchmarks import benchmark_of
from loanword.evaluation.question_sets import QuestionSet, read_set
from loanword.recipe import BenchmarkConfig
from tests.evaluation.conftest import CEVAL_HEADER, write_csv, write_rows


def shouted(asked: QuestionSet, out: Path) -> Path:
    """The set with every text in capitals."""
    asked.write({text.content: text.text.upper() for text in asked.texts}, out)
    return out


def test_a_folder_as_mmlu_becomes_one_that_mmlu_loads(mmlu_folder: Path, tmp_path: Path):
    (mmlu_folder / "README.txt").write_text("About it.", encoding="utf-8")
    out = shouted(read_set(mmlu_folder), tmp_path.parent / f"{tmp_path.name}.sw")
    config = BenchmarkConfig(name="mmlu", folder="-", language="sw", num_shots=2)
    source, target = (benchmark_of(config).load(folder, config) for folder in (mmlu_folder, out))
    assert len(target) == 57
    for one, other in zip(source, target, strict=True):
        assert [example.id for example in one.examples] == [example.id for example in other.examples]
        assert [example.answers for example in (*one.shots, *one.examples)] == [
            example.answers for example in (*other.shots, *other.examples)
        ]
        assert [shot.question for shot in other.shots] == [shot.question.upper() for shot in one.shots]
        assert other.examples[0].options == tuple(option.upper() for option in one.examples[0].options)
    assert (out / "README.txt").read_text(encoding="utf-8") == "About it."


def test_a_folder_as_ceval_becomes_one_that_ceval_loads(ceval_folder: Path, tmp_path: Path):
    out = shouted(read_set(ceval_folder), tmp_path.parent / f"{tmp_path.name}.sw")
    for split in ("val", "test"):
        config = BenchmarkConfig(name="ceval", folder="-", split=split, language="sw", num_shots=2)
        questions = benchmark_of(config).load(out, config)
        assert len(questions) == 52
        assert questions[0].shots[0].explanation == "1. 略"
        assert questions[0].examples[0].id.endswith("/0")


def test_a_table_keeps_its_quotes_line_ends_and_columns(tmp_path: Path):
    rows = [CEVAL_HEADER, ["7", 'a "b",\nc', "x", "y", "z", "w", "A"]]
    path = tmp_path / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    asked = read_set(path)
    assert [(text.line, text.field, text.leading) for text in asked.texts] == [
        (2, "question", True), *((2, letter, False) for letter in "ABCD"),
    ]  # fmt: skip
    assert {text.context for text in asked.texts} == {"", 'a "b",\nc'}
    assert asked.fields == {"translated": ["question", "A", "B", "C", "D"], "others": ["id", "answer"]}
    out = shouted(asked, tmp_path / "a.sw.csv")
    assert path.read_bytes() == b'id,question,A,B,C,D,answer\r\n7,"a ""b"",\nc",x,y,z,w,A\r\n'
    assert out.read_bytes() == b'id,question,A,B,C,D,answer\r\n7,"A ""B"",\nC",X,Y,Z,W,A\r\n'


SHAPES: list[tuple[dict[str, Any], list[str]]] = [
    ({"id": "a", "question": "q", "std_answer": "s", "class": "code"}, ["question"]),
    ({"instruction": "i", "input": "", "output": "o"}, ["instruction", "output"]),
    ({"instruction": "i", "input": None, "output": "o"}, ["instruction", "output"]),
    ({"input": "i", "target": "t"}, ["input", "target"]),
    (
        {"messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]},
        ["messages[0].content", "messages[1].content"],
    ),
    ({"conversations": [{"from": "human", "value": "h"}]}, ["conversations[0].value"]),
    ({"question_id": 81, "category": "writing", "turns": ["one", "two"]}, ["turns[0]", "turns[1]"]),
    ({"question_id": 81, "model_id": "m", "choices": [{"index": 0, "turns": ["one"]}]}, ["choices[0].turns[0]"]),
    (
        {
            "question_uuid": "Rewrite_1",
            "category": "Rewrite",
            "question": "q",
            "reference": "r",
            "input": "i",
            "accepted": ["a"],
            "refused": ["b"],
            "properties": {"mentions": ["m"], "min_lines": 2},
        },
        ["question", "reference", "input", "accepted[0]", "refused[0]", "properties.mentions[0]"],
    ),
    (
        {"passage": "p", "question": "q", "options": ["(A)a", "(B)b"], "label": "A", "answer": None},
        ["question", "passage", "options[0]", "options[1]"],
    ),
    ({"question": "q", "choices": {"text": ["a"], "label": ["A"]}, "answerKey": "A"}, ["question", "choices.text[0]"]),
    ({"question": "q", "flores_passage": "p", "mc_answer1": "a"}, ["question", "flores_passage", "mc_answer1"]),
    ({"keywords": "k", "example": [{"question": "q", "answer": ["A"], "analysis": "x"}]}, ["example[0].question"]),
]


@pytest.mark.parametrize(
    ("row", "fields"), SHAPES, ids=lambda value: "-".join(value) if isinstance(value, dict) else ""
)
def test_what_is_translated_follows_from_the_shape(row: dict[str, Any], fields: list[str], tmp_path: Path):
    path = tmp_path / "a.jsonl"
    write_rows(path, [row])
    asked = read_set(path)
    assert [text.field for text in asked.texts] == fields
    out = shouted(asked, tmp_path / "out.jsonl")
    after = json.loads(out.read_bytes())
    changed = [name for name in row if row[name] != after[name]]
    assert changed == [name for name in row if any(field.split(".")[0].split("[")[0] == name for field in fields)]
    assert list(after) == list(row)


def test_fields_that_are_named_are_what_is_translated(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    write_rows(path, [{"question": "q", "std_answer": "s", "other": {"solution": ["x", "y"]}}] * 2)
    asked = read_set(path, ["std_answer", "other.solution"])
    assert [text.field for text in asked.texts[:3]] == ["std_answer", "other.solution[0]", "other.solution[1]"]
    assert asked.texts[3].line == 2
    table = tmp_path / "b.csv"
    write_csv(table, [["frage", "wert"], ["q", "1"]])
    assert [text.text for text in read_set(table, ["frage"]).texts] == ["q"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json"])
def test_json_keeps_its_kind_of_file(name: str, tmp_path: Path):
    text = '{"id": 1, "question": "Ä?", "answer": 1e-4}\n{"id": 2.50, "question": "b?", "answer": [1e3, -0]}\n'
    raw = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    out = shouted(read_set(tmp_path / name), tmp_path / f"out.{name}").read_bytes()
    said = (gzip.decompress(out) if name.endswith(".gz") else out).decode()
    assert said == text.replace("b?", "B?")


def test_a_json_list_keeps_its_indent(tmp_path: Path):
    rows = [{"question": "ä?"}, {"question": "b?", "of": {"x": [1, None, True], "y": [], "z": {}}, "w": '"\\'}]
    text = json.dumps(rows, indent=4, ensure_ascii=False).replace("1,", "1.50,") + "\n"
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    asked = read_set(tmp_path / "a.json")
    assert [text.line for text in asked.texts] == [1, 2]
    assert shouted(asked, tmp_path / "b.json").read_text("utf-8") == text.replace("ä", "Ä").replace("b?", "B?")


def test_only_some_files_of_a_folder_may_be_asked_for(mmlu_folder: Path, tmp_path: Path):
    write_rows(mmlu_folder / "mapping.json", [{"anatomy": "x"}])
    with pytest.raises(UserError, match=r"mapping\.json:1|mapping\.json, item 1"):
        read_set(mmlu_folder)
    asked = read_set(mmlu_folder, only=["val/a*.csv"])
    assert sorted(asked.files) == ["val/abstract_algebra_val.csv", "val/anatomy_val.csv", "val/astronomy_val.csv"]
    out = shouted(asked, tmp_path.parent / f"{tmp_path.name}.only")
    assert len(list(out.rglob("*.*"))) == 3


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b'{"question": "q"}\n{"question": \n', r"a\.jsonl:2 - not JSON Lines"),
        ("a.jsonl", b'{"question": "q"}\n[1]\n', r"a\.jsonl:2 - holds"),
        ("a.jsonl", b'{"question": "q"}\n{"text": "t"}\n', r"a\.jsonl:2 - the fields are text"),
        ("a.jsonl", b'{"question": "\\ud800"}\n', r"a\.jsonl:1 - field 'question' holds half"),
        (
            "a.jsonl",
            b'{"question": "q"}\n{"question": "q", "id": ["\\ud800"]}\n',
            r"a\.jsonl:2 - field 'id' holds half",
        ),
        ("a.json", b'[{"question": "q", "\\ud800": 1}]', r"a\.json, item 1 - field '\\ud800' holds half"),
        (
            "a.jsonl",
            b'{"question": "q"}\n{"question": [{"text": "q"}], "A": 7}\n',
            r"a\.jsonl:2 - no text in question, A",
        ),
        ("a.jsonl", b'{"question": "q"}\n\xff\n', r"a\.jsonl:2 - not UTF-8"),
        ("a.jsonl.gz", b"no gzip", r"a\.jsonl\.gz - cannot be read"),
        ("a.jsonl", b"", r"a\.jsonl - no rows"),
        ("a.csv", b"question,A,B,answer\nq,a,b,A\nq,a,b\n", r"a\.csv:3 - 3 columns"),
        ("a.csv", b"q,a,b,c,d,A\nq,a,b,c,d,E\n", r"a\.csv:2 - neither a header"),
        ("a.csv", b'q,"a\n', r"a\.csv:1 - not CSV"),
        ("a.csv", b"", r"a\.csv - no rows"),
        ("a.parquet", b"", r"a\.parquet - do not know how to read it"),
        ("a.csv.gz", b"", r"a\.csv\.gz - a packed table"),
    ],
)
def test_what_cannot_be_read_is_named_by_file_and_line(name: str, content: bytes, said: str, tmp_path: Path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=said):
        read_set(tmp_path / name)


def test_a_question_with_a_column_s_name_for_an_option_is_no_header(tmp_path: Path):
    rows = [["What is aimed at?", "target", "question", "B"], ["What is 2?", "two", "one", "A"]]
    write_csv(tmp_path / "a.csv", rows)
    assert [text.text for text in read_set(tmp_path / "a.csv").texts] == [cell for row in rows for cell in row[:3]]
    write_csv(tmp_path / "b.csv", [["id", "question", "A", "B"], ["0", "What is 2?", "two", "B"], ["1", "q", "a", "b"]])
    assert [text.field for text in read_set(tmp_path / "b.csv").texts[:3]] == ["question", "A", "B"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [(["answer"], r"a\.jsonl:2 - no field 'answer'"), (["number"], r"a\.jsonl:1 - field 'number' holds '7'")],
)
def test_a_named_field_is_a_text_in_every_line(fields: list[str], said: str, tmp_path: Path):
    write_rows(tmp_path / "a.jsonl", [{"answer": "a", "number": 7}, {"number": 8}])
    with pytest.raises(UserError, match=said):
        read_set(tmp_path / "a.jsonl", fields)


def test_real_sets_are_written_back_as_they_were_read(shared_data: Path, tmp_path: Path):
    benchmarks = shared_data / "benchmarks"
    names = ["mmlu/data/dev", "ceval/dev", "agieval/v1/sat-math.jsonl", "agieval/v1/logiqa-zh.jsonl", "belle_eval.json"]
    others = ["mt-bench/question.jsonl", "gaokao-bench/Objective_Questions/2010-2022_History_MCQs.json"]
    for number, name in enumerate([*names, *others]):
        asked = read_set(benchmarks / name)
        asked.write({text.content: text.text for text in asked.texts}, tmp_path / str(number))
        for file in asked.files:
            one = benchmarks / name / file if (benchmarks / name).is_dir() else benchmarks / name
            other = tmp_path / str(number) / file if (benchmarks / name).is_dir() else tmp_path / str(number)
            assert _content(one) == _content(other), file


def _content(path: Path) -> object:
    text = path.read_text(encoding="utf-8-sig")
    try:
        return json.loads(text)
    except ValueError:
        pass
    lines = [line for line in text.split("\n") if line.strip()]
    try:
        return [json.loads(line) for line in lines]
    except ValueError:
        return list(csv.reader(text.splitlines(keepends=True)))
