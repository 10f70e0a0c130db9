"""The import contracts of pyproject.toml hold, and would be missed if they did not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def lint(project: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    # Run inside src, so that the copy is found before an installed loanword.
    words = ["--config", str(project / "pyproject.toml"), "--no-cache"]
    return subprocess.run([*command, *words], cwd=project / "src", capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package and its contracts, somewhere where they may be broken."""
    shutil.copytree(
        ROOT / "src" / "loanword", tmp_path / "src" / "loanword", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_rooms_keep_their_contracts(copy: Path):
    answer = lint(copy)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize(
    ("room", "line", "contract"),
    [
        ("tokenizer/load.py", "import loanword.training.loop", "Rooms know only the rooms below them"),
        ("report/page.py", "import loanword.evaluation.grading", "Rooms know only the rooms below them"),
        ("report/page.py", "import torch", "Planning, grading and reporting need no torch"),
        ("corpus/read.py", "import transformers", "Planning, grading and reporting need no torch"),
    ],
)
def test_an_import_upward_sideways_or_of_torch_is_reported(room: str, line: str, contract: str, copy: Path):
    path = copy / "src" / "loanword" / room
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    answer = lint(copy)
    assert answer.returncode == 1
    broken = next(text for text in answer.stdout.splitlines() if text.startswith(contract))
    assert "BROKEN" in broken
    assert line.split()[1].split(".")[-1] in answer.stdout
