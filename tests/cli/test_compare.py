import json
from pathlib import Path

import numpy as np
import pytest

from loanword.records import Grade, write_json, write_lines

SUBJECTS = ("rivers", "towns", "dishes")
SCORES = [
    {
        "name": "accuracy",
        "over": "questions",
        "measure": "score",
        "is_part": False,
        "subjects": SUBJECTS,
        "chance": 0.25,
    }
]


def evaluation(store: Path, label: str, right: np.ndarray, *, num_shots: int = 5) -> None:
    """Records of an evaluation as `evaluate` leaves them: right or wrong, subject by subject."""
    artifact = store / "artifacts" / "grades" / label
    artifact.mkdir(parents=True)
    grades = [
        Grade(
            id=f"{subject}/{number}", benchmark="world", subject=subject,
            outcome="correct" if right[place, number] else "incorrect", score=float(right[place, number]),
            given="A" if right[place, number] else "B", answer="A", num_shots=num_shots,
        )
        for place, subject in enumerate(SUBJECTS)
        for number in range(right.shape[1])
    ]  # fmt: skip
    write_lines(grades, artifact / "grades.jsonl")
    write_json({"name": "world", "num_shots": num_shots, "scores": SCORES}, artifact / "benchmark.json")
    write_json({"name": label, "stage": "grades"}, artifact / "manifest.json")
    folder = store / "evaluations" / label
    folder.mkdir(parents=True)
    (folder / "grades.world").symlink_to(artifact)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    control = rng.random((3, 200)) < 0.4
    arm = control.copy()
    arm[1, :60] = True
    arm[2, :5] = ~arm[2, :5]
    evaluation(tmp_path, "grown-a1b2c3", arm)
    evaluation(tmp_path, "small-d4e5f6", control)
    return tmp_path


def test_compare_pairs_examples_and_tells_which_changed(store: Path, loanword):
    answer = loanword("compare", "grown", "small-d4e5f6", "--store", store, "--json")
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)["benchmarks"]["world"]
    gained, lost = len(found["gained"]), len(found["lost"])
    assert found["difference"]["value"] == pytest.approx((gained - lost) / 600)
    assert found["difference"]["low"] < found["difference"]["value"] < found["difference"]["high"]
    assert found["num_examples"] == 600
    assert found["mcnemar_p"] < 1e-4
    assert 0 < found["smallest_detectable"] < 0.1
    by_name = {one["subject"]: one for one in found["subjects"]}
    assert by_name["rivers"]["p_holm"] == 1.0
    assert by_name["towns"]["p_holm"] < 0.001
    assert by_name["towns"]["p_holm"] >= by_name["towns"]["p_value"]
    assert {one["subject"] for one in found["gained"]} <= {"towns", "dishes"}


def test_compare_says_it_in_words(store: Path, loanword):
    answer = loanword("compare", "grown", "small", "--store", store)
    assert answer.code == 0
    assert "600 examples of both" in answer.out
    assert "subjects that differ (p < 0.05 after Holm over 3): 1" in answer.out
    assert "correct under A only" in answer.out


def test_an_evaluation_against_itself_differs_in_nothing(store: Path, loanword):
    found = json.loads(loanword("compare", "grown", "grown", "--store", store, "--json").out)["benchmarks"]["world"]
    assert found["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert (found["gained"], found["lost"], found["mcnemar_p"]) == ([], [], 1.0)


def test_other_ways_of_asking_are_said(store: Path, loanword):
    evaluation(store, "other-0", np.ones((3, 150), dtype=bool), num_shots=0)
    answer = loanword("compare", "other", "small", "--store", store)
    assert "num_shots 0 against 5" in answer.out
    assert "450 examples of both, 150 of one only" in answer.out


def test_examples_with_other_right_answers_are_not_the_same_questions(store: Path, loanword):
    path = store / "artifacts" / "grades" / "grown-a1b2c3" / "grades.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[0] = lines[0].replace('"answer":"A"', '"answer":"C"')
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    answer = loanword("compare", "grown", "small", "--store", store)
    assert answer.code == 2
    assert "right answers of 1 of 600 examples differ between A and B" in answer.err


def test_few_examples_are_said_to_be_few(store: Path, loanword):
    for label in ("few-1", "fewer-2"):
        evaluation(store, label, np.ones((3, 4), dtype=bool))
    answer = loanword("compare", "few", "fewer", "--store", store)
    assert "no example is correct under one of them only" in answer.out
    assert "not enough data" in answer.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("grown", "small", "--examples", "-1"), "is less than nothing"),
        (("grown", "missing"), "was not evaluated into this store"),
        (("grown", "small", "--benchmarks", "mmlu"), "not both were asked mmlu"),
        (("twice", "small"), "names several evaluations"),
    ],
)
def test_what_cannot_be_compared_is_said(words: tuple[str, ...], said: str, store: Path, loanword):
    for label in ("twice-1", "twice-2"):
        evaluation(store, label, np.ones((3, 4), dtype=bool))
    answer = loanword("compare", *words, "--store", store)
    assert answer.code == 2
    assert said in answer.err
