"""A generated text without thinking and markup, cut into the tokens that an answer is read from.

In: a text and the letters that may be given. Out: Tokens, each with its kind. Every pass looks at a bounded
neighbourhood of each character, so time grows with the length of a text and nothing else.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import regex

from loanword.evaluation.extraction_letters import ALIKE, ALSO_WORDS, FOREIGN, FORMAT, LATIN, fold, letter_names
from loanword.evaluation.extraction_words import WORDS

_THINKING = regex.compile(r"<(/?)(?:think|thinking|thought|reasoning|reflection)>|\[(/?)THINK\]", regex.IGNORECASE)
_BOX, _BOX_END = "⟦", "⟧"
_MARKUP = (
    (regex.compile(r"[\r\v\f\u0085\u2028\u2029]"), "\n"),
    (regex.compile(r"~~[^~\n]{1,200}+~~"), " "),  # struck through
    (regex.compile(r"<(?:final[_ ]?)?(?:answer|ans)>", regex.IGNORECASE), _BOX),
    (regex.compile(r"</(?:final[_ ]?)?(?:answer|ans)>", regex.IGNORECASE), _BOX_END),
    (regex.compile(r"</?(?![A-Z]>)\|?[A-Za-z_]{1,20}+\|?\s?/?>"), " "),
    (regex.compile(r"\\(?:boxed|fbox)[ \t]{0,3}+\{?"), _BOX),
    (regex.compile(r"\\(?:text|mathrm|mathbf|textbf|textit|mathsf|mathit|operatorname|bf|rm)\b[ \t]{0,3}+\{?"), ""),
    (regex.compile(r"\\[()\[\]]"), " "),
    (regex.compile(r"^[ \t]{0,8}+#{1,8}+|[*`$]", regex.MULTILINE), ""),
    (regex.compile(r"(?<![\p{L}\p{N}_])_{1,3}+|_{1,3}+(?![\p{L}\p{N}_])"), ""),
)

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_CASED = r"\p{Latin}\p{Greek}\p{Cyrillic}"
_PIECES = regex.compile(
    rf"""(?P<line>\n) | (?P<space>[^\S\n]++) | (?P<number>\p{{Nd}}++(?:[.,]\p{{Nd}}++)*+)
    | (?P<unspaced>[{_UNSPACED}]++)
    | (?P<word>[{_CASED}][{_CASED}\p{{M}}]*+(?:['’][{_CASED}\p{{M}}]++)*+ | \p{{Hangul}}++
        | [[\p{{L}}\p{{M}}]--[{_UNSPACED}{_CASED}\p{{Hangul}}]]++)
    | (?P<mark>.)""",
    regex.VERBOSE | regex.VERSION1,
)

_MARKS = {
    **dict.fromkeys(".!。।۔।॥", "stop"),
    **dict.fromkeys("?؟", "question"),
    **dict.fromkeys(",、;，؛،·", "comma"),
    **dict.fromkeys(":→⇒–—-", "colon"),
    **dict.fromkeys("=≈", "equals"),
    **dict.fromkeys("([{【《「『〈〔«“‘<", "open"),
    **dict.fromkeys(")]}】》」』〉〕»”>" + _BOX_END, "close"),
    **dict.fromkeys("\"'’", "quote"),
    **dict.fromkeys("/|", "or"),
    "&": "and",
    _BOX: "box",
}
_STICKY = frozenset("_^°%+#@~\\")
"""Marks that make one thing of a letter and what they join to it."""

_TURKISH_COPULA = regex.compile(r"['’][dt][iıuü]r$")


@dataclass(frozen=True, slots=True)
class Token:
    """A word or mark; `indexes` say which letters it names. `text` is folded, `glued` means no space before it."""

    kind: str
    text: str
    start: int
    end: int
    glued: bool = False
    lower: bool = False
    small: bool = False
    indexes: tuple[int, ...] = ()


def spoken(text: str) -> str:
    """What a text says outside of its thinking; nothing where that never ends."""
    kept: list[str] = []
    depth = done = 0
    for tag in _THINKING.finditer(text):
        if not depth:
            kept.append(text[done : tag.start()])
        if not (tag[1] or tag[2]):
            depth += 1
        elif depth:
            depth -= 1
        else:  # the prompt had opened it
            kept.clear()
        done = tag.end()
    return "" if depth else "".join([*kept, text[done:]])


def plain(text: str) -> str:
    """A text in compatibility form, full-width and other digits as ASCII, boxes marked, other markup removed."""
    text = unicodedata.normalize("NFKC", text).replace(_BOX, "[").replace(_BOX_END, "]")
    text = ascii_digits(FORMAT.sub("", text))
    for pattern, put in _MARKUP:
        text = pattern.sub(put, text)
    return text


def ascii_digits(text: str) -> str:
    """A text with the decimal digits of every script as ASCII digits."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(character)) if character.isdecimal() else character for character in text)


def cut(text: str, letters: Sequence[str]) -> list[Token]:
    """The tokens of a plain text, its spaces left out."""
    pieces = list(_pieces(text, {fold(letter) for letter in letters}))
    names = letter_names([fold(letter) for letter in letters], {piece.text for piece in pieces})
    run = {name: index for name, index in names.items() if len(name) == 1 and name in LATIN}
    phrased = list(_phrases(pieces))
    named = [_named(phrased, at, names, run) for at in range(len(phrased))]
    return [_unless_word(named, at) for at in range(len(named))]


def _tables() -> tuple[dict[str, str], dict[str, str]]:
    """Kinds by word, and by beginning of a word."""
    words: dict[str, str] = {}
    stems: dict[str, str] = {}
    for kind, languages in WORDS.items():
        for word in (word for listed in languages.values() for word in listed.split(", ")):
            table = stems if word.endswith("*") else words
            table.setdefault(fold(word.rstrip("*")).casefold(), kind)
    return words, stems


_WORDS, _STEMS = _tables()
_LONGEST_UNSPACED = 8
_LONGEST_PHRASE = 3
_BEGINNINGS = {word.split(" ")[0] for word in _WORDS if " " in word}


def _pieces(text: str, letters: set[str]) -> Iterator[Token]:
    """Words, numbers and marks; scripts without spaces are cut into words of ours and single characters."""
    glued = False
    for match in _PIECES.finditer(text):
        kind = match.lastgroup or "mark"
        if kind == "space":
            glued = False
            continue
        if kind == "unspaced":
            yield from _unspaced(match[0], match.start(), glued, letters)
        else:
            folded = match[0].translate(ALIKE)
            kind = _MARKS.get(folded, "other mark") if kind == "mark" else kind
            yield Token(kind, folded, match.start(), match.end(), glued, lower=folded[:1].islower())
        glued = kind != "line"


def _unspaced(run: str, start: int, glued: bool, letters: set[str]) -> Iterator[Token]:
    at = 0
    while at < len(run):
        sizes = range(min(_LONGEST_UNSPACED, len(run) - at), 0, -1)
        size = next((size for size in sizes if run[at : at + size] in _WORDS), 1)
        word = run[at : at + size]
        alone = len(run) == size or at + size == len(run)
        kind = "word" if word in letters and alone else _WORDS.get(word, "other")
        yield Token(kind, word, start + at, start + at + size, glued or at > 0)
        at += size


def _phrases(pieces: Sequence[Token]) -> Iterator[Token]:
    """The same, words of ours with their kinds; the longest phrase first."""
    at = 0
    while at < len(pieces):
        piece = pieces[at]
        if piece.kind != "word":
            yield piece
            at += 1
            continue
        size, kind = _phrase(pieces, at)
        words = " ".join(word.text for word in pieces[at : at + size])
        yield replace(piece, kind=kind, text=words, end=pieces[at + size - 1].end)
        at += size


def _phrase(pieces: Sequence[Token], at: int) -> tuple[int, str]:
    first = pieces[at].text.casefold().replace("’", "'")
    for size in range(_LONGEST_PHRASE if first in _BEGINNINGS else 1, 1, -1):
        words = pieces[at : at + size]
        if all(word.kind == "word" for word in words):
            phrase = " ".join(word.text.casefold() for word in words)
            if phrase in _WORDS:
                return len(words), _WORDS[phrase]
    if first in _WORDS:
        return 1, _WORDS[first]
    stems = (_STEMS[first[:length]] for length in range(min(len(first), 12), 1, -1) if first[:length] in _STEMS)
    return 1, next(stems, "word")


def _named(tokens: Sequence[Token], at: int, names: dict[str, int], run: dict[str, int]) -> Token:
    """The token with the letters that it names, where it stands for itself and is no part of another name."""
    token = tokens[at]
    if token.kind == "number" and token.text in names:
        return replace(token, kind="letter", indexes=(names[token.text],))
    if token.kind in ("number", "line", "other mark") or token.text[:1] in _MARKS:
        return token
    text = _TURKISH_COPULA.sub("", token.text)
    if text in names and not _joined(tokens, at):
        return replace(token, kind="letter", indexes=(names[text],))
    if len(text) == 1 and text.swapcase() in names and token.kind == "word" and not _joined(tokens, at):
        return replace(token, kind="letter", indexes=(names[text.swapcase()],), small=True)
    if 1 < len(text) <= 26 and token.kind == "word" and all(run.get(letter, FOREIGN) >= 0 for letter in text):
        return replace(token, kind="run", indexes=tuple(run[letter] for letter in text))
    return replace(token, kind="other") if token.kind == "word" else token


def _joined(tokens: Sequence[Token], at: int) -> bool:
    return _sticks(tokens, at, -1) or _sticks(tokens, at, 1)


def _sticks(tokens: Sequence[Token], at: int, step: int) -> bool:
    """Whether a token is joined to what is beside it: "B12", "T-cell", "C++"."""

    def beside(index: int) -> Token | None:
        if not 0 <= index < len(tokens):
            return None
        return tokens[index] if tokens[max(index, index - step)].glued else None

    near = beside(at + step)
    if near is None:
        return False
    if near.kind == "number" or near.text in _STICKY:
        return True
    far = beside(at + 2 * step) if near.text in ("-", ".") else None
    if far is None or far.text[:1] in _MARKS or far.kind in ("line", "other mark"):
        return False
    return near.text == "-" or (len(far.text) == 1 and far.text.isupper())


_WORDS_TOO = frozenset(fold(word) for word in ALSO_WORDS)
_END = Token("end", "", 0, 0)
_NOUNS = frozenset(("other", "option", "answer", "tentative"))
ENDS = frozenset(("stop", "line", "comma", "close", "quote", "question", "because", "joint", "but", "end"))


def _unless_word(tokens: Sequence[Token], at: int) -> Token:
    """The token, or another word where a letter that is a word too stands before a word."""
    token = tokens[at]
    if token.kind != "letter" or not (token.small or token.text in _WORDS_TOO):
        return token
    after, next_after = [*tokens[at + 1 : at + 3], _END, _END][:2]
    if token.small and after.kind == "letter" and not after.small:  # an article: "é a B"
        return replace(token, kind="link", indexes=())
    if token.small:
        word = after.kind not in ENDS
    elif token.text in LATIN:
        word = after.lower and (after.kind in _NOUNS or (after.kind == "right" and next_after.kind in _NOUNS))
    else:
        word = after.kind == "other" and after.text[:1].isalpha()
    return replace(token, kind="other", indexes=()) if word else token
