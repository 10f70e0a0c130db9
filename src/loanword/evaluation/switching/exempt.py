"""What of a text may be in any language: code, addresses, formulas, units, names, quotations, glosses in brackets."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Literal

import regex

from loanword.evaluation.switching.runs import weight
from loanword.evaluation.switching.vocabulary import function_words, listed

Kind = Literal["word", "name", "symbol"]
Place = tuple[int, int]

FILLER = "\ufffc"
"""Stands for every character of code, an address or a formula: no letter, and no end of a sentence."""

_DIGITS = "0123456789"
_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_IN_URL = r"[^\s<>\"'“”‘’）)】」，。、；]+"
_FILES = (
    "py|ipynb|js|ts|java|cpp?|h|rs|go|sh|html?|css|md|txt|csv|tsv|json|xml|ya?ml|toml|ini|log|pdf|docx?|xlsx?|pptx?"
    "|jpe?g|png|gif|svg|mp[34]|wav|avi|zip|tar|gz|rar|exe|apk|iso|sql|tex|bib|odt|ods|bat|rb|php|mkv|webp|bmp|tiff?"
)
_COUNTRIES = "in|np|pk|bd|lk|cn|tw|hk|jp|kr|vn|id|my|ke|tz|ug|za|sa|eg|ae|uk|de|fr|es|it|ru|br|us|eu|tv|me"
_DOMAINS = rf"(?:com|org|net|edu|gov|nic|io|co|info|dev|ai|ac|go|or|app)(?:\.[a-z]{{2}})?|(?:{_COUNTRIES})"

_OPERAND = r"[0-9½¼.,]*[A-Za-zα-ωΔΣΠ]{0,3}[²³¹⁰-⁹₀-₉0-9]*"

# What a text must hold for a pattern to be looked for, the pattern, and the characters that belong to it on its left.
_NO_LANGUAGE = [
    (("`", "~~~"), r"(?s)```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|``[^`\n]+``|`[^`\n]+`", ""),
    (("<",), r"<[/!]?[A-Za-z][^<>\n]{0,200}>", ""),
    (("$",), r"\$\$[^$]+\$\$|\$[^$\n]*[\\^_={}][^$\n]*\$", ""),
    (("\\",), r"(?s)\\\([^\n]{1,1000}?\\\)|\\\[.{1,1000}?\\\]|\\[A-Za-z]+", ""),
    (tuple("=+^−×÷<>≤≥≈±"), rf"(?<!\p{{L}})(?:{_OPERAND}\)?[ ]?[=+^−×÷<>≤≥≈±][ ]?\(?)+{_OPERAND}(?!\p{{Latin}})", ""),
    (tuple("²³₂₃"), r"(?<![A-Za-z])[A-Za-z]{1,4}[²³¹⁰-⁹₀-₉]+", ""),
    (("://", "www."), rf"(?:https?|ftp|file)://{_IN_URL}|(?<![A-Za-z0-9])www\.{_IN_URL}", ""),
    (("@",), r"@[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", f"{_ALPHABET}{_DIGITS}_.+-"),
    (("#",), r"#[A-Za-z_][A-Za-z0-9_]*", ""),
    ((".",), rf"(?<=[A-Za-z0-9_])\.(?:{_FILES}|{_DOMAINS})(?![A-Za-z0-9])(?:/[A-Za-z0-9_./?=&%-]*)?",
     f"{_ALPHABET}{_DIGITS}_./~\\-"),
    (("/", "\\"), r"(?<![\w/])(?:[A-Z]:\\|~/|/)[A-Za-z0-9_.-]+(?:[/\\][A-Za-z0-9_.-]+)*", ""),
    (("_",), r"_[A-Za-z0-9_]+", f"{_ALPHABET}{_DIGITS}_."),
    # No call: "data (the facts)", "data(the facts)".
    (("(",), r"(?<=[A-Za-z0-9_])\((?! |[^()\"']*[A-Za-z]{2} [A-Za-z]{2})[A-Za-z0-9_, .=+*/^\"'-]{0,40}\)",
     f"{_ALPHABET}{_DIGITS}_."),
    (tuple(_DIGITS), r"[-‑]?[0-9]+(?:[.,][0-9]+)*(?:[A-Za-z]{1,4}[0-9]*(?![A-Za-z]))?(?:[-.][0-9]+)*", _ALPHABET),
]  # fmt: skip
_PATTERNS = [(marks, regex.compile(pattern), frozenset(left)) for marks, pattern, left in _NO_LANGUAGE]

_QUOTES = frozenset("“„«»‹「『《〈\"'‘")
_QUOTED = regex.compile(
    r"“([^“”]+)”|„([^„“”]+)[“”]|«([^«»]+)»|»([^«»]+)«|‹([^‹›]+)›|「([^「」]+)」|『([^『』]+)』|《([^《》]+)》|〈([^〈〉]+)〉"
    r"|(?<!\p{N})\"([^\"\n]+)\""
    # An apostrophe stands between Latin letters; in other scripts an ending may follow a quotation.
    r"|(?<![\p{L}\p{N}])'([^'\n]{1,200})'(?!\p{Script=Latin})|(?<![\p{L}\p{N}])‘([^‘\n]{1,200}?)’(?!\p{Script=Latin})"
)
_BRACKETED = regex.compile(r"(?<=[\p{L}\p{M}\p{N}\"'”’»」』》*_`]\s?)[(（\[【]([^()（）\[\]【】\n]+)[)）\]】]")

_MAX_GLOSS_WORDS = 6
_MAX_QUOTED_WEIGHT = 30  # some six words
_MIN_FUNCTION_WORDS = 3
_CAPITALISED = regex.compile(r"(?<![A-Za-z])[A-Z][A-Za-z'’-]*+(?:,? [A-Z][A-Za-z'’-]*+){3,}")


def blanked(text: str) -> str:
    """The text with what is in no language replaced, character by character."""
    kept: list[str] = []
    at = 0
    for start, end in sorted(_in_no_language(text)):
        if end > at:
            kept += [text[at:start], FILLER * (end - max(start, at))]
            at = end
    return "".join([*kept, text[at:]])


def _in_no_language(text: str) -> Iterator[Place]:
    for marks, pattern, left in _PATTERNS:
        if not any(mark in text for mark in marks):
            continue
        last = 0
        for match in pattern.finditer(text):
            start = match.start()
            while start > last and text[start - 1] in left:
                start -= 1
            last = match.end()
            yield start, last


def quotations(text: str) -> list[Place]:
    """What stands within quotation marks, or is a title; no quotation of some six words that is most of a text."""
    if not _QUOTES & set(text):
        return []
    quoted = [(match.span(), weight(match.group())) for match in _QUOTED.finditer(text)]
    whole = weight(text) if any(each > _MAX_QUOTED_WEIGHT for _, each in quoted) else 0.0
    return [place for place, each in quoted if each <= _MAX_QUOTED_WEIGHT or each * 2 < whole]


def glosses(text: str) -> list[Place]:
    """What stands in brackets after a word, if it is a few words long: the original of a term or a name."""
    return [match.span() for match in _BRACKETED.finditer(text) if len(match.group().split()) <= _MAX_GLOSS_WORDS]


@lru_cache(maxsize=100_000)
def kind(word: str) -> Kind:
    """What a word in Latin letters is by its looks: an acronym, unit or brand is a symbol, a capital makes a name."""
    lower = word.lower()
    if len(word) == 1 or (lower in listed("symbols") and word in (lower, word.upper())):
        return "symbol"
    if word == lower:
        return "word"
    return "name" if word[1:] == lower[1:] else "symbol"


def without_capitals(text: str) -> str:
    """The text with English sentences in capitals, as "The Answer Is Simple And We Know It", in small letters.

    Four words or more, of which three are words that sentences are made of, and names are not.
    """
    return _CAPITALISED.sub(lambda match: _lowered(match.group()), text)


def _lowered(words: str) -> str:
    made_of = function_words("en") - listed("connectors") - listed("symbols")
    return words.lower() if len(made_of & set(words.lower().replace(",", "").split())) >= _MIN_FUNCTION_WORDS else words


def words_asked(turns: Iterable[str]) -> frozenset[str]:
    """Words of what was asked, in lower case."""
    return frozenset(word.lower() for turn in turns for word in regex.findall(r"[\p{L}\p{M}]+(?:['’]\p{L}+)*", turn))
