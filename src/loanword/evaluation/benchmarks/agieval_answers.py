r"""What a response to AGIEval gives as its answer, and what it earns.

The authors' rules, traps included. Without shots the answer to a question with one right letter is the first capital
from A to F anywhere, so "According to the text, C" gives A; with shots it is the first one from A to G after "answer
is" or "答案是" on a line, else the first from A to F. Where several letters may be right all capitals up to F count,
wherever they stand, and the set must be that of the label: no part of the points for a part of it. A cloze answer is
what the text boxes, or has between dollar signs, or behind its last "=", or its last number; with shots all that
follows the stem. Of reasoned answers with shots only the last line is read, but a first capital is sought in the
whole.

A cloze answer is compared with the label as it is published: 78 of the 118 labels of gaokao-mathcloze have dollar
signs, which these rules take away from an answer unless the whole is boxed. Our own reading gives both forms.

Where nothing can be read the authors compare an empty answer, which is wrong everywhere but at the one label of
jec-qa-kd that is empty itself; here such a response is unparsed.

Source: ruixiangcui/AGIEval, commit 5c77d073fda993f1652eaae3cf5d04cc5fd21d40, src/post_process.py and src/evaluation.py;
of the harness: EleutherAI/lm-evaluation-harness, version 0.4.13, lm_eval/tasks/agieval/utils.py.
"""

import re

from loanword.evaluation.benchmark import Example, Subject
from loanword.evaluation.benchmarks.agieval_tasks import LETTERS, SUBJECTS, kind
from loanword.evaluation.extraction import read_letter, read_letter_set
from loanword.evaluation.mathematics import equivalent
from loanword.records import Response

_STEMS = ("The answer is therefore", "答案是")
_STATED = {"English": re.compile("answer is .*?([A-G])"), "Chinese": re.compile("答案是.*?([A-G])")}
_CAPITAL = re.compile("[A-F]")
_BETWEEN_DOLLARS = re.compile(r"\$(.*)\$")
# A digit before a Chinese character does not end a number: it is a word character to the pattern.
_NUMBER = re.compile(r"\$?\d+(?:\.\d+)?(?![\w\d])")

Given = tuple[str, ...]


def read_plain(response: Response) -> Given | None:
    """What the last text gives by the authors' rules for answers without reasoning."""
    return _read(response, response.texts[-1], response.texts[-1])


def read_reasoned(response: Response) -> Given | None:
    """What the last text gives by the authors' rules for answers after a chain of thought."""
    text = response.texts[-1]
    return _read(response, last_line(text) if response.num_shots else text, text)


def _read(response: Response, conclusion: str, text: str) -> Given | None:
    asked, has_shots = kind(response.subject), response.num_shots > 0
    if asked == "several":
        return every_capital(conclusion)
    if asked == "cloze":
        answer = after_stem(conclusion) if has_shots else mathematical_answer(after_stem(conclusion))
    else:
        stated = _STATED[SUBJECTS[response.subject].category].search(conclusion) if has_shots else None
        answer = stated[1] if stated else first_capital(text)
    return (answer,) if answer else None


def first_capital(text: str) -> str | None:
    """The first capital letter from A to F, wherever it stands."""
    found = _CAPITAL.search(text)
    return found[0] if found else None


def every_capital(text: str) -> Given | None:
    """All capital letters from A to F, each once, in alphabetical order."""
    return tuple(sorted(set(_CAPITAL.findall(text)))) or None


def last_line(text: str) -> str:
    """The last line with anything on it; the text itself where there is none."""
    return next((line for line in reversed(text.split("\n")) if line.strip()), text)


def after_stem(text: str) -> str:
    """What follows the last stem of an answer; the text as it stands where there is none."""
    for stem in _STEMS:
        if stem in text:
            # A text that begins with a stem loses that one, whatever comes after it.
            text = (text[len(stem) :] if text.startswith(stem) else text.rpartition(stem)[2]).strip()
    return text


def mathematical_answer(text: str) -> str | None:
    """The expression that a text gives: boxed, between dollar signs, behind its last `=`, or its last number."""
    if "\\boxed" in text:
        boxed = last_boxed(text)
        return None if boxed is None else _right_side(boxed)
    dollars: list[str] = _BETWEEN_DOLLARS.findall(text)
    if dollars and (between := _right_side(dollars[-1])):
        return between
    if "=" in text:
        # A line break that is written out, as two characters, ends the answer.
        return _right_side(text).rstrip(".").split("\\n")[0]
    numbers: list[str] = _NUMBER.findall(text)
    return numbers[-1] if numbers else None


def _right_side(text: str) -> str:
    return text.rpartition("=")[2].lstrip(" ") if "=" in text else text


def last_boxed(text: str) -> str | None:
    r"""What stands in the braces of the last `\boxed`; None where no brace follows it, or none closes it."""
    _, _, boxed = text.rpartition("\\boxed")
    if not boxed.startswith("{"):
        return None
    depth = 0
    for index, character in enumerate(boxed):
        depth += (character == "{") - (character == "}")
        if not depth:
            return boxed[1:index]
    return None


def robust_plain(response: Response) -> Given | None:
    """What the last text gives by our rules; a cloze answer in two forms, without and with dollar signs."""
    return _robust(response, read_plain(response))


def robust_reasoned(response: Response) -> Given | None:
    """As `robust_plain`, of an answer after a chain of thought."""
    return _robust(response, read_reasoned(response))


def _robust(response: Response, official: Given | None) -> Given | None:
    text, letters = response.texts[-1], LETTERS[: len(response.options)]
    asked = kind(response.subject)
    if asked == "several":
        return read_letter_set(text, letters)
    if asked == "single":
        options = [_without_letter(*pair) for pair in zip(letters, response.options, strict=True)]
        letter = read_letter(text, letters, options)
        return (letter,) if letter else None
    boxed = last_boxed(text) if "\\boxed" in text else None
    answer = (boxed or (official or ("",))[0]).strip(" $")
    return (answer, f"${answer}$") if answer else None


def _without_letter(letter: str, option: str) -> str:
    # Most options begin "(A)", those of logiqa-zh "A " or "A．", some of other tasks " A. ".
    return re.sub(rf"^\s*(?:\({letter}\)|{letter}[.．、\s])\s*", "", option).strip()


def mark(response: Response, given: Given) -> float:
    """1 for the right letter, the right set of letters, or an expression equivalent to the right one; else 0."""
    asked = kind(response.subject)
    if asked == "cloze":
        return float(any(equivalent(form, response.answers[0]) for form in given))
    if asked == "several":
        return float(set(given) == set(response.answers))
    return float(given == response.answers)


def chance(_: Subject, example: Example) -> float:
    """What naming one of the letters at random earns: nothing where the label is several letters, or none."""
    single = len(example.answers) == 1 and example.answers[0] in LETTERS[: len(example.options)]
    return 1 / len(example.options) if single else 0.0


def harness_read(response: Response) -> Given | None:
    """The expression that a text gives by the harness's rules, which are the authors' without a stem."""
    answer = mathematical_answer(response.texts[-1])
    return (answer,) if answer else None


def harness_mark(response: Response, given: Given) -> float:
    """1 for an option whose letter is among those of the label; for an expression, by what is read from the label too.

    Where nothing can be read from a label (22 of math, 1 of gaokao-mathcloze) the harness takes as right only what
    nothing can be read from either; here that is unparsed.
    """
    if kind(response.subject) == "cloze":
        right = mathematical_answer(response.answers[0])
        return float(right is not None and equivalent(given[0], right))
    named = [option.strip() for option in response.options].index(given[0])
    return float(LETTERS[named] in _label_letters(response.answers))


def harness_chance(_: Subject, example: Example) -> float:
    """The share of options that count as right."""
    return len(_label_letters(example.answers)) / len(example.options) if example.options else 0.0


def _label_letters(answers: Given) -> set[str]:
    return {character for answer in answers for character in answer if character in LETTERS}
