from pathlib import Path

import pytest

from loanword.cli.study_text import budgets, num_new_pieces
from loanword.study.file import cells, read_study


def test_the_study_is_valid_and_leaves_nothing_missing_where_everything_was_named(
    data: Path, tmp_path: Path, checkpoint, loanword
):
    out = tmp_path / "studies" / "mine.toml"
    answer = loanword(
        "init", "--base", checkpoint, "--target", "zh", "--text", "text/zh.jsonl", "--source-text", "text/en.jsonl",
        "--instructions", "instructions/zh.jsonl", "--data", data, "--out", out,
    )  # fmt: skip
    assert answer.code == 0
    assert answer.out.strip() == str(out)
    assert "missing: benchmarks" in answer.err
    assert answer.err.count("missing:") == 1
    made = {cell.label: cell.recipe for cell in cells(read_study(out), out)}
    tuned = next(recipe for label, recipe in made.items() if label.endswith("1,000 instructions"))
    assert tuned.corpus["zh"].files == ("text/zh.jsonl",)
    assert tuned.likelihoods.texts == {lang: f"parallel/flores200-devtest/{lang}.txt" for lang in ("en", "zh")}
    assert tuned.pretraining is not None
    assert tuned.pretraining.steps.row_tokens == 512  # the base's context
    assert {recipe.tokenizer.num_new_pieces > 0 for recipe in made.values()} == {True, False}
    assert not any(path.name.endswith(".part") for path in out.parent.iterdir())


def test_only_base_and_text_still_make_a_valid_study_and_say_what_it_lacks(data: Path, tmp_path: Path, loanword):
    out = tmp_path / "mine.toml"
    text = data / "text" / "zh.jsonl"
    answer = loanword("init", "--base", "org/model", "--target", "no", "--text", text, "--out", out)
    assert answer.code == 0
    for lack in ("held-out text in en", "held-out text in no", "text in en", "instructions", "benchmarks", "context"):
        assert f"missing: {lack}" in answer.err or f"missing: the base's {lack}" in answer.err
    recipe = cells(read_study(out), out)[0].recipe
    assert recipe.target == "no"
    assert recipe.corpus["no"].files == (str(text),)


def test_an_existing_file_is_never_overwritten(data: Path, tmp_path: Path, loanword):
    out = tmp_path / "mine.toml"
    out.write_text("precious", encoding="utf-8")
    answer = loanword(
        "init", "--base", "org/model", "--target", "zh", "--text", data / "text" / "zh.jsonl", "--out", out
    )
    assert answer.code == 2
    assert "is already there" in answer.err
    assert out.read_text(encoding="utf-8") == "precious"


def test_everything_that_was_named_and_is_not_there_is_said_at_once(data: Path, tmp_path: Path, loanword):
    out = tmp_path / "mine.toml"
    answer = loanword(
        "init", "--base", "./nowhere", "--target", "zh", "--text", "a.txt", "text/zh.jsonl",
        "--instructions", "b.jsonl", "--data", data, "--out", out,
    )  # fmt: skip
    assert answer.code == 2
    assert "3 problems" in answer.err
    for name in ("nowhere", "a.txt", "b.jsonl"):
        assert name in answer.err
    assert not out.exists()


def test_a_code_that_is_no_language_is_refused_by_the_study_itself(data: Path, tmp_path: Path, loanword):
    out = tmp_path / "mine.toml"
    text = data / "text" / "zh.jsonl"
    answer = loanword("init", "--base", "org/model", "--target", "Chinese", "--text", text, "--out", out)
    assert answer.code == 2
    assert "Chinese" in answer.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("num_bytes", "expected"), [(0, [0]), (10, [0, 1, 8]), (45_000_000, [0, 7_200_000, 36_000_000])]
)
def test_budgets_are_round_and_leave_room_for_a_held_out_split(num_bytes: int, expected: list[int]):
    assert budgets(num_bytes) == expected


@pytest.mark.parametrize(("num_bytes", "expected"), [(10, 1), (400_000, 600), (8_100_000, 10_000), (10**9, 10_000)])
def test_little_text_teaches_few_new_pieces(num_bytes: int, expected: int):
    assert num_new_pieces(num_bytes) == expected
