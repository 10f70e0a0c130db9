"""What the report shows of text and instructions: counts, rules, and examples that cannot harm the page."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from loanword.errors import UserError
from loanword.records import (
    ConversationCounts,
    CorpusCounts,
    InstructionCounts,
    Record,
    Removed,
    write_json,
    write_lines,
)
from loanword.report import RunFolders, StudyInfo
from loanword.report.cells import Table
from loanword.report.corpora import SHOWN_EXAMPLES, example_groups, text_tables, visible
from loanword.report.gather import RunRecords, read_runs
from loanword.report.page import render
from loanword.report.sections import compose

CHINESE = CorpusCounts(
    language="zh",
    num_documents=900,
    num_bytes=2_400_000,
    num_held_out_documents=60,
    num_held_out_bytes=150_000,
    num_quarantined_lines=3,
    num_removed={"digits": 25, "too_short": 10, "duplicate": 5, "over_limit": 0},
    num_changed={"nfc": 0, "control-characters": 7},
)
ENGLISH = CHINESE.model_copy(update={"language": "en", "num_changed": {}})
ASKED = InstructionCounts(
    language="zh",
    num_read=200,
    num_conversations=150,
    num_quarantined_lines=0,
    num_removed={"refusals": 30, "duplicate": 20},
)
TUNED = ConversationCounts(
    num_read=100,
    num_conversations=98,
    num_removed={"too long": 2, "other": 0},
    num_rows=40,
    num_response_tokens=12_300,
    row_tokens=512,
)


def artifact(root: Path, stage: str, name: str, counts: Record, examples: list[Removed] | None = None) -> Path:
    folder = root / stage / name
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"name": name, "stage": stage}), encoding="utf-8")
    write_json(counts, folder / "counts.json")
    if examples is not None:
        write_lines(examples, folder / "removed.jsonl")
    return folder


def runs_of(**artifacts: Mapping[str, Path | None]) -> list[RunRecords]:
    return read_runs([RunFolders(label, {}, 0, roles) for label, roles in artifacts.items()])


def rows(table: Table) -> list[dict[str, object]]:
    return table.to_json()["rows"]


def table(runs: list[RunRecords], key: str) -> Table:
    return next(found for found in text_tables(runs) if found.key == key)


def test_each_corpus_is_shown_once_with_its_counts(tmp_path: Path):
    chinese, english = artifact(tmp_path, "corpus", "c", CHINESE), artifact(tmp_path, "corpus", "e", ENGLISH)
    runs = runs_of(one={"corpus.zh": chinese, "corpus.en": english}, two={"corpus.zh": chinese})
    first, second = rows(table(runs, "corpora"))
    assert first == {
        "corpus": "zh",
        "language": "Chinese",
        "num_documents": 900,
        "num_bytes": 2_400_000,
        "num_held_out_documents": 60,
        "num_held_out_bytes": 150_000,
        "num_removed": 40,
        "num_changed": 7,
        "num_quarantined_lines": 3,
    }
    assert (second["corpus"], second["language"], second["num_changed"]) == ("en", "English", 0)


def test_corpora_of_one_name_are_told_apart_by_a_run(tmp_path: Path):
    one, other = artifact(tmp_path, "corpus", "a", CHINESE), artifact(tmp_path, "corpus", "b", CHINESE)
    runs = runs_of(clean={"corpus.zh": one}, raw={"corpus.zh": other}, third={"corpus.zh": other})
    assert [row["corpus"] for row in rows(table(runs, "corpora"))] == ["zh, of clean", "zh, of raw"]


def test_a_corpus_that_is_not_finished_is_missing(tmp_path: Path):
    runs = runs_of(one={"corpus.zh": artifact(tmp_path, "corpus", "c", CHINESE), "corpus.en": None})
    missing = rows(table(runs, "corpora"))[1]
    assert missing.pop("corpus") == "en"
    assert all(value == {"state": "missing"} for value in missing.values())


def test_every_rule_is_counted_against_what_was_read(tmp_path: Path):
    runs = runs_of(one={"corpus.zh": artifact(tmp_path, "corpus", "c", CHINESE)})
    made = table(runs, "corpus_rules")
    assert [group.note for group in made.groups] == ["1,000 documents read"]
    found = {row["rule"]: (row["num_removed"], row["share_removed"], row["num_changed"]) for row in rows(made)}
    none = {"state": "not planned"}
    assert list(found) == ["control-characters", "nfc", "digits", "too short", "there twice", "beyond the limit"]
    assert found == {
        "nfc": (none, none, 0),
        "control-characters": (none, none, 7),
        "digits": (25, 0.025, none),
        "too short": (10, 0.01, none),
        "there twice": (5, 0.005, none),
        "beyond the limit": (0, 0.0, none),
    }


def test_instructions_and_what_runs_were_tuned_on_have_tables_of_their_own(tmp_path: Path):
    instructions = artifact(tmp_path, "instructions", "i", ASKED)
    packed = artifact(tmp_path, "conversations", "v", TUNED)
    runs = runs_of(
        tuned={"instructions.main": instructions, "conversations": packed},
        waiting={"instructions.main": instructions, "conversations": None},
        base={},
    )
    assert rows(table(runs, "instructions")) == [
        {
            "instructions": "main",
            "language": "Chinese",
            "num_read": 200,
            "num_conversations": 150,
            "num_removed": 50,
            "num_changed": 0,
            "num_quarantined_lines": 0,
        }
    ]
    assert [row["share_removed"] for row in rows(table(runs, "instruction_rules"))] == [0.15, 0.1]
    tuned, waiting = rows(table(runs, "conversations"))
    assert (tuned["run"], tuned["num_conversations"], tuned["num_removed"]) == ("tuned", 98, 2)
    assert tuned["why"] == "too long 2"
    assert waiting["num_rows"] == waiting["why"] == {"state": "missing"}


def test_a_study_without_such_records_has_no_such_section(study):
    report = compose(read_runs(study.runs), study.info)
    assert [found.key for section in report.sections if section.key == "texts" for found in section.tables] == [
        "conversations"
    ]
    bare = compose(runs_of(one={}), StudyInfo("bare", ""))
    assert "texts" not in [section.key for section in bare.sections]


def test_examples_show_what_a_rule_saw_and_what_became_of_it(tmp_path: Path):
    examples = [
        *(Removed(rule="digits", id=f"d{number}", text="1 2 3", because="0.90 of it digits") for number in range(8)),
        Removed(rule="control-characters", id="c", text="a\u200bb\r\n", became="ab\n"),
    ]
    runs = runs_of(one={"corpus.zh": artifact(tmp_path, "corpus", "c", CHINESE, examples)})
    digits, changed = example_groups(runs)  # in the order of the file
    assert (digits.title, digits.note) == ("zh: digits, removed", f"{SHOWN_EXAMPLES} of 25")
    assert [one.id for one in digits.examples] == [f"d{number}" for number in range(SHOWN_EXAMPLES)]
    assert digits.examples[0].because == "0.90 of it digits"
    assert (changed.title, changed.note) == ("zh: control-characters, changed", "1 of 7")
    assert (changed.examples[0].text, changed.examples[0].became) == ("a⟨U+200B⟩b⟨U+000D⟩\n", "ab\n")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "</blockquote></ul><img src=x onerror=alert(1)>",
        "{{ report.study }} {% raw %}",
        '" dir="rtl',
        "\u202egnirts\u202c \x00",
    ],
)
def test_no_text_of_a_document_becomes_part_of_the_page(tmp_path: Path, text: str):
    hostile = Removed(rule="symbols", id=text, text=text, became=text, because=text)
    counts = CHINESE.model_copy(update={"num_removed": {text: 1}})
    runs = runs_of(one={"corpus.zh": artifact(tmp_path, "corpus", "c", counts, [hostile])})
    page = render(compose(runs, StudyInfo("study", "")))
    assert 'dir="rtl' not in page
    assert page.count("<blockquote") == page.count("</blockquote>") == 2
    assert page.count("<script") == 1 and "<img" not in page
    assert not {"\x00", "\u202e"} & set(page)


def test_hidden_characters_are_shown_and_those_of_spelling_stay():
    assert visible("می\u200cخواهم ക\u200d\tx\n") == "می\u200cخواهم ക\u200d\tx\n"
    assert visible("\ufeffa\u2067b\x85") == "⟨U+FEFF⟩a⟨U+2067⟩b⟨U+0085⟩"


def test_counts_of_a_later_version_are_read_and_broken_ones_are_named(tmp_path: Path):
    folder = artifact(tmp_path, "corpus", "c", CHINESE)
    later = {**CHINESE.model_dump(mode="json"), "num_new": 3}
    (folder / "counts.json").write_text(json.dumps(later), encoding="utf-8")
    assert rows(table(runs_of(one={"corpus.zh": folder}), "corpora"))[0]["num_documents"] == 900
    (folder / "removed.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"removed\.jsonl:1"):
        runs_of(one={"corpus.zh": folder})
