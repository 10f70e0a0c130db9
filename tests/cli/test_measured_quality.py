"""What `loanword evaluate` says of open responses: the same for people and for machines."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from loanword.cli.measured_quality import measured_quality, print_quality
from loanword.records import SwitchedSpan, Switching
from loanword.report.gather import RunFolders, read_runs
from tests.report.conftest import StoreLike
from tests.report.judged_runs import facts, rating

ORDER = """
from loanword.cli.measured_quality import measured_quality
from loanword.report.gather import RunRecords
from loanword.records import SwitchedSpan, Switching
codes = ("ru", "en", "ja", "fr")
spans = tuple(SwitchedSpan(start=at, end=at + 1, level="word", language=code) for at, code in enumerate(codes))
seen = [
    Switching(id=id, benchmark="b", subject="s", language="zh", switched=True, num_letters=9, share=0.5, spans=found)
    for id, found in (("one", spans), ("two", spans[2:3]))
]
run = RunRecords("run", {}, 0, {}, {}, {}, {}, {}, {}, (), None, switching={"b": tuple(seen)})
print(list(measured_quality(run)["switching"]["b"]["into"]))
"""


def test_languages_stand_in_one_order_whatever_the_seed_of_hashes():
    found = {
        subprocess.run(
            [sys.executable, "-c", ORDER],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        ).stdout.strip()
        for seed in ("1", "2", "3")
    }
    assert found == {"['ja', 'en', 'fr', 'ru']"}


def test_a_scale_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    store = StoreLike(tmp_path)
    span = SwitchedSpan(start=0, end=1, level="word", language="en")
    seen = Switching(
        id="0", benchmark="open", subject="s", language="zh", switched=True, num_letters=9, share=0.5, spans=(span,)
    )
    plain = [rating("0", {"accuracy": 2.0}, benchmark="open", subject="s")]
    marks = [rating("0", {"points": 6.0}, benchmark="open", subject="s", points=12.0)]
    judges = {"gpt": (facts(names=("accuracy",)), plain), "marks": (facts(rubric="points", names=("points",)), marks)}
    made: dict[str, Path | None] = {
        "responses.open": store.artifact("responses", "r", {}),
        "switching.open": store.artifact("switching", "s", {"switching.jsonl": [seen]}),
    }
    for name, (judge, ratings) in judges.items():
        made[f"ratings.open.{name}"] = store.artifact("ratings", name, {"ratings.jsonl": ratings, "judge.json": judge})
    (run,) = read_runs([RunFolders("run", {}, 0, made)])
    found = measured_quality(run)
    assert [one["scale"] for one in found["judged"]] == ["on a scale of 0–3", ""]
    assert json.loads(json.dumps(found)) == found
    print_quality(found)
    lines = capsys.readouterr().out.splitlines()
    assert "open, by gpt, on a scale of 0–3: 1 rated" in lines
    assert "open, by marks: 1 rated" in lines
    assert any("en 1" in line for line in lines)
