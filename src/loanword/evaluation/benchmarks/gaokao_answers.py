"""How responses to GAOKAO-Bench's objective questions are read and marked, type by type.

Where a response does not give as many answers as there are sub-questions, the authors mark all of them wrong; here it
is unparsed, which earns as little. Their patterns are kept with what they do on the way: in a single choice the last
letter A-D counts wherever it stands, be it that of "DNA", and in physics an answer that opens the response is not found
by its mark.

Source: OpenLMLab/GAOKAO-Bench, commit 6dbb24f8d8439041e5431c4c184a582182a6ce9c, Bench/bench_function.py
(extract_choice_answer) and Bench/OBJ_score_evaluation.py (obj_score_eval, count_score, check_length_equal).
"""

import re

from loanword.evaluation.benchmark import Example, Subject
from loanword.evaluation.benchmarks.gaokao_sections import SECTIONS, Section
from loanword.evaluation.extraction import read_letter, read_letter_list, read_letter_set
from loanword.records import Response

FULL_POINTS, PART_POINTS = 6, 3
"""What a physics question earns with all its letters, and with some of them and no other."""


def read(response: Response) -> tuple[str, ...] | None:
    """One answer a sub-question, by the authors' patterns; None where there are more or fewer, or a judge reads it."""
    found = _official(SECTIONS[response.subject], response.texts[-1], len(response.answers))
    return found if found and len(found) == len(response.answers) else None


def robust(response: Response) -> tuple[str, ...] | None:
    """One answer a sub-question, by rules for many ways to answer; None where it cannot be told."""
    section, text, number = SECTIONS[response.subject], response.texts[-1], len(response.answers)
    if section.is_open:
        return None
    if section.kind == "multi_choice":
        letters = read_letter_set(text, section.letters)
        return None if letters is None else ("".join(letters),)
    if number == 1:
        letter = read_letter(text, section.letters)
        return None if letter is None else (letter,)
    return read_letter_list(text, section.letters, number)


def mark(response: Response, given: tuple[str, ...]) -> float:
    """Share of the points: that of the sub-questions that are right; in physics also half of it for a part."""
    pairs = list(zip(given, response.answers, strict=True))
    if SECTIONS[response.subject].kind == "multi_choice":
        return sum(_letters_points(letters, right) for letters, right in pairs) / response.points
    return sum(letter == right for letter, right in pairs) / len(pairs)


def chance(subject: Subject, example: Example) -> float:
    """Share of the points that one letter at random earns in every sub-question; 0 where a judge marks."""
    section = SECTIONS[subject.name]
    if section.is_open:
        return 0.0
    if section.kind == "multi_choice":
        right = example.answers[0]
        return sum(_letters_points(letter, right) for letter in section.letters) / len(section.letters) / example.points
    return 1 / len(section.letters)


def _letters_points(given: str, right: str) -> float:
    # Texts are compared, so that "BA" and "AAB" are parts of "AB" and not the whole.
    if given == right:
        return FULL_POINTS
    return PART_POINTS if given and set(given) <= set(right) else 0


def _official(section: Section, text: str, number: int) -> tuple[str, ...]:
    match section.kind:
        case "single_choice":
            return tuple(re.findall("[A-D]", text)[-1:])
        case "multi_question_choice":
            return _one_each(text, number)
        case "multi_choice":
            return _all_that_apply(text)
        case "five_out_of_seven":
            return tuple(re.findall("[A-G]", text)[:5])
        case _:
            return ()


def _one_each(text: str, number: int) -> tuple[str, ...]:
    marked = re.findall(r"【答案】\s*[:：]*\s*([A-Z])", text)
    return tuple(marked if len(marked) == number else re.findall("[A-Z]", text)[:number])


def _all_that_apply(text: str) -> tuple[str, ...]:
    dense = re.sub(r"\s+", "", text)
    start = dense.find("【答案】")
    # A mark at the very beginning is not one: the authors ask for a position above 0.
    letters = re.findall("[A-D]", dense[start:] if start > 0 else dense[-10:])
    return ("".join(letters),) if letters else ()
