"""The paper's six studies in small, from text to report. Not part of `make test`: `make test-replicas`.

Those of one half share a store, as the studies that they stand for may: what two of them need is built once.
"""

import json
import sys
from pathlib import Path

import pytest

from loanword.microworld.__main__ import main as write_world
from tests import studies

REPLICAS = studies.ROOT / "studies" / "paper" / "replicas"
HALVES = {"tables": ("table2", "table1", "vocabulary", "knowledge"), "languages": ("table3", "switching")}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("replicas") / "world"
    assert write_world([str(data)]) == 0
    return data


@pytest.mark.replicas
@pytest.mark.parametrize(("half", "name"), [(half, name) for half, names in HALVES.items() for name in names])
def test_a_replica_runs_to_a_report_beside_the_published_figures(
    half: str, name: str, world: Path, capsys: pytest.CaptureFixture[str]
):
    done = studies.run(studies.command("run", world, world.parent / half, study=REPLICAS / f"{name}.toml"))
    assert done.returncode == 0, done.stderr
    report = json.loads(Path(done.stdout.strip()).with_suffix(".json").read_text(encoding="utf-8"))
    assert [finding["text"] for finding in report["findings"] if finding["heading"] == "Missing"] == []
    tables = report["tables"]
    beside = {key: table for key, table in tables.items() if key.startswith("published")}
    assert beside
    with capsys.disabled():
        sys.stdout.write("".join(_table(table) for table in beside.values()))
    for key, table in tables.items():
        assert not any(_is_missing(cell) for row in table["rows"] for cell in row.values()), key


def _is_missing(cell: object) -> bool:
    return isinstance(cell, dict) and cell.get("state") == "missing"


def _table(table: dict) -> str:
    """A table of the report as text."""
    rows = ([_cell(cell) for key, cell in row.items() if key != "sources"] for row in table["rows"])
    lines = ["", table["title"], *map(" | ".join, rows)]
    return "\n".join([*lines, ""])


def _cell(cell: object) -> str:
    value = cell.get("value", cell.get("state")) if isinstance(cell, dict) else cell
    return f"{value:.3f}" if isinstance(value, float) else str(value)
