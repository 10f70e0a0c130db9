"""The short text that a response gives as its answer, as in mathematics: what it boxes, or says the answer to be."""

from collections.abc import Sequence

import regex

from loanword.evaluation.extraction_statements import kind_at, turns_before
from loanword.evaluation.extraction_text import Token, ascii_digits, cut, spoken

_BOXED = regex.compile(r"\\(?:boxed|fbox)\s{0,3}+(?:\{|(?=[\w\\]))")
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if chr(code) not in "，；！？"}
_MATHS = regex.compile(
    r"(?P<dollars>\$\$?)(?P<in>[^$]{1,300}+)(?P=dollars)|\\\((?P<in>.{1,300}?)\\\)|\\\[(?P<in>.{1,300}?)\\\]",
    regex.DOTALL,
)
_UP_TO = regex.compile(
    r"[^\n]{1,300}?(?=\s*(?:\.?(?:\n|$)|\.\s|[。！，；？?]|,?\s(?:because|since|as|so|which|where)\b))"
)
_HASHES = regex.compile(r"^####[ \t]{1,4}+([^\n]{1,200}+)", regex.MULTILINE)
_PROSE = regex.compile(r"(?<![\\\p{L}])(?:\p{Latin}{4}|[[\p{L}\p{M}]--[\p{Latin}\p{Greek}]]{3})", regex.VERSION1)
_LINKS = frozenset(("link", "right", "joint", "thus", "close", "quote", "equals", "tentative", "option"))
_MOST_CHARACTERS = 60


def read_text(text: str) -> str | None:
    """The answer that a text boxes or states, the last of them; a text that is one short formula gives itself.

    Marks of mathematics and markup around it are left out, LaTeX within it is kept. None where nothing is given.
    """
    said = ascii_digits(spoken(text).translate(_FULL_WIDTH)).replace("**", "").replace("`", "")
    found = [*_boxed(said), *_hashed(said), *_stated(said)]
    if found:
        answer = _bare(max(found)[1])
        return answer or None
    line = said.strip()
    if (
        "\n" in line
        or "boxed" in line
        or len(line) > _MOST_CHARACTERS
        or _PROSE.search(line)
        or not regex.search(r"[\d\\]", line)
    ):
        return None
    return _bare(line) or None


def _boxed(text: str) -> list[tuple[int, str]]:
    """The content of the last box, with its position; an empty one gives nothing to read."""
    boxes = [match.end() for match in _BOXED.finditer(text)]
    if not boxes:
        return []
    start = boxes[-1]
    if text[start - 1] != "{":  # \boxed 5
        return [(start, text[start:].split()[0].rstrip("$"))]
    depth = 1
    for at in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if not depth:
            return [(start, text[start:at])]
    return []


def _hashed(text: str) -> list[tuple[int, str]]:
    return [(match.start(), match[1]) for match in _HASHES.finditer(text)]


def _stated(text: str) -> list[tuple[int, str]]:
    tokens = cut(text, ())
    found: list[tuple[int, str]] = []
    for cue, token in enumerate(tokens):
        if token.kind == "answer" and not turns_before(tokens, cue) & {"if", "not", "wrong"}:
            begin = _behind_links(tokens, cue)
            answer = None if begin is None else _from(text, begin)
            if answer:
                found.append((token.start, answer))
    return found


def _behind_links(tokens: Sequence[Token], cue: int) -> int | None:
    """Where in the text the answer begins that a cue speaks of; None where nothing links them."""
    at = cue + 1
    linked = False
    while at < len(tokens) and at < cue + 12:
        token = tokens[at]
        colon = token.kind == "colon" and token.text != "-"
        if token.kind == "line" and linked and tokens[at - 1].kind in ("colon", "close", "line"):
            at += 1
            continue
        if not colon and token.kind not in _LINKS:
            break
        linked |= colon or token.kind in ("link", "close", "equals")
        at += 1
    return tokens[at].start if linked and kind_at(tokens, at) not in ("end", "line", "not", "if") else None


def _from(text: str, begin: int) -> str | None:
    maths = _MATHS.match(text, begin)
    if maths:
        return maths["in"]
    if _BOXED.match(text, begin + text.startswith("$", begin)):
        return None  # read as a box
    said = _UP_TO.match(text, begin)
    return said[0] if said else None


def _bare(answer: str) -> str:
    """An answer without the marks around it."""
    answer = answer.strip().strip("*").strip()
    while True:
        whole = _MATHS.fullmatch(answer)
        if not whole:
            break
        answer = whole["in"].strip()
    answer = answer.rstrip("。!").strip()
    answer = answer[:-1].rstrip() if answer.endswith(".") else answer
    whole = _MATHS.fullmatch(answer)
    return whole["in"].strip() if whole else answer
