import hashlib
import json
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest

from loanword.evaluation.mathematics import equivalent, standard_form

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[1] / "golden" / "agieval.json").read_text("utf-8"))
LATEX = st.lists(
    st.sampled_from(
        [
            "\\frac",
            "\\sqrt",
            "\\dfrac",
            "\\text{ ",
            "\\left(",
            "\\right)",
            "^\\circ",
            "\\%",
            "\\$",
            "{",
            "}",
            "1",
            "12",
            "0.5",
            ".5",
            "/",
            "=",
            "-",
            "x",
            " ",
        ]
    ),
    max_size=8,
).map("".join)


@pytest.mark.parametrize(("first", "second", "decided"), GOLDEN["pairs"])
def test_two_answers_are_equivalent_where_the_authors_say_so(first: str, second: str, decided: bool):
    assert equivalent(first, second) == decided


def test_the_table_holds_both_decisions_often():
    decisions = [decided for *_, decided in GOLDEN["pairs"]]
    assert len(decisions) >= 60
    assert 20 <= sum(decisions) <= len(decisions) - 20


def variants(answer: str) -> list[str]:
    """Ways to write an answer, right and wrong; the golden file has the digest of what the authors make of them."""
    return [
        answer.replace(" ", ""),
        f"${answer}$",
        f"x={answer}",
        answer + "\\text{ cm}",
        answer + "\\%",
        answer.replace("{", "").replace("}", ""),
        answer.replace("frac", "dfrac"),
        answer.replace("\\sqrt{", "\\sqrt "),
        answer + "^\\circ",
        answer[:-1],
        answer[1:],
    ]


def decisions_digest(pairs: list[tuple[str, str]]) -> tuple[int, str]:
    decided = "".join("1" if equivalent(*pair) else "0" for pair in pairs)
    return decided.count("1"), hashlib.sha256(decided.encode()).hexdigest()


def test_all_real_answers_are_decided_as_the_authors_decide_them(shared_data: Path):
    expected = GOLDEN["real_answers"]
    folder = shared_data / "benchmarks" / "agieval" / "v1"
    files = [(folder / f"{task}.jsonl").read_text("utf-8").split("\n") for task in ("math", "gaokao-mathcloze")]
    answers: list[str] = [json.loads(line)["answer"] for lines in files for line in lines if line]
    assert len(answers) == expected["num_answers"]
    near = [(answer, other) for number, answer in enumerate(answers) for other in answers[number : number + 20]]
    assert decisions_digest(near) == (expected["num_equivalent"], expected["pairs_sha256"])
    varied = [(variant, answer) for answer in answers for variant in variants(answer)]
    assert decisions_digest(varied) == (expected["num_equivalent_variants"], expected["variants_sha256"])


@hypothesis.given(LATEX, LATEX)
def test_equivalence_is_reflexive_and_symmetric_whatever_is_written(first: str, second: str):
    assert equivalent(first, first)
    assert equivalent(first, second) == equivalent(second, first)


@hypothesis.given(LATEX)
def test_an_answer_stays_equivalent_where_spaces_are_put_into_it(answer: str):
    plain = answer.replace(" ", "").replace("\\text{", "").replace(".", "")
    form = standard_form(plain)
    hypothesis.assume(form is not None and plain.count("=") != 1)
    assert equivalent(plain, plain + " ")
