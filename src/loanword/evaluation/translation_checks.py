"""What is suspicious of a translation: seen from the texts alone, by rules, for people to look at.

Nothing is mended here. What a rule names may be right: a name that stays as it is, a percentage in words.
"""

from collections.abc import Iterator

import regex

from loanword.evaluation.protected_text import alterations, words_apart
from loanword.evaluation.translation_prompt import Direction
from loanword.writing import script_letters, writing

SHORT_CHARACTERS = 20
"""A shorter text than this that is no question by itself may be a name, which stays as it is in many languages."""
MOST_TIMES_LONGER = 2.5
MOST_TIMES_SHORTER = 2.5
LONGER_LETTERS, SHORTER_LETTERS = 20, 5
"""A translation is much longer, or shorter, where it is so beyond these as well. On FLORES-200 (1,012 sentences in 15
languages) whole texts lie between 0.88 and 1.17 times the English letters, a Chinese character counted as three."""
ECHO_SHARE = 0.8
MIN_ECHO_WORDS = 4

_HAN_LETTERS = 3
_WORDS = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]|[\p{L}\p{M}]+")
_WIDE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")
_QUESTION_MARKS = frozenset("?？؟፧՞⁇⸮;")
_UNMARKED = frozenset({"th", "lo", "km", "my", "bo", "dz"})
"""Languages that hardly use question marks."""
_QUOTES = (('"', '"'), ("“", "”"), ("„", "“"), ("«", "»"), ("「", "」"), ("『", "』"), ("”", "”"))


def suspicions(source: str, translation: str, direction: Direction, *, leading: bool) -> list[str]:
    """What is not as it should be, each in words; `leading` where the text is a question and no part of one."""
    if not translation.strip():
        return ["no text"]
    return [
        *_unlike(source, translation, direction, short=not leading and len(source) < SHORT_CHARACTERS),
        *alterations(source, translation),
    ]


def _unlike(source: str, translation: str, direction: Direction, *, short: bool) -> Iterator[str]:
    if not short:
        if _is_echo(source, translation):
            yield "echo: most words are the source's"
        elif _is_other_script(translation, direction):
            yield f"not written as {direction.target_name} is"
    there, here = num_letters(source), num_letters(translation)
    if here > MOST_TIMES_LONGER * there + LONGER_LETTERS:
        yield "much longer than the source: perhaps an answer, or a remark"
    elif there > MOST_TIMES_SHORTER * here + SHORTER_LETTERS:
        yield "much shorter than the source: perhaps an answer, or a summary"
    if _asks(source) and not _asks(translation) and direction.target.split("-")[0] not in _UNMARKED:
        yield "the question mark is gone: perhaps an answer"
    if any(label in translation and label not in source for label in (*direction.labels, *direction.back.labels)):
        yield "words of the prompt are in it"
    if any(_is_within(translation, *pair) for pair in _QUOTES) and not any(_is_within(source, *p) for p in _QUOTES):
        yield "quotation marks around all of it"


def _is_echo(source: str, translation: str) -> bool:
    words = {word.casefold() for word in _WORDS.findall(words_apart(source))}
    said = {word.casefold() for word in _WORDS.findall(words_apart(translation))}
    return len(words) >= MIN_ECHO_WORDS and len(words & said) >= ECHO_SHARE * len(words)


def _is_other_script(translation: str, direction: Direction) -> bool:
    """Whether most letters are of a script that the target language does not have."""
    text = words_apart(translation)
    counts = script_letters(text)
    # A name in Latin letters is longer than what a Chinese sentence says of it.
    wide = (_HAN_LETTERS - 1) * len(_WIDE.findall(text))
    own_scripts = writing(direction.target).scripts
    own = sum(counts.get(script, 0) for script in own_scripts) + (wide if "Han" in own_scripts else 0)
    return 2 * own < sum(counts.values()) + wide


def num_letters(text: str) -> int:
    """Length of a text as an alphabet has it: characters that are not white space, a Chinese one thrice."""
    return len("".join(text.split())) + (_HAN_LETTERS - 1) * len(_WIDE.findall(text))


def _asks(text: str) -> bool:
    return text.rstrip().rstrip("\"'”’»)）」』").endswith(tuple(_QUESTION_MARKS))


def _is_within(text: str, opening: str, closing: str) -> bool:
    return len(text) > 1 and text.startswith(opening) and text.endswith(closing)
