"""`loanword tokenizer measure` as its users call it."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from loanword.tokenizer.append import append
from loanword.tokenizer.load import load_tokenizer


@pytest.fixture
def flores(data: Path) -> Path:
    return data / "parallel" / "flores200-devtest"


@pytest.fixture(scope="session")
def extended(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizers") / "extended"
    append(load_tokenizer(checkpoint), ["雨", "山", "火"]).save(folder)
    return folder


def by_language(measures: Mapping) -> dict[str, Mapping]:
    return {one["language"]: one for one in measures["languages"]}


def test_each_language_is_measured_under_each_tokenizer(flores: Path, checkpoint: Path, loanword):
    answer = loanword("tokenizer", "measure", checkpoint, checkpoint / "tokenizer.model", "--flores", flores, "--json")
    assert answer.code == 0
    measured = json.loads(answer.out)
    assert measured[str(checkpoint)] == measured[str(checkpoint / "tokenizer.model")]
    found = by_language(measured[str(checkpoint)])
    assert set(found) == {"en", "zh"}
    assert found["en"]["num_bytes"] == 3 * len("The rain falls on the hill.")
    assert found["zh"]["tokens_per_word"] is None
    assert found["en"]["premium"] == 1
    assert found["zh"]["premium"] == found["zh"]["num_tokens"] / found["en"]["num_tokens"]


def test_tokenizers_stand_below_each_other_in_a_table_that_fits_a_terminal(shared_data: Path, tmp_path: Path, loanword):
    for language in ("en", "te", "zh"):
        (tmp_path / f"{language}.txt").symlink_to(shared_data / f"parallel/flores200-devtest/{language}.txt")
    models = [
        shared_data / "tokenizers" / name for name in ("llama-32k/tokenizer.model", "chinese-llama-2-55k", "gpt2")
    ]
    lines = loanword("tokenizer", "measure", *models, "--flores", tmp_path).out.splitlines()
    assert max(map(len, lines)) <= 120
    header, chinese = 2, 2 * len(models)
    cells = [line.split() for line in lines[header + chinese :][: len(models)]]
    assert cells[0][:4] == ["zh", "llama-32k", "61,539", "1.423"]
    assert [row[0] for row in cells[1:]] == ["chinese-llama-2-55k", "gpt2"]


def test_new_pieces_are_known_from_a_base_before_it_or_from_what_lies_beside_it(
    flores: Path, checkpoint: Path, extended: Path, loanword
):
    def unused(*models: Path) -> int | None:
        answer = loanword("tokenizer", "measure", *models, "--flores", flores, "--json")
        return json.loads(answer.out)[str(models[-1])]["together"]["num_unused_new_pieces"]

    assert unused(extended) is None
    assert unused(checkpoint, extended) == 1
    (extended / "constituents.json").write_text('{"constituents": [[3], [3], [3]]}')
    assert unused(extended) == 1


def test_a_premium_is_over_the_source_and_only_where_texts_are_parallel(
    data: Path, flores: Path, checkpoint: Path, loanword
):
    text = data / "text" / "en.jsonl"
    arguments = ("tokenizer", "measure", checkpoint, "--text", f"id={text}", "--flores", flores, "--json")
    found = by_language(json.loads(loanword(*arguments, "--source", "zh").out)[str(checkpoint)])
    assert found["zh"]["premium"] == 1
    assert found["en"]["premium"] == found["en"]["num_tokens"] / found["zh"]["num_tokens"]
    assert found["id"]["premium"] is None
    (flores / "en.txt").unlink()
    found = by_language(json.loads(loanword(*arguments).out)[str(checkpoint)])
    assert found["zh"]["premium"] is None
    answer = loanword(*arguments, "--source", "en")
    assert answer.code == 2
    assert "no parallel text in this language" in answer.err


def test_parallel_files_of_different_lengths_are_refused(flores: Path, checkpoint: Path, loanword):
    with (flores / "zh.txt").open("a", encoding="utf-8") as file:
        file.write("雨。\n")
    answer = loanword("tokenizer", "measure", checkpoint, "--flores", flores)
    assert answer.code == 2
    assert "zh.txt - 4 lines with text" in answer.err
    assert "3, each what the same line of en.txt says" in answer.err


def test_parallel_files_whose_blank_lines_stand_elsewhere_are_refused(flores: Path, checkpoint: Path, loanword):
    for language in ("en", "zh"):
        path = flores / f"{language}.txt"
        one, two, three = path.read_text(encoding="utf-8").splitlines()
        lines = [one, "", two, three] if language == "zh" else [one, two, "", three]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    answer = loanword("tokenizer", "measure", checkpoint, "--flores", flores)
    assert answer.code == 2
    assert "zh.txt - line 2 is blank in zh.txt alone" in answer.err


def test_line_ends_are_no_text(flores: Path, checkpoint: Path, loanword):
    arguments = ("tokenizer", "measure", checkpoint, "--flores", flores, "--json")
    before = loanword(*arguments)
    path = flores / "zh.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert loanword(*arguments).out == before.out


def test_a_file_that_is_named_for_no_language_is_refused(flores: Path, checkpoint: Path, loanword):
    for name in ("README", "eng_Latn"):
        path = flores / f"{name}.txt"
        path.write_text("The rain.\n", encoding="utf-8")
        answer = loanword("tokenizer", "measure", checkpoint, "--flores", flores)
        assert answer.code == 2
        assert f"{path} - '{name}' is no language's code" in answer.err
        path.unlink()


@pytest.mark.parametrize("said", ["5", "[[1], 2]", str([[3]] * 9_999)])
def test_constituents_that_cannot_be_of_a_tokenizer_are_refused(
    said: str, flores: Path, checkpoint: Path, tmp_path: Path, loanword
):
    load_tokenizer(checkpoint).save(tmp_path / "other")
    path = tmp_path / "other" / "constituents.json"
    path.write_text(f'{{"constituents": {said}}}', encoding="utf-8")
    answer = loanword("tokenizer", "measure", tmp_path / "other", "--flores", flores)
    assert answer.code == 2
    assert f"{path} - " in answer.err


def test_a_compressed_text_is_read(tmp_path: Path, checkpoint: Path, loanword):
    path = tmp_path / "en.txt.gz"
    path.write_bytes(gzip.compress(b"two\n\nlines\n"))
    answer = loanword("tokenizer", "measure", checkpoint, "--text", f"en={path}", "--json")
    assert json.loads(answer.out)[str(checkpoint)]["languages"][0]["num_bytes"] == len("twolines")


def test_what_cannot_be_measured_is_refused(data: Path, flores: Path, tmp_path: Path, checkpoint: Path, loanword):
    empty = tmp_path / "empty.txt"
    empty.write_text("\n", encoding="utf-8")
    unnamed = tmp_path / "unnamed.jsonl"
    unnamed.write_text('{"body": "x"}\n', encoding="utf-8")
    text = data / "text" / "en.jsonl"
    for arguments, said in (
        ((), "no text to measure on"),
        (("--text", f"en={empty}"), f"{empty} - nothing to measure"),
        (("--text", f"en={unnamed}"), "to do:    mend the line, or give records with text in 'text'"),
        (("--text", f"xx_yy={text}"), "'xx_yy' is no language's code"),
        (("--text", f"en={text}", f"en={text}"), "en is there twice"),
        (("--text", f"en={text}", "--flores", flores), "en is in"),
        (("--flores", tmp_path / "nowhere"), "no LANG.txt here"),
    ):
        answer = loanword("tokenizer", "measure", checkpoint, *arguments)
        assert answer.code == 2
        assert said in answer.err


def test_an_unknown_model_is_refused(flores: Path, tmp_path: Path, loanword):
    answer = loanword("tokenizer", "measure", tmp_path / "nothing", "--flores", flores)
    assert answer.code == 2
    assert "no such file or folder" in answer.err
