"""`loanword demo`: what it says, and that a second one builds nothing, on its own study with every amount cut."""

import tomllib
from importlib import resources
from pathlib import Path

import pytest

from loanword.cli import demo
from loanword.microworld.write import Size
from tests import studies

PACKAGED = resources.files("loanword.microworld") / "demo.toml"


def small_study(folder: Path) -> Path:
    """The demo's own study with every amount cut to almost nothing."""
    text = PACKAGED.read_text(encoding="utf-8")
    for long, short in (
        ("num_tokens = 1_800_000", "num_tokens = 8_000"),
        ("24_000", "60"),
        ("8_000 }", "40 }"),
        ("2_000", "20"),
        ("1_200", "20"),
        ('num_conversations" = 300', 'num_conversations" = 10'),
    ):
        assert long in text
        text = text.replace(long, short)
    path = folder / "demo.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_study_of_the_package_is_the_one_of_the_checkout():
    assert PACKAGED.read_text(encoding="utf-8") == (studies.ROOT / "studies" / "demo.toml").read_text(encoding="utf-8")


def test_the_demo_speaks_the_languages_that_its_study_names():
    study = tomllib.loads(PACKAGED.read_text(encoding="utf-8"))
    assert set(study["recipe"]["corpus"]) == set(demo.LANGUAGES)
    assert sum("question" in pair for pair in study["compare"]) == 5


@pytest.mark.slow
def test_the_demo_ends_with_what_came_out_and_a_second_one_builds_nothing(
    tmp_path: Path, loanword, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(demo.SIZES, "small", Size(1, 1_500, 400, 50))
    monkeypatch.setattr(demo, "STUDY", small_study(tmp_path))
    first = loanword("demo", tmp_path / "demo")
    assert first.code == 0, first.err
    lines = first.out.splitlines()
    questions = [line for line in lines if "? " in line]
    assert len(questions) == 5
    assert lines[5].startswith("The report: ")
    assert Path(lines[5].removeprefix("The report: ")).is_file()
    second = loanword("demo", tmp_path / "demo")
    assert second.out == first.out
    assert "0 artifacts built" in second.err
    assert "invented world" not in second.err
