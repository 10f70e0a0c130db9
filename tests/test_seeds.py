"""What the demo claims, over three seeds and under both bases. Not part of `make test`: `make test-seeds`."""

import statistics
import sys
from pathlib import Path

import pytest

from loanword.microworld.__main__ import main as write_world
from tests import studies

STUDY = studies.ROOT / "studies" / "seeds.toml"
SEEDS = (1, 2, 3)
STUDENT = 4.303
"""The 97.5 % point of Student's t with two degrees of freedom."""
MEASURES = (
    "zh", "en", "both in Chinese", "Chinese-only in Chinese", "English-only in Chinese", "both in English",
    "English-only in English", "Chinese-only in English",
)  # fmt: skip


@pytest.mark.seeds
def test_the_claims_of_the_demo_hold_for_every_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    data, store = tmp_path / "world", tmp_path / "store"
    assert write_world([str(data), "--languages", "en", "zh"]) == 0
    done = studies.run(studies.command("run", data, store, study=STUDY))
    assert done.returncode == 0, done.stderr
    found = studies.outcomes(Path(done.stdout.strip()).parent)
    with capsys.disabled():
        sys.stdout.write(_table(found))
    for seed in SEEDS:
        base = found[f"seed={seed}, English base, no transfer"]
        assert base["both in English"] >= 0.9
        assert base["English-only in English"] >= 0.9
        # 48 questions at chance: a share of correct answers lies below .40 in 99 of 100 cases.
        assert base["Chinese-only in Chinese"] < 0.4
        transferred = found[f"seed={seed}, English base, extended, 24k"]
        assert transferred["both in Chinese"] >= 0.9
        assert transferred["Chinese-only in Chinese"] >= 0.9
        mixed = found[f"seed={seed}, mixed base, no transfer"]
        assert mixed["both in English"] >= 0.9
        assert mixed["zh"] < base["zh"] - 5
        assert found[f"seed={seed}, mixed base, extended, 24k"]["Chinese-only in Chinese"] >= 0.9
        # Without any English on the way it is forgotten.
        without = found[f"seed={seed}, English base, extended, 24k, no replay"]
        assert without["both in English"] < transferred["both in English"] - 0.2


def _table(found: dict[str, dict[str, float]]) -> str:
    """Mean over seeds and the half width of its 95 % interval, a line a run."""
    kinds = list(dict.fromkeys(label.partition(", ")[2] for label in found))
    lines = ["", " ".join([f"{'':<40}", *(f"{name[:16]:>16}" for name in MEASURES)])]
    for kind in kinds:
        cells: list[str] = []
        for name in MEASURES:
            values = [found[f"seed={seed}, {kind}"][name] for seed in SEEDS]
            half = STUDENT * statistics.stdev(values) / len(values) ** 0.5
            cells.append(f"{f'{statistics.mean(values):.3f} ± {half:.3f}':>16}")
        lines.append(" ".join([f"{kind:<40}", *cells]))
    return "\n".join([*lines, ""])
