"""Each of the 13 languages as a target, from text to report. Not part of `make test`: `make test-languages`."""

import json
from pathlib import Path

import pytest

from loanword.microworld.__main__ import main as write_world
from tests import studies

STUDY = studies.ROOT / "studies" / "languages.toml"


@pytest.mark.languages
def test_every_language_learns_the_world_from_its_own_texts(tmp_path: Path):
    data, store = tmp_path / "world", tmp_path / "store"
    assert write_world([str(data)]) == 0
    done = studies.run(studies.command("run", data, store, study=STUDY))
    assert done.returncode == 0, done.stderr
    page = Path(done.stdout.strip())
    runs = studies.outcomes(page.parent)
    languages = {label.partition(", ")[2] for label in runs}
    assert len(languages) == 13
    print()
    for language in sorted(languages):
        original, extended = runs[f"original, {language}"], runs[f"extended, {language}"]
        print(f"{language:<12}", *(f"{name} {original[name]:.3f} {extended[name]:.3f} |" for name in sorted(extended)))
    for language in languages:
        extended = runs[f"extended, {language}"]
        # Chance is .25; a model of this size knows most of what it has read several times.
        assert extended["told in both"] > 0.6, (language, extended)
        assert extended["told in the target only"] > 0.5, (language, extended)
    assert "missing" not in json.dumps(json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["findings"])
