"""Each of the 13 languages as a target, from text to report. Not part of `make test`: `make test-languages`."""

import json
import sys
from pathlib import Path

import pytest

from loanword.microworld.__main__ import main as write_world
from tests import studies

STUDY = studies.ROOT / "studies" / "languages.toml"


@pytest.mark.languages
def test_every_language_learns_the_world_from_its_own_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    data, store = tmp_path / "world", tmp_path / "store"
    assert write_world([str(data)]) == 0
    done = studies.run(studies.command("run", data, store, study=STUDY))
    assert done.returncode == 0, done.stderr
    page = Path(done.stdout.strip())
    found = studies.outcomes(page.parent)
    languages = sorted({label.partition(", ")[2] for label in found})
    assert len(languages) == 13
    with capsys.disabled():
        sys.stdout.write(_table(found, languages))
    for language in languages:
        original, extended = found[f"original, {language}"], found[f"extended, {language}"]
        # Chance is .25; what was read several times is known, in a vocabulary that says it in fewer tokens.
        assert extended["told in both"] > 0.6, (language, extended)
        assert extended["told in the target only"] > 0.45, (language, extended)
        assert all(0 < run["en"] < 1 for run in (original, extended))
    gaps = [finding for finding in _findings(page) if finding["heading"] == "Missing"]
    assert gaps == []


def _findings(page: Path) -> list[dict[str, str]]:
    return json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["findings"]


def _table(found: dict[str, dict[str, float]], languages: list[str]) -> str:
    """Original against extended: bits per byte of the target and of English, and the three classes of facts."""
    lines = ["", f"{'':<12} {'target':>13} {'English':>13} {'both':>13} {'English only':>13} {'target only':>13}"]
    for language in languages:
        cells: list[str] = []
        sides = [found[f"{vocabulary}, {language}"] for vocabulary in ("original", "extended")]
        (target,) = [name for name in sides[0] if name not in ("en",) and not name.startswith("told")]
        for name in (target, "en", "told in both", "told in English only", "told in the target only"):
            cells.append(f"{sides[0][name]:>6.3f} {sides[1][name]:>6.3f}")
        lines.append(" ".join([f"{language:<12}", *cells]))
    return "\n".join([*lines, ""])
