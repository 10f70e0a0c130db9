"""The world's writing systems: scripts of a language, whether spaces part its words, which way it runs.

Scripts carry their Unicode names ("Han", "Devanagari"). A language that is not listed is taken to be written in
Latin letters with spaces; a script subtag (`sr-Cyrl`) decides over the language.
"""

from dataclasses import dataclass

import regex


@dataclass(frozen=True)
class Writing:
    """How a language is written; `scripts` has the main one first."""

    scripts: tuple[str, ...]
    spaced: bool = True
    right_to_left: bool = False


SCRIPTS = (
    "Latin", "Han", "Hiragana", "Katakana", "Bopomofo", "Hangul", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari",
    "Bengali", "Gurmukhi", "Gujarati", "Oriya", "Tamil", "Telugu", "Kannada", "Malayalam", "Sinhala", "Thai", "Lao",
    "Tibetan", "Myanmar", "Khmer", "Georgian", "Armenian", "Ethiopic", "Mongolian", "Syriac", "Thaana", "Cherokee",
    "Yi", "Nko", "Adlam",
)  # fmt: skip
"""The scripts told apart here; letters of any other count as "Unknown"."""

_LATIN = Writing(("Latin",))
_CHINESE = Writing(("Han",), spaced=False)
_JAPANESE = Writing(("Han", "Hiragana", "Katakana"), spaced=False)
_ARABIC = Writing(("Arabic",), right_to_left=True)
_HEBREW = Writing(("Hebrew",), right_to_left=True)
_THAANA = Writing(("Thaana",), right_to_left=True)
_CYRILLIC = Writing(("Cyrillic",))
_DEVANAGARI = Writing(("Devanagari",))

_BY_LANGUAGE = {
    **dict.fromkeys(("zh", "yue", "wuu", "lzh"), _CHINESE),
    "ja": _JAPANESE,
    "ko": Writing(("Hangul", "Han")),
    **dict.fromkeys(("ar", "fa", "ur", "ps", "sd", "ug", "ckb", "arz", "ks"), _ARABIC),
    **dict.fromkeys(("he", "yi"), _HEBREW),
    "dv": _THAANA,
    **dict.fromkeys(("hi", "mr", "ne", "sa", "bho", "mai"), _DEVANAGARI),
    **dict.fromkeys(("ru", "uk", "be", "bg", "mk", "sr", "kk", "ky", "mn", "tg", "tt"), _CYRILLIC),
    **dict.fromkeys(("bn", "as"), Writing(("Bengali",))),
    "gu": Writing(("Gujarati",)),
    "pa": Writing(("Gurmukhi",)),
    "or": Writing(("Oriya",)),
    "ta": Writing(("Tamil",)),
    "te": Writing(("Telugu",)),
    "kn": Writing(("Kannada",)),
    "ml": Writing(("Malayalam",)),
    "si": Writing(("Sinhala",)),
    "th": Writing(("Thai",), spaced=False),
    "lo": Writing(("Lao",), spaced=False),
    "my": Writing(("Myanmar",), spaced=False),
    "km": Writing(("Khmer",), spaced=False),
    "bo": Writing(("Tibetan",), spaced=False),
    "el": Writing(("Greek",)),
    "ka": Writing(("Georgian",)),
    "hy": Writing(("Armenian",)),
    **dict.fromkeys(("am", "ti"), Writing(("Ethiopic",))),
}

_BY_SUBTAG = {
    "Latn": _LATIN,
    "Hans": _CHINESE,
    "Hant": _CHINESE,
    "Hani": _CHINESE,
    "Jpan": _JAPANESE,
    "Arab": _ARABIC,
    "Hebr": _HEBREW,
    "Syrc": Writing(("Syriac",), right_to_left=True),
    "Thaa": _THAANA,
    "Nkoo": Writing(("Nko",), right_to_left=True),
    "Adlm": Writing(("Adlam",), right_to_left=True),
    "Cyrl": _CYRILLIC,
    "Deva": _DEVANAGARI,
}

_LETTERS = regex.compile("|".join(rf"(?P<{name}>\p{{Script={name}}}+)" for name in SCRIPTS)
                         + r"|(?P<Unknown>[^\p{Script=Common}\p{Script=Inherited}])")  # fmt: skip


def writing(language: str) -> Writing:
    """How a language, named by its BCP-47 code, is written."""
    main, *subtags = language.split("-")
    for subtag in subtags:
        if subtag in _BY_SUBTAG:
            return _BY_SUBTAG[subtag]
    return _BY_LANGUAGE.get(main, _LATIN)


def script_letters(text: str) -> dict[str, int]:
    """Number of a text's characters in each script; characters that belong to none are not counted."""
    counts: dict[str, int] = {}
    for match in _LETTERS.finditer(text):
        script = match.lastgroup or "Unknown"
        counts[script] = counts.get(script, 0) + match.end() - match.start()
    return counts
