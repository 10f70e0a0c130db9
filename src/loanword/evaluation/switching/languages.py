"""Which language a word or a clause is in, as libraries find it among the few that it may be in.

Words: lingua, whose models of a language take some 50 MB; py3langid where lingua lacks a language. Clauses: py3langid,
which knows Nepali and Malayalam, and errs less on clauses of the languages that share a script (docs/numbers.md,
"Code-switching"). Dictionaries are simplemma's.
"""

import copy
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, cast

import numpy as np
import regex

from loanword.evaluation.switching.vocabulary import function_words, loans
from loanword.writing import writing

CACHED_WORDS = 200_000

# Dictionaries that are worth their memory (2 to 50 MB); Swahili's takes 650 MB.
_DICTIONARIES = frozenset({"en", "id", "ms", "fr", "it", "tl"})

_WIDELY_WRITTEN = ("fr", "es", "pt", "it")
_APOSTROPHE = re.compile("['’]")

_TYPICAL_ODDS = -1.0
_CHINESE = regex.compile(r"\p{Script=Han}")
_MAX_KOREAN_LETTERS, _MIN_CHINESE_LETTERS = 4, 2

# What is found to be a larger language may be in a smaller one that is taken for it; where the smaller one is expected,
# it is looked for instead.
_TAKEN_FOR = {"ms": "id", "jv": "id", "gl": "es", "nn": "no"}

_CALLED = {"fil": "tl", "nb": "no"}

_LATIN = (
    "af", "az", "ca", "cs", "cy", "da", "de", "en", "es", "et", "eu", "fi", "fr", "ga", "ha", "hr", "ht", "hu", "id",
    "is", "it", "la", "lt", "lv", "mg", "mt", "nl", "no", "pl", "pt", "ro", "rw", "sk", "sl", "sn", "so", "sq", "st",
    "sv", "sw", "tl", "tr", "uz", "vi", "xh", "yo", "zu",
)  # fmt: skip
_OTHER_SCRIPTS = (
    "am", "ar", "as", "be", "bg", "bn", "el", "fa", "gu", "he", "hi", "hy", "ja", "ka", "kk", "km", "kn", "ko", "ky",
    "lo", "mk", "ml", "mn", "mr", "my", "ne", "or", "pa", "ps", "ru", "si", "sr", "ta", "te", "tg", "th", "ug", "uk",
    "ur", "zh",
)  # fmt: skip

Probabilities = Callable[[str], Mapping[str, float]]
"""How likely a text is in each of some languages."""


class Identifier:
    """py3langid among some of the languages that it knows."""

    def __init__(self, languages: Sequence[str]) -> None:
        self._among = copy.copy(_py3langid())
        self._among.set_languages(languages)
        # Half floats, column by column, are slow to read.
        self._among.nb_ptc = np.ascontiguousarray(self._among.nb_ptc, dtype=np.float32)

    def probabilities(self, text: str) -> Mapping[str, float]:
        """How likely a text is in each of the languages."""
        return dict(cast(list[tuple[str, float]], self._among.rank(text)))

    def likeliest(self, text: str) -> tuple[str, float]:
        """The language that a text is likeliest in, and how likely that is."""
        return cast(tuple[str, float], self._among.classify(text))


def code_of(language: str) -> str:
    """What libraries call a language, whatever its region; "und" where its tag names a script that they do not know."""
    main = language.split("-")[0]
    return _CALLED.get(main, main) if writing(language).scripts[0] == writing(main).scripts[0] else "und"


def known(word: str, language: str) -> bool | None:
    """Whether a language's dictionary has a word, in small letters, in some form; None for a language without one."""
    if language not in _DICTIONARIES:
        return None
    from simplemma import is_known

    if is_known(word, language):
        return True
    # The English one lacks "her", and forms with an apostrophe.
    stem = _APOSTROPHE.split(word)[0] if language == "en" else word
    return (language == "en" and word in function_words("en")) or (stem != word and is_known(stem, "en"))


def is_chinese(text: str, expected: str) -> bool:
    """Whether Chinese letters that stand by themselves are Chinese, and no words of Japanese or Korean.

    No library tells Chinese from Japanese without kana. A sentence of it has letters that are not written in Japan,
    unless it is in traditional ones; Korean words in Chinese letters are short.
    """
    letters = _CHINESE.findall(text)
    if expected == "ko":
        return len(letters) > _MAX_KOREAN_LETTERS
    return sum(letter in function_words("zh") or not _is_japanese(letter) for letter in letters) >= _MIN_CHINESE_LETTERS


def _is_japanese(letter: str) -> bool:
    try:
        letter.encode("cp932")
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=CACHED_WORDS)
def other_dictionary(word: str) -> str | None:
    """The first of the most widely written languages in Latin letters, English apart, whose dictionary has a word.

    Read slowly from 30 MB: for words that are rarely asked about.
    """
    from simplemma import is_known

    return next((each for each in _WIDELY_WRITTEN if is_known(word, each, low_memory=True)), None)


@cache
def of_script(script: str) -> tuple[str, ...]:
    """Languages that are written in a script, and that a library tells from one another."""
    found = [code for code in (*_LATIN, *_OTHER_SCRIPTS) if script in writing(code).scripts]
    # Written in Mongolian letters too, and by most in Cyrillic ones; Chinese letters in Korean are rare.
    return tuple(code for code in found if not (script == "Han" and code in ("ja", "ko")))


@cache
def clause_languages(script: str, expected: str) -> Identifier | None:
    """The languages of a script, told from one another; None for a script of one, or where the expected one lacks."""
    larger = _TAKEN_FOR.get(expected)
    languages = [expected if larger and code == larger else code for code in of_script(script)]
    if len(languages) < 2 or (expected and expected not in languages):
        return None
    return _identifier(*languages)


@cache
def _identifier(*languages: str) -> Identifier:
    return Identifier(languages)


@cache  # half a second and 100 MB, the same for every language
def _py3langid() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # pyright: ignore[reportMissingTypeStubs]

    return cast(Any, LanguageIdentifier).from_model_file(MODEL_FILE, norm_probs=True)


def language_of(text: str, script: str, *, min_probability: float = 0.0) -> str:
    """The likeliest language of a text that is all in one script; the script's name where none is likely enough."""
    languages = of_script(script)
    if script in ("Hiragana", "Katakana"):
        return "ja"
    if len(languages) == 1:
        return languages[0]
    among = clause_languages(script, "")
    if among is None:
        return script
    best, probability = among.likeliest(text)
    return best if probability >= min_probability else script


def word_odds(expected: str, others: Sequence[str]) -> Callable[[str], tuple[str, float]] | None:
    """For a word: which of the others it is likeliest in, and the log of the odds against the expected language.

    All languages are as likely before a word is seen. None where no library has the expected language and another;
    others that it lacks are left out.
    """
    short, long = frozenset(cast(list[str], _py3langid().labels)), _lingua_codes()
    in_both = expected in long and long.keys() >= short & set(others)
    others = [each for each in others if each in (long if in_both else short)]
    if not others or expected not in (long if in_both else short):
        return None
    named = _lingua((expected, *others)) if in_both else _short(expected, others)

    def odds(word: str) -> tuple[str, float]:
        found = named(word)
        own = max(found.get(expected, 0.0), 1e-6)
        best = max(others, key=lambda language: found.get(language, 0.0))
        return best, math.log(max(found.get(best, 0.0), 1e-6) / own)

    return odds


def typical(expected: str, odds: Callable[[str], float] | None) -> Callable[[str], bool] | None:
    """Says of a word whether it is common in the expected language rather than in another; None where nothing tells."""
    if expected in _DICTIONARIES:
        own_loans = loans(expected)
        return lambda word: word in own_loans or known(word, expected) is True
    return (lambda word: odds(word) <= _TYPICAL_ODDS) if odds else None


@cache
def _lingua_codes() -> dict[str, Any]:
    from lingua import Language

    codes = {each.iso_code_639_1.name.lower(): each for each in Language.all()}
    return {**codes, "no": codes["nb"]}


def _lingua(languages: Sequence[str]) -> Probabilities:
    from lingua import LanguageDetectorBuilder

    codes = {language: _lingua_codes()[language] for language in languages}
    detector = LanguageDetectorBuilder.from_languages(*codes.values()).build()
    names = {code: language for language, code in codes.items()}

    def probabilities(word: str) -> dict[str, float]:
        return {names[value.language]: value.value for value in detector.compute_language_confidence_values(word)}

    return probabilities


def _short(expected: str, others: Sequence[str]) -> Probabilities:
    among = _identifier(expected, *others)
    return lambda word: among.probabilities(f" {word} ")
