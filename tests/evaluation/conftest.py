"""Benchmark folders with questions of our own, one for every subject."""

import csv
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

Rows = Sequence[Sequence[str]]
WriteCsv = Callable[[Path, Rows], None]

GOLDEN = Path(__file__).parents[1] / "golden"

GEOGRAPHY_DEV = [
    ["Which of these is a peninsula?", "Iberia", "Iceland", "Madagascar", "None", "A"],
    ["A map at 1:50,000 shows 4 cm between two wells. They lie", "200 m apart", "2 km apart", "20 km apart", "NA", "B"],
]
GEOGRAPHY_VAL = [['What turns first in a delta, "silt" or sand? ', "Silt, always", "Sand", "1.0", "None", "A"]]
CEVAL_HEADER = ["id", "question", "A", "B", "C", "D", "answer"]
LOGIC_DEV = [
    [*CEVAL_HEADER, "explanation"],
    [
        "0",
        "如果所有的灯都亮着，那么下列哪一项必然为真？____",
        "有些灯灭了",
        "没有灯是灭的",
        "None",
        "只有一盏灯",
        "B",
        "1. 略",
    ],
    [
        "1",
        "“天下雨，则地湿。”地不湿，可知____",
        "天没有下雨",
        "天下雨",
        "地湿",
        "1.50",
        "A",
        "1. 否定后件。\n2. 故选A。",
    ],
]
LOGIC_VAL = [
    CEVAL_HEADER,
    ["0", "甲、乙、丙三人中只有一人说真话。\n甲说：“乙说谎。”下列哪一项正确？____", "甲", "乙", "丙", "NA", "D"],
]


def write_csv(path: Path, rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def write_rows(path: Path, rows: Sequence[object]) -> None:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")


@pytest.fixture
def mmlu_folder(tmp_path: Path) -> Path:
    """All 57 subjects with the same two shots and one question."""
    from loanword.evaluation.benchmarks.mmlu import SUBJECTS

    for name in SUBJECTS:
        write_csv(tmp_path / "dev" / f"{name}_dev.csv", GEOGRAPHY_DEV)
        write_csv(tmp_path / "val" / f"{name}_val.csv", GEOGRAPHY_VAL)
    return tmp_path


@pytest.fixture
def ceval_folder(tmp_path: Path) -> Path:
    """All 52 subjects with the same two shots and one question, which test asks too, its label withheld."""
    from loanword.evaluation.benchmarks.ceval import SUBJECTS

    for name in SUBJECTS:
        write_csv(tmp_path / "dev" / f"{name}_dev.csv", LOGIC_DEV)
        write_csv(tmp_path / "val" / f"{name}_val.csv", LOGIC_VAL)
        write_csv(tmp_path / "test" / f"{name}_test.csv", [row[:-1] for row in LOGIC_VAL])
    return tmp_path


@pytest.fixture
def agieval_folder(tmp_path: Path) -> Path:
    """A folder as published, with a few items of our own in some of the tasks and the first of them in the others."""
    from loanword.evaluation.benchmarks.agieval_tasks import CLOZE, REPEATED, SUBJECTS

    golden = json.loads((GOLDEN / "agieval.json").read_text("utf-8"))
    (tmp_path / "v1").mkdir()
    for task in SUBJECTS:
        like = "math" if task in CLOZE else "lsat-ar" if task in ("lsat-lr", "lsat-rc", "aqua-rat") else "sat-math"
        rows = golden["items"].get(task, golden["items"][like])
        write_rows(tmp_path / "v1" / f"{task}.jsonl", rows)
    names = [task for task in SUBJECTS if task != REPEATED]
    with (tmp_path / "few_shot_prompts.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["", *names])
        for number in range(2):
            shots = [golden["shots"].get(name, [])[number : number + 1] for name in names]
            writer.writerow([f"sample {number + 1}", *(str(shot[0][0]) if shot else "" for shot in shots)])
            writer.writerow([f"explanation {number + 1}", *(shot[0][1] if shot else "" for shot in shots)])
    return tmp_path


@pytest.fixture(scope="session")
def require_golden() -> Callable[[str, str, Iterable[tuple[str, str]]], None]:
    """Fails unless prompts, by id, are those of one setting of a golden file: all together, and some one by one."""

    def require(name: str, setting: str, prompts: Iterable[tuple[str, str]]) -> None:
        expected = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))[setting]
        texts = {id: text.encode() for id, text in prompts}
        for id, one in expected["prompts"].items():
            found = {"sha256": hashlib.sha256(texts[id]).hexdigest(), "num_bytes": len(texts[id])}
            assert found == one, f"{setting}: {id}"
        assert len(texts) == expected["num_prompts"], setting
        whole = hashlib.sha256(b"".join(text + b"\0" for text in texts.values()))
        assert whole.hexdigest() == expected["sha256"], setting

    return require
