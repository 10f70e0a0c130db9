"""The rule judge: what can be seen of a response without understanding it. No model, and the same every time.

In: Responses whose questions carry Checks, or a reference. Out: a Judgement each, with up to three items from 0 to 3.
accuracy: 3 x the share that holds of "one of the accepted answers is there" and "this is mentioned", for every mention
asked for; 0 where a refused answer is there. form: 3 x the share of the other asked properties that the response has.
overlap: 3 x the F1 of its pairs of characters and the reference's. An item of which a question says nothing is absent.

A response that holds the right word by chance, or in a denial, is right by these rules, and one that says it in other
words is wrong: they rank models that answer in the words they were taught, and replace no reader.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence

import regex

from loanword.evaluation.judging.said import asked_question, response_text
from loanword.protocols import Say
from loanword.records import Checks, Judgement, Response, canonical_json

BEST = 3.0
_DECIMALS = 4

_LINE_OF_WORDS = regex.compile(r"[\p{L}\p{N}]")
_MARK = "[.!?؟।॥۔።…]"
_SENTENCE_END = regex.compile(rf"(?<!{_MARK}){_MARK}++[\"'”’»)\]]*+(?=\s|$)|[。！？]+")
"""Marks of European, Arabic, Urdu, Indian and Ethiopic scripts end a sentence before a space; Chinese ones anywhere.

A row of marks is looked at once: a model that goes on and on writes long ones.
"""
_DIGIT = regex.compile(r"\p{Nd}")
_UNSEEN = regex.compile(r"[\u200b-\u200d\u2060\ufeff]")

# A script that parts words by no space, or (Hangul) writes endings on to them: what stands beside a word says nothing.
_UNPARTED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
_LETTER = regex.compile(rf"[[\p{{L}}\p{{M}}]--[{_UNPARTED}]]", regex.V1)
_NUMBER_BEFORE = regex.compile(rf"\d[.,٫٬/⁄]?\Z|(?<![[\p{{L}}\p{{M}}\d]--[{_UNPARTED}]])[-−]\Z", regex.V1)
_NUMBER_AFTER = regex.compile(r"[.,٫٬/⁄]?\d")
_GROUPED = regex.compile(r"(?<=(?<!\d)\d{1,3})[^\S\r\n](?=\d{3}(?!\d))")
"""The space in 2 500. What is three numbers in a row is taken for one, too: then none of them is surely whole."""


def rule_judgements(answered: Sequence[Response], say: Say) -> list[Judgement]:
    """The judgements of the responses, in their order.

    A question that carries neither checks nor a reference has none; how many do not is said.
    """
    judgements: list[Judgement] = []
    for response in answered:
        scores = rule_scores(response)
        if scores:
            judgements.append(Judgement(id=response.id, replies=(canonical_json({"scores": scores}),)))
    if len(judgements) < len(answered):
        say(
            f"rules rate {len(judgements):,} of {len(answered):,} responses: the other questions carry no accepted "
            "answers, no properties and no reference"
        )
    return judgements


def rule_scores(response: Response) -> dict[str, float]:
    """What the rules give a response, by item; nothing where its question says nothing of the answer."""
    asked, text = asked_question(response), response_text(response)
    held = {} if asked.checks is None else _held(asked.checks, text)
    scores = {item: BEST * sum(holds) / len(holds) for item, holds in held.items() if holds}
    reference = "\n".join(asked.references)
    if reference.strip():
        scores["overlap"] = BEST * bigram_f1(text, reference)
    return {item: round(score, _DECIMALS) for item, score in scores.items()}


def holds_words(text: str, sought: str) -> bool:
    """Whether a text holds words as whole words, or a number as a whole number, with its sign, fraction and thousands.

    Case, the form of digits and white space do not matter. In scripts that part words by no space any place will do,
    as long as it cuts no number and no word of another script.
    """
    text, sought = _plain(text), _plain(sought)
    start = text.find(sought) if sought else -1
    while start >= 0:
        end = start + len(sought)
        if not _cuts(text, start, end):
            return True
        start = text.find(sought, start + 1)
    return False


def num_sentences(text: str) -> int:
    """How many sentences a text has; one ends with its line at the latest."""
    parts = [part for line in text.splitlines() for part in _SENTENCE_END.split(line)]
    return sum(bool(_LINE_OF_WORDS.search(part)) for part in parts)


def bigram_f1(text: str, reference: str) -> float:
    """The F1 of two texts' pairs of neighbouring characters, each counted as often as it occurs.

    Texts are in normal form NFKC, without white space. A text of one character has no pairs: it is equal or it is not.
    """
    one, other = ("".join(unicodedata.normalize("NFKC", each).split()) for each in (text, reference))
    pairs, wanted = _pairs(one), _pairs(other)
    if not pairs or not wanted:
        return float(one == other)
    return 2 * (pairs & wanted).total() / (pairs.total() + wanted.total())


def _held(checks: Checks, text: str) -> dict[str, list[bool]]:
    """Of everything that is asked for, by item, whether it holds."""
    seen = checks.properties
    right = [any(holds_words(text, answer) for answer in checks.accepted)] if checks.accepted else []
    right += [holds_words(text, mention) for mention in seen.mentions]
    if checks.refused:
        refused = any(holds_words(text, answer) for answer in checks.refused)
        right = [False] if refused else right or [bool(text.strip())]
    num_lines = sum(bool(line.strip()) for line in text.splitlines())
    form: list[bool] = []
    if seen.min_sentences:
        form.append(num_sentences(text) >= seen.min_sentences)
    if seen.num_lines:
        form.append(num_lines == seen.num_lines)
    if seen.min_lines:
        form.append(num_lines >= seen.min_lines)
    # A response of nothing differs from everything, and is shorter.
    if seen.differs_from_input and checks.input:
        form.append(bool(text.strip()) and _plain(text) != _plain(checks.input))
    if seen.shorter_than_input and checks.input:
        form.append(0 < len(_plain(text)) < len(_plain(checks.input)))
    return {"accuracy": right, "form": form}


def _plain(text: str) -> str:
    # A comma as wide as a character parts clauses, in text without spaces; the narrow one may stand inside a number.
    parted = text.replace("，", "， ")
    folded = _GROUPED.sub("", _UNSEEN.sub("", unicodedata.normalize("NFKC", parted))).casefold()
    return " ".join(_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0], digit[0])), folded).split())


def _cuts(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] is only a part of a word or of a number."""
    if text[start].isdigit() and _NUMBER_BEFORE.search(text, max(0, start - 2), start):
        return True
    if text[end - 1].isdigit() and _NUMBER_AFTER.match(text, end):
        return True
    return _joined(text[start - 1 : start], text[start]) or _joined(text[end - 1], text[end : end + 1])


def _joined(before: str, after: str) -> bool:
    return bool(_LETTER.match(before) and _LETTER.match(after))


def _pairs(text: str) -> Counter[str]:
    return Counter(text[place : place + 2] for place in range(len(text) - 1))
