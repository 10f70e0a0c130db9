import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.evaluation.benchmarks.gaokao_exam import PAPERS, STREAMS, exam_points, objective_rates
from loanword.evaluation.benchmarks.gaokao_sections import OBJECTIVE
from loanword.records import Grade

PUBLISHED: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "golden" / "gaokao.json").read_text(encoding="utf-8")
)["published"]
MATH_I, MATH_II = "2010-2022_Math_I_MCQs", "2010-2022_Math_II_MCQs"


def grade(subject: str, score: float, points: float) -> Grade:
    outcome = "correct" if score == 1 else "incorrect"
    return Grade(
        id=f"{subject}/0",
        benchmark="gaokao",
        subject=subject,
        outcome=outcome,
        score=score,
        points=points,
        given="A",
        answer="A",
        num_shots=0,
    )


def test_published_rates_become_the_published_points():
    points = exam_points(PUBLISHED["objective rates"], PUBLISHED["subjective rates"])
    assert {name: [paper.objective, paper.subjective, paper.total] for name, paper in points.papers.items()} == (
        PUBLISHED["papers"]
    )
    assert {stream: points.streams[stream].total for stream in STREAMS} == {
        stream: PUBLISHED[stream] for stream in STREAMS
    }


def test_all_right_is_750_points():
    points = exam_points(dict.fromkeys(PAPERS, 1.0), dict.fromkeys(PAPERS, 1.0))
    assert {name: stream.total for name, stream in points.streams.items()} == {"Liberal-Arts": 750, "Science": 750}


def test_objective_questions_alone_are_counted_out_of_what_they_are_worth():
    points = exam_points(dict.fromkeys(PAPERS, 0.5))
    science, arts = points.streams["Science"], points.streams["Liberal-Arts"]
    assert (science.objective, science.maximum_objective, science.total) == (165.5, 331, None)
    assert (arts.objective, arts.maximum_objective, arts.total) == (175, 350, None)
    assert points.papers["Physics"].objective == 22
    assert points.papers["Physics"].total is None


def test_a_stream_with_a_missing_paper_has_no_points():
    rates = dict.fromkeys(PAPERS, 0.5)
    del rates["Physics"]
    points = exam_points(rates, dict.fromkeys(PAPERS, 0.5))
    assert (points.streams["Science"].objective, points.streams["Science"].total) == (None, None)
    assert points.streams["Liberal-Arts"].total == 375
    assert points.papers["Physics"].objective is None


@given(st.fixed_dictionaries({name: st.floats(0, 1) for name in PAPERS}))
def test_points_count_rates_of_three_digits(rates: dict[str, float]):
    assert exam_points(rates) == exam_points({name: round(rate, 3) for name, rate in rates.items()})
    for name, paper in exam_points(rates).papers.items():
        maximum = PAPERS[name].maximum_points * PAPERS[name].objective_share
        assert paper.objective == pytest.approx(maximum * rates[name], abs=0.0006 * maximum)


def test_rates_weigh_questions_by_points_over_all_files_of_a_paper():
    grades = [grade(name, 1.0, 4) for name in OBJECTIVE] + [grade("2010-2013_English_MCQs", 0.0, 16)]
    rates = objective_rates(grades)
    assert rates["English"] == 0.5
    assert {name: rate for name, rate in rates.items() if name != "English"} == dict.fromkeys(
        [name for name in PAPERS if name != "English"], 1.0
    )


def test_either_mathematics_is_a_paper_of_its_own():
    rates = objective_rates([grade(MATH_I, 1.0, 5), grade(MATH_II, 0.0, 5)])
    assert rates == {"Science-Math": 1.0, "Liberal-Arts-Math": 0.0}


def test_a_paper_with_a_file_that_was_not_asked_has_no_rate():
    assert objective_rates([grade("2010-2022_Chinese_Modern_Lit", 1.0, 9)]) == {}


def test_shares_of_points_add_up_to_whole_halves():
    # 7 of 20 parts of 1.5 points, as a share: 10.5 points, whatever the last bit of 7 / 20 is.
    grades = [grade("2010-2022_Physics_MCQs", 7 / 20, 30.0)] * 3
    assert objective_rates(grades) == {"Physics": 31.5 / 90}
