"""What a text states about its answer: which letters it gives, calls right, or denies.

In: Tokens. Out: Statements, in the order of the text. A statement begins at a cue ("answer", "选", a box) and reaches
over a bounded number of words that may link it to a letter; or at a letter that is called right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from loanword.evaluation.extraction_text import ENDS, Token

Strength = Literal["said", "right", "weak", "wrong", "denied"]

_LINKS = frozenset((
    "link", "right", "option", "answer", "choose", "open", "close", "quote", "colon", "equals", "joint", "not",
    "tentative", "or", "and", "box",
))  # fmt: skip
_AROUND = frozenset(("open", "close", "quote", "option"))
_CLAUSE = frozenset(("stop", "line", "comma", "question", "but", "thus", "colon"))
_MOST_LINKS = 14
_MOST_LETTERS = 12
_END = Token("end", "", 0, 0)


@dataclass(frozen=True, slots=True)
class Statement:
    """Letters, by index, and how they are spoken of.

    `said` to be the answer, called `right` or `wrong`, given in a `weak` way (as a first thought, or as "answer A" in
    the middle of a sentence), or `denied` to be the answer. `either`: one of them, not all. `named`: as options.
    """

    letters: tuple[int, ...]
    strength: Strength
    at: int
    either: bool = False
    named: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Letters that stand together, and the position behind the last of them."""

    letters: tuple[int, ...]
    end: int
    either: bool = False


def statements(tokens: Sequence[Token], options: Sequence[list[str]] = ()) -> list[Statement]:
    """All statements of a text; `options` are the texts of options in words, which name their letters behind a cue."""
    found: list[Statement] = []
    at = 0
    while at < len(tokens):
        kind = tokens[at].kind
        statement, after = None, at + 1
        if kind in ("answer", "choose", "box", "option", "right", "thus"):
            statement, after = _stated(tokens, at, options)
        elif kind in ("letter", "run"):
            statement, after = _judged(tokens, at)
        elif kind == "not":
            statement, after = _rejected(tokens, at)
        if statement is not None:
            found.append(statement)
            if statement.strength == "denied":
                found += _instead(tokens, after)
        at = max(after, at + 1)
    return found


def group(tokens: Sequence[Token], at: int) -> Group:
    """The letters that are listed from a letter on."""
    letters, end, either = list(tokens[at].indexes), at + 1, False
    while len(letters) < _MOST_LETTERS:
        joined = _next_letter(tokens, end)
        if joined is None:
            break
        position, alternative = joined
        letters += tokens[position].indexes
        either |= alternative
        end = position + 1
    return Group(tuple(letters), end, either)


def kind_at(tokens: Sequence[Token], at: int) -> str:
    """Kind of the token at a position; `end` behind the last one."""
    return tokens[at].kind if 0 <= at < len(tokens) else "end"


def skip(tokens: Sequence[Token], at: int, kinds: frozenset[str], most: int = _MOST_LINKS) -> int:
    """The first position from `at` on whose kind is none of `kinds`, at most so many on."""
    last = min(at + most, len(tokens))
    while at < last and tokens[at].kind in kinds:
        at += 1
    return at


def _next_letter(tokens: Sequence[Token], at: int) -> tuple[int, bool] | None:
    """Where the next letter of a list stands, and whether it is an alternative."""
    position = skip(tokens, at, _AROUND, 3)
    parted = skip(tokens, position, frozenset(("comma", "and", "or")), 3)
    between = {token.kind for token in tokens[position:parted]}
    letter = skip(tokens, parted, frozenset(("open", "quote", "option")), 3)
    if kind_at(tokens, letter) not in ("letter", "run"):
        return None
    beside = letter == at and kind_at(tokens, at + 1) in ENDS | {"letter", "run"}  # "C F A"
    if not between and not beside and not any(token.kind == "open" for token in tokens[at:letter]):
        return None
    behind = skip(tokens, letter + 1, frozenset(("close", "quote", "option")), 3)
    after = _predicate(tokens, behind)
    if after == "wrong" or (between == {"comma"} and after not in ("end", "right", "list")):
        return None
    return letter, "or" in between


def _predicate(tokens: Sequence[Token], at: int) -> str:
    """What is said of the letters before a position: right, wrong, nothing (end), more of a list, or other words."""
    first = kind_at(tokens, at)
    if first in ("comma", "and", "or", "letter", "open"):
        return "list"
    if first in ENDS:
        return "end"
    behind = skip(tokens, at, frozenset(("link", "not", "joint")), 6)
    negated = any(token.kind == "not" for token in tokens[at:behind])
    kind = kind_at(tokens, behind)
    if kind == "not after":
        return "wrong"
    if kind in ("right", "wrong"):
        negated ^= kind == "wrong" or kind_at(tokens, behind + 1) == "not after"
        return "wrong" if negated else "right"
    if behind > at and not negated and kind in ENDS | {"end"}:
        return "end"
    return "other"


def _stated(tokens: Sequence[Token], cue: int, options: Sequence[list[str]]) -> tuple[Statement | None, int]:
    kind = tokens[cue].kind
    at = _past_links(tokens, cue)
    passed = {token.kind for token in tokens[cue + 1 : at]}
    before = turns_before(tokens, cue)
    if kind in ("answer", "choose", "box") and "not" not in passed | before:
        for begin in range(cue + 1, at + 1):  # a text of an option may begin with a word that links
            index = _option_at(tokens, begin, options)
            if index is not None:
                letters = (index,)
                if len(options[index]) == 1 and tokens[begin].kind == "letter":  # an option that is a letter itself
                    letters = tuple(dict.fromkeys((index, *tokens[begin].indexes)))
                return _unless_asked(tokens, begin, before, Statement(letters, "said", cue)), begin + 1
    if kind_at(tokens, at) not in ("letter", "run"):
        return None, cue + 1
    listed = group(tokens, at)
    if _enumerates(tokens, at) or not _cued(tokens, kind, passed, listed.end):
        return None, cue + 1
    if _denied(tokens, listed.end) or "not" in passed | before:
        return Statement(listed.letters, "denied", cue), listed.end
    if "wrong" in before or _predicate(tokens, skip(tokens, listed.end, _AROUND, 3)) == "wrong":
        return Statement(listed.letters, "wrong", cue), listed.end
    first = "tentative" in before | passed
    adjacent = kind == "answer" and not passed and not _closes(tokens, listed.end)
    strength: Strength = "weak" if first or adjacent else "said"
    letters, either = listed.letters, listed.either
    if strength == "said" and len(letters) == 1:
        letters = _with_label(tokens, at, letters[0], options)
    statement = Statement(letters, strength, cue, either)
    return _unless_asked(tokens, listed.end, before, statement), listed.end


def _past_links(tokens: Sequence[Token], cue: int) -> int:
    """The position behind the words that may link a cue to a letter.

    A new line links behind a colon, a bracket or the cue itself; a comma before a word that links.
    """
    kind, at = tokens[cue].kind, cue + 1
    last = min(cue + 1 + _MOST_LINKS, len(tokens))
    if kind == "thus":
        return skip(tokens, at, frozenset(("comma", "open", "quote", "option")), 3)
    new_line = False
    while at < last:
        now = tokens[at].kind
        if now == "line":
            passes = tokens[at - 1].kind in ("colon", "close", "answer", "line", "box")
            new_line = True
        elif new_line and now in ("answer", "choose", "box", "thus"):
            passes = False  # a cue of its own
        elif now == "comma":
            passes = kind_at(tokens, at + 1) in ("link", "thus")
        else:
            passes = now in _LINKS or now == "thus"
        if not passes:
            break
        at += 1
    return at


def _cued(tokens: Sequence[Token], cue: str, passed: set[str], end: int) -> bool:
    """Whether what was passed makes a statement of a cue."""
    if cue == "option":
        return bool(passed & {"link", "colon"})
    if cue == "right":
        return bool(passed & {"link", "colon", "option", "answer"}) and kind_at(tokens, end) != "other"
    if cue == "thus":
        return kind_at(tokens, skip(tokens, end, _AROUND, 3)) in ("stop", "line", "end")
    return cue != "box" or kind_at(tokens, end) in ENDS


def turns_before(tokens: Sequence[Token], cue: int) -> set[str]:
    """Which of if, not, tentative and wrong stand before a cue, in its clause, and turn what it says."""
    found: set[str] = set()
    negates = True
    for at in range(cue - 1, max(cue - 9, -1), -1):
        kind = tokens[at].kind
        if kind in _CLAUSE:
            break
        if kind == "not" and not negates:
            continue
        if kind == "wrong" and cue - at > 2:
            continue
        found.add(kind)
        negates &= kind in ("link", "right", "option", "answer", "joint", "choose")
    return found & {"if", "not", "tentative", "wrong"}


def _unless_asked(tokens: Sequence[Token], end: int, before: set[str], statement: Statement) -> Statement | None:
    """The statement; none where its sentence asks, or only supposes it."""
    if "if" in before:
        return None
    for token in tokens[end : end + 12]:
        if token.kind == "question":
            return None
        if token.kind in ("stop", "line"):
            break
    return statement


def _closes(tokens: Sequence[Token], end: int) -> bool:
    """Whether a sentence, or a part of one, ends behind a position, at most a verb in between."""
    at = skip(tokens, end, _AROUND | {"link"}, 4)
    return kind_at(tokens, at) in ENDS or at == len(tokens)


def _denied(tokens: Sequence[Token], end: int) -> bool:
    at = skip(tokens, end, _AROUND | {"link"}, 4)
    if kind_at(tokens, at) == "not after":
        return True
    if kind_at(tokens, at) != "not":
        return False
    behind = skip(tokens, at + 1, _AROUND | {"link", "right", "answer"}, 6)
    return kind_at(tokens, behind) not in ("letter", "run")


def _enumerates(tokens: Sequence[Token], at: int) -> bool:
    """Whether a letter is the label of the first of several options that are listed."""

    def label(position: int) -> bool:
        return kind_at(tokens, position + 1) in ("stop", "close", "colon", "comma")

    if tokens[at].indexes != (0,) or not label(at):
        return False
    if any(token.kind == "comma" for token in tokens[at + 1 : at + 2]) and kind_at(tokens, at + 2) == "letter":
        return False
    labels = [
        tokens[position].indexes
        for position in range(at + 1, min(at + 200, len(tokens)))
        if tokens[position].kind == "letter" and label(position)
    ]
    return labels[:2] == [(1,), (2,)]


def _judged(tokens: Sequence[Token], at: int) -> tuple[Statement | None, int]:
    """What is said of letters that come first: "B is the answer", "选项B正确", "A is wrong"."""
    listed = group(tokens, at)
    behind = skip(tokens, listed.end, frozenset(("close", "quote", "option", "colon")), 4)
    verdict_at = skip(tokens, behind, frozenset(("link", "not", "joint")), 6)
    linked = {token.kind for token in tokens[behind:verdict_at]}
    verdict = kind_at(tokens, verdict_at)
    if verdict in ("wrong", "not after"):
        return Statement(listed.letters, "wrong", at), listed.end
    noun = skip(tokens, verdict_at, frozenset(("right", "link")), 4)
    is_answer = kind_at(tokens, noun) in ("answer", "option") and (noun > verdict_at or "link" in linked)
    if verdict not in ("right", "answer") or (verdict == "answer" and not is_answer):
        return None, listed.end
    if is_answer and _begins(tokens, noun):
        return None, listed.end
    after = kind_at(tokens, skip(tokens, max(noun, verdict_at) + 1, frozenset(("link",)), 3))
    if ("not" in linked) != (after == "not after"):
        return Statement(listed.letters, "denied" if is_answer else "wrong", at), listed.end
    if not is_answer and kind_at(tokens, at - 1) == "other":  # "statement A is correct" speaks of something else
        return None, listed.end
    before = turns_before(tokens, at)
    named = "option" in (kind_at(tokens, at - 1), *(token.kind for token in tokens[listed.end : behind]))
    strength: Strength = "weak" if "tentative" in before else "said" if is_answer else "right"
    statement = Statement(listed.letters, strength, at, listed.either, named)
    return _unless_asked(tokens, listed.end, before, statement), verdict_at + 1


def _begins(tokens: Sequence[Token], noun: int) -> bool:
    """Whether a cue begins a statement of its own."""
    at = _past_links(tokens, noun)
    return kind_at(tokens, at) in ("letter", "run")


def _rejected(tokens: Sequence[Token], at: int) -> tuple[Statement | None, int]:
    letter = skip(tokens, at + 1, _AROUND | {"link"}, 4)
    if kind_at(tokens, letter) not in ("letter", "run"):
        return None, at + 1
    listed = group(tokens, letter)
    if any(token.kind == "comma" for token in tokens[letter : listed.end]):  # "not A, B" gives B
        listed = Group(tokens[letter].indexes, letter + 1)
    return Statement(listed.letters, "wrong", at), listed.end


def _instead(tokens: Sequence[Token], at: int) -> list[Statement]:
    """What is said in place of what was denied: "but B", "而是B", "; it is B"."""
    but = skip(tokens, at, _AROUND | {"comma", "link", "not after"}, 5)
    goes_on = {"comma", "link"} <= {token.kind for token in tokens[at:but]}
    if kind_at(tokens, but) != "but" and not goes_on:
        return []
    letter = skip(tokens, but, _AROUND | {"but", "link", "answer", "choose"}, 6)
    if kind_at(tokens, letter) not in ("letter", "run"):
        return []
    listed = group(tokens, letter)
    if _denied(tokens, listed.end):
        return []
    return [Statement(listed.letters, "said", at, listed.either)]


def _option_at(tokens: Sequence[Token], at: int, options: Sequence[list[str]]) -> int | None:
    """The option whose whole text stands at a position, up to the end of the sentence or clause."""
    first = tokens[at].text.casefold() if at < len(tokens) else ""
    matching = [index for index, words in enumerate(options) if words[:1] == [first] and _stands(tokens, at, words)]
    return matching[0] if len(matching) == 1 else None


def _stands(tokens: Sequence[Token], at: int, words: list[str]) -> bool:
    end = at + len(words)
    return kind_at(tokens, end) in ENDS and [token.text.casefold() for token in tokens[at:end]] == words


def _with_label(tokens: Sequence[Token], at: int, letter: int, options: Sequence[list[str]]) -> tuple[int, ...]:
    """A letter; with it that of the option whose text follows, where that is another one."""
    behind = skip(tokens, at + 1, frozenset(("close", "quote", "stop", "colon", "comma", "open")), 3)
    follows = _option_at(tokens, behind, options)
    return (letter,) if follows is None or follows == letter else (letter, follows)
