"""Whether every line of a response is in its language, and whether a line has an English word.

Definitions of the Language Confusion Benchmark, with these libraries for its own: py3langid among the languages of the
script for fastText's lid.176, simplemma's dictionary for its list of English words. It cuts Chinese and Japanese into
words to see whether a line is long enough; here two letters make a word of an unspaced script, and a line without
letters is none. Its word rate is for six languages; here it is for all that are not written in Latin letters.

Source: Marchisio et al. 2024, arXiv 2406.20052; for-ai/language-confusion at 0cfdbb4, compute_metrics.py.
"""

import string
from collections.abc import Callable

from loanword.evaluation.switching.languages import clause_languages, code_of, is_chinese, known, of_script
from loanword.evaluation.switching.runs import LETTERS, is_all_in, num_letters, own_scripts, weights, words
from loanword.writing import writing

MIN_LINE_WORDS = 5
MIN_WORD_LETTERS = 4

_PUNCTUATION = {**dict.fromkeys(map(ord, string.punctuation + "،")), ord("—"): " "}


def line_rates(expected: str) -> Callable[[str], tuple[bool | None, bool | None]]:
    """Says of a response whether it passes by lines, and by words.

    None, None where no line is long enough, and for a language that the library lacks. By words it is None for one in
    Latin letters, and where a line is in another language.
    """
    how = writing(expected)
    own, scripts = code_of(expected), own_scripts(expected)
    among = clause_languages(how.scripts[0], own)
    unknown = among is None and len(of_script(how.scripts[0])) > 1

    def passes(text: str) -> tuple[bool | None, bool | None]:
        lines = [
            line
            for line in (each.translate(_PUNCTUATION) for each in text.split("\n"))
            if _num_words(line, spaced=how.spaced) >= MIN_LINE_WORDS and LETTERS.search(line)
        ]
        if not lines or unknown:
            return None, None
        if not all(map(in_language, lines)):
            return False, None
        return True, None if how.scripts[0] == "Latin" else not any(map(_has_english, lines))

    def in_language(line: str) -> bool:
        if not is_all_in(line, scripts):
            letters = weights(line)
            most = max(letters, key=lambda script: letters[script])
            if most not in how.scripts or (own == "zh" and {"Hiragana", "Katakana"} & letters.keys()):
                return False
            if most not in scripts and letters.keys().isdisjoint(scripts):
                return not is_chinese(line, own)
        return among is None or among.likeliest(line)[0] == own

    return passes


def _num_words(line: str, *, spaced: bool) -> int:
    if spaced:
        return len(line.split())
    latin = [word.text for word in words(line, ("Latin",), own=True) if word.script == "Latin"]
    return len(latin) + (num_letters(line) - sum(map(num_letters, latin))) // 2


def _has_english(line: str) -> bool:
    return any(
        word.script == "Latin" and len(word.text) >= MIN_WORD_LETTERS and word.text.islower() and known(word.text, "en")
        for word in words(line, ("Latin",), own=True)
    )
