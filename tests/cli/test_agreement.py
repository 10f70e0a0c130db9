"""`loanword agreement` as its users call it."""

import csv
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loanword.records import Item, JudgeFacts, OpenQuestion, Rating, Response, write_json, write_lines

ITEMS = ("accuracy", "fluency")
SAME = ("--same", "Baichuan-7B-Align=Chat-Baichuan-7B")


def answer_to(place: int) -> str:
    return "word " * (place + 1)


def ratings(folder: Path, name: str = "judge", repeats: int = 1, **facts) -> Path:
    """A ratings.jsonl of 40 responses; every fifth judgement could not be read."""
    folder.mkdir(exist_ok=True)
    scales = tuple(Item(name=item, lowest=0, highest=3) for item in ITEMS)
    judge = JudgeFacts(
        **{"name": name, "kind": "model", "title": name, "rubric": "llm-eval-0-3", "items": scales, **facts}
    )
    given = [
        Rating(
            id=f"q{place}",
            benchmark="open",
            subject=("story", "code")[place % 2],
            repeat=repeat,
            outcome="unparsed" if place % 5 == 4 else "rated",
            scores={} if place % 5 == 4 else {"accuracy": float(place % 4), "fluency": float(place // 10)},
            num_characters=len(answer_to(place)),
        )
        for place in range(40)
        for repeat in range(repeats)
    ]
    write_json(judge, folder / "judge.json")
    write_lines(given, folder / "ratings.jsonl")
    return folder / "ratings.jsonl"


def people(file: Path, lines: Iterable[Mapping[str, Any]] | None = None) -> Path:
    """What two people gave the same 40 responses: the second is one point stricter where that is possible."""
    if lines is None:
        lines = (
            {
                "id": f"q{place}",
                "rater": ("ann", "ben")[rater],
                "scores": {"accuracy": max(0, place % 4 - rater), "fluency": 2},
                **(
                    {"response": answer_to(place)}
                    if rater
                    else {"response_sha256": hashlib.sha256(answer_to(place).encode()).hexdigest()}
                ),
            }
            for place in range(40)
            for rater in range(2)
        )
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


def scores_csv(file: Path, systems: Iterable[str], rows: Iterable[tuple[str, str, str, str]] = ()) -> Path:
    header = ("id", "question_uuid", "llm_name", "metric", "score")
    lines = [
        (f"Code_{question}" if question % 2 else f"Story_{question}", system, item, str(1 + (question + shift) % 3))
        for shift, system in enumerate(systems)
        for question in range(20)
        for item in ITEMS
    ]
    with gzip.open(file, "wt", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(header)
        writer.writerows((place, *line) for place, line in enumerate([*lines, *rows]))
    return file


def measured(loanword, *words: object) -> dict[str, Any]:
    answer = loanword("agreement", *words, "--json")
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def test_published_means_agree_as_published(shared_data: Path, loanword):
    folder = shared_data / "benchmarks" / "llmeval-1"
    files = folder / "summary_gpt4.csv", folder / "summary_human.csv"
    found = measured(loanword, *files)
    systems = {one["item"]: one for one in found["systems"]}
    assert {item: round(one["spearman"]["value"], 3) for item, one in systems.items()} == {
        "overall": 0.949,
        "accuracy": 0.967,
        "informativeness": 0.923,
        "logicality": 0.923,
        "fluency": 0.795,
        "harmlessness": 0.599,
    }
    assert round(systems["overall"]["kendall"]["value"], 2) == 0.84
    assert round(systems["accuracy"]["kendall"]["value"], 2) == 0.90
    assert {one["num_systems"] for one in systems.values()} == {12}
    assert round(systems["overall"]["bias"]["value"], 3) == 0.135
    assert round(systems["fluency"]["bias"]["value"], 3) == 0.325
    spreads = [(systems[item]["spread"], systems[item]["other_spread"]) for item in ("fluency", "harmlessness")]
    assert np.round(spreads, 3).tolist() == [[0.149, 0.462], [0.035, 0.138]]
    for one in systems.values():
        assert one["spearman"]["low"] < one["spearman"]["value"] < one["spearman"]["high"]
    shown = loanword("agreement", *files).out
    assert "0.967 [" in shown
    assert max(map(len, shown.splitlines()[3:])) <= 120


def test_published_scores_are_paired_by_question(shared_data: Path, loanword):
    file = shared_data / "benchmarks" / "llmeval-1" / "item_scores_gpt4.csv.gz"
    (alone,) = measured(loanword, file)["alone"]
    full = {one["item"]: one for one in alone["saturation"]}
    assert [round(100 * full[item]["at_top"]["value"], 1) for item in ("fluency", "harmlessness")] == [97.6, 99.1]
    halves = [(one["mean"]["high"] - one["mean"]["low"]) / 2 for one in alone["systems"]]
    assert (round(min(halves), 2), round(max(halves), 2)) == (0.02, 0.05)
    assert {one["num_examples"] for one in alone["systems"]} == {450, 453}
    gains = [one["pairing_gain"] for one in alone["neighbours"]]
    assert (round(min(gains), 2), round(max(gains), 2)) == (1.14, 1.35)
    assert (len(gains), sum(one["is_told_apart"] for one in alone["neighbours"])) == (11, 6)
    assert {one["num_responses"] for one in alone["repeats"]} == {51}
    shown = loanword("agreement", file).out
    assert "6 of 11 differ from the next by more than 1.96 paired standard errors" in shown
    assert max(map(len, shown.splitlines()[2:])) <= 120


def test_systems_that_are_called_differently_are_joined_by_hand(shared_data: Path, loanword):
    folder = shared_data / "benchmarks" / "llmeval-1"
    files = folder / "item_scores_gpt4.csv.gz", folder / "summary_human.csv"
    apart, joined = measured(loanword, *files), measured(loanword, *files, *SAME)
    assert apart["only_one_has"] == ["Baichuan-7B-Align", "Chat-Baichuan-7B"]
    assert {one["num_systems"] for one in apart["systems"]} == {11}
    rho = {one["item"]: round(one["spearman"]["value"], 3) for one in joined["systems"]}
    assert (rho["overall"], rho["informativeness"], rho["fluency"], rho["harmlessness"]) == (0.949, 0.923, 0.795, 0.599)
    assert joined["only_one_has"] == []


def test_a_judge_of_the_store_is_compared_with_people(tmp_path: Path, loanword):
    judge, crowd = ratings(tmp_path / "judge"), people(tmp_path / "people.jsonl")
    found = measured(loanword, judge.parent, crowd)
    items = {one["item"]: one for one in found["items"]}
    kept = [place for place in range(40) if place % 5 != 4]
    assert list(items) == ["overall", *ITEMS]
    assert {one["num_responses"] for one in items.values()} == {len(kept)}
    bias = np.mean([place % 4 - (place % 4 + max(0, place % 4 - 1)) / 2 for place in kept])
    assert items["accuracy"]["bias"]["value"] == pytest.approx(bias)
    assert items["accuracy"]["spearman"]["value"] > 0.9
    assert items["fluency"]["spearman"] == {
        "value": None,
        "low": None,
        "high": None,
        "why": "people.jsonl: all scores are equal",
    }
    assert [one["group"] for one in found["categories"]] == ["code", "story"]
    judge_alone, people_alone = found["alone"]
    assert [one["given_other"] is not None for one in judge_alone["lengths"]] == [True, True, True]
    # Ben's file says what he read, so that the length of people's responses is known too.
    assert people_alone["lengths"][0]["num_responses"] == 40
    assert people_alone["repeats"][0]["num_responses"] == 40
    assert found["judge"]["notes"] == ["8 of 40 judgements have no scores"]
    shown = loanword("agreement", judge, crowd).out
    assert "people.jsonl: all scores are equal" in shown
    assert "by category" in shown
    assert max(len(line) for line in shown.splitlines() if str(tmp_path) not in line) <= 120


def test_languages_are_told_apart_where_people_name_them(tmp_path: Path, loanword):
    lines = [
        {
            "id": f"q{place}",
            "rater": "ann",
            "scores": {"accuracy": place % 4},
            "response": answer_to(place),
            "language": ("sw", "hi")[place < 20],
        }
        for place in range(40)
    ]
    found = measured(loanword, ratings(tmp_path / "judge"), people(tmp_path / "people.jsonl", lines))
    assert [(one["group"], one["agreement"]["num_responses"]) for one in found["languages"]] == [("hi", 16), ("sw", 16)]


def test_two_judges_are_compared_and_rules_are_called_rules(tmp_path: Path, loanword):
    rules = ratings(tmp_path / "rules", kind="rules")
    other = ratings(tmp_path / "model", repeats=2)
    found = measured(loanword, rules, other, "--items", "fluency")
    assert [one["item"] for one in found["items"]] == ["fluency"]
    assert found["items"][0]["alpha"]["value"] == pytest.approx(1)
    assert found["alone"][1]["repeats"][0]["equal"]["value"] == 1
    assert "rules that look for accepted answers" in loanword("agreement", rules, other).out


def test_one_judge_alone_is_looked_at(tmp_path: Path, loanword):
    found = measured(loanword, ratings(tmp_path / "judge"))
    (alone,) = found["alone"]
    assert found["items"] == []
    assert alone["repeats"] == []
    assert alone["systems"] == []
    assert alone["saturation"][0]["at_top"]["value"] == pytest.approx(8 / 32)
    assert alone["lengths"][2]["spearman"]["value"] > 0.9


def test_single_scores_of_both_are_compared_response_by_response(tmp_path: Path, loanword):
    judge = scores_csv(tmp_path / "judge.csv.gz", ("a", "b", "c"))
    other = scores_csv(tmp_path / "other.csv.gz", ("b", "a", "c"), [("Story_0", "a", "fluency", "3")])
    found = measured(loanword, judge, other)
    assert {one["num_responses"] for one in found["items"]} == {60}
    assert {one["order_within"] for one in found["items"]} == {True}
    assert [one["group"] for one in found["categories"]] == ["Code", "Story"]
    assert found["human"]["notes"] == ["1 scores stand there more than once: each example counts once, with their mean"]
    assert [one["num_systems"] for one in found["systems"]] == [3, 3, 3]
    assert "no interval" in found["systems"][0]["spearman"]["why"] or found["systems"][0]["spearman"]["value"] is None


def test_two_systems_of_one_file_are_never_taken_for_repeats_of_one(tmp_path: Path, loanword):
    judge, other = scores_csv(tmp_path / "a.csv.gz", "abc"), scores_csv(tmp_path / "b.csv.gz", "abd")
    refused = loanword("agreement", judge, other, "--same", "b=a")
    assert (refused.code, "a.csv.gz - a and b are two systems there" in refused.err) == (2, True)
    found = measured(loanword, judge, other, "--same", "c=d")
    assert found["only_one_has"] == []
    assert {one["num_systems"] for one in found["systems"]} == {3}


def test_scores_from_0_are_on_the_scale_of_those_that_begin_at_1(tmp_path: Path, loanword):
    files: list[Path] = []
    for name, lowest in (("judge.csv", 0), ("other.csv", 1)):
        rows = [f"a,q_{place},fluency,{max(lowest, place % 4)}" for place in range(40)]
        files.append(tmp_path / name)
        files[-1].write_text("\n".join(["\ufeffllm_name,question_uuid,metric,score", *rows]), encoding="utf-8")
    (found,) = measured(loanword, *files)["items"]
    assert found["bias"]["value"] == pytest.approx(-10 / 40)
    assert found["kappa"]["value"] is not None
    crowd = people(tmp_path / "people.jsonl", [{**LINE, "scores": {"fluency": 0}}])
    refused = loanword("agreement", files[1], crowd)
    assert "no response is rated by both" in refused.err


def test_only_ratings_of_the_named_responses_count(tmp_path: Path, loanword):
    lines = [
        {"id": f"q{place}", "rater": "ann", "scores": {"accuracy": place % 4}, "response": text}
        for place in range(40)
        for text in (answer_to(place), "another answer")
    ]
    judge, crowd = ratings(tmp_path / "judge"), people(tmp_path / "people.jsonl", lines)
    refused = loanword("agreement", judge, crowd)
    assert refused.code == 2
    assert "people.jsonl:2 - the file rates several responses to q0" in refused.err
    assert "--responses" in refused.err
    write_lines(
        (
            Response(
                id=f"q{place}",
                benchmark="open",
                subject="code",
                num_shots=0,
                answers=(),
                asked=OpenQuestion(turns=("?",)),
                texts=(answer_to(place),),
                ended="stopped",
            )
            for place in range(40)
        ),
        tmp_path / "responses.jsonl",
    )
    found = measured(loanword, judge, crowd, "--responses", tmp_path)
    assert found["items"][0]["num_responses"] == 32
    assert found["human"]["notes"][1] == "40 ratings of other responses left out"


def test_names_that_would_steer_the_terminal_are_shown_harmless(tmp_path: Path, loanword):
    file = scores_csv(tmp_path / "judge.csv.gz", ("a\x1b[2J", "b", "c"))
    shown = loanword("agreement", file).out
    assert "\x1b" not in shown
    assert "a\\x1b[2J" in shown


LINE = {"id": "q1", "rater": "ann", "scores": {"accuracy": 2}, "response": answer_to(1)}
PADDED = [
    json.dumps({**LINE, "id": f"q{place}", "response": hashlib.sha512(str(place).encode()).hexdigest()}).encode()
    + b"\n"
    for place in range(400)
]
"""More than is read of a packed file at once."""


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("odd.csv", "a,b\n1,2\n", "columns a, b"),
        ("empty.csv", "llm_name,accuracy\n", "no rows"),
        ("twice.csv", "llm_name,accuracy\na,1\na,2\n", "twice.csv:3 - a again"),
        ("word.csv", "llm_name,accuracy\na,much\n", "word.csv:2 - accuracy is 'much'"),
        ("short.csv", "llm_name,accuracy\na\n", "short.csv:2 - 1 fields"),
        ("high.csv", "llm_name,question_uuid,metric,score\na,q_1,fluency,7\n", "high.csv:2 - a score of 7"),
        ("odd.jsonl", '{"a": 1}\n', "its first line has a"),
        ("broken.jsonl", "{\n", "broken.jsonl:1 - not JSON"),
        ("list.jsonl", "[]\n", "list.jsonl:1 - not an object"),
        ("gone.jsonl", json.dumps({**LINE, "response": None}) + "\n", "gone.jsonl:1 - does not say which response"),
        ("again.jsonl", 2 * (json.dumps(LINE) + "\n"), "again.jsonl:2 - ann rates the response to q1 again"),
        ("beyond.jsonl", json.dumps({**LINE, "scores": {"accuracy": 9}}) + "\n", "accuracy of q1 is 9"),
        ("other.jsonl", json.dumps({**LINE, "id": "x"}) + "\n", "no response is rated by both"),
        ("means.csv", "llm_name,accuracy\na,1\nb,2\nc,3\n", "one holds means of systems"),
        ("odd.txt", "", "a name that no layout of ratings has"),
        ("wide.jsonl", json.dumps(LINE).encode("utf-16"), "wide.jsonl - cannot be read"),
        ("bad.jsonl.gz", b"not gz", "bad.jsonl.gz - cannot be read"),
        ("cut.jsonl.gz", gzip.compress(b"".join(PADDED), mtime=0)[:-6], "cut.jsonl.gz - cannot be read"),
        ("cut.csv.gz", gzip.compress(b"llm_name,accuracy\na,1\n", mtime=0)[:-6], "cut.csv.gz - cannot be read"),
        ("harm.csv.gz", gzip.compress(b"llm_name\n", mtime=0)[:10] + b"\xff" * 9, "harm.csv.gz - cannot be read"),
        ("columns.csv", "llm_name,accuracy,accuracy\na,1,2\n", "columns.csv:1 - accuracy is the name of 2 columns"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_line(name: str, content: str | bytes, said: str, tmp_path: Path, loanword):
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    answer = loanword("agreement", ratings(tmp_path / "judge"), tmp_path / name)
    assert answer.code == 2
    assert said in answer.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none.csv",), "no such file"),
        (("means.csv",), "means of systems, of which nothing can be told alone"),
        (("means.csv", "other.csv"), "2 of 3 and 3 systems have a name in common"),
        (("means.csv", "means.csv", "--items", "wit"), "not in"),
        (("means.csv", "means.csv", "--same", "a"), "not a pair of names"),
        (("means.csv", "other.csv", "--same", "typo=d"), "--same typo=d - no file has typo"),
        (("means.csv", "other.csv", "--same", "c=typo"), "--same c=typo - no file has typo"),
        (("means.csv", "other.csv", "--same", "c=d", "--same", "c=a"), "--same c=a - c is named already"),
        (("means.csv", "other.csv", "--same", "b=a"), "means.csv - a and b are two systems there"),
        (("ratings.jsonl",), "no judge.json beside it"),
    ],
)
def test_what_cannot_be_compared_is_refused(words: tuple[str, ...], said: str, tmp_path: Path, loanword, monkeypatch):
    (tmp_path / "means.csv").write_text("llm_name,accuracy\na,1\nb,2\nc,3\n")
    (tmp_path / "other.csv").write_text("llm_name,accuracy\na,1\nb,2\nd,3\n")
    ratings(tmp_path / "judge").rename(tmp_path / "ratings.jsonl")
    monkeypatch.chdir(tmp_path)
    answer = loanword("agreement", *words)
    assert answer.code == 2
    assert said in answer.err
