"""The answer that a generated text gives, in whatever language and markup it gives it.

In: what a model wrote. Out: a letter, several, or a short text; None where it cannot be told, never a guess.

The last statement of an answer counts ("The answer is B.", "故选：C", a box). Only a text that states nothing may
give a letter by itself, and only where no other is in question. Thinking is no answer: what follows it is read.
"""

from collections.abc import Sequence

import regex

from loanword.evaluation.extraction_free import read_text as read_text
from loanword.evaluation.extraction_letters import FOREIGN
from loanword.evaluation.extraction_statements import Statement, kind_at, skip, statements
from loanword.evaluation.extraction_text import Token, cut, plain, spoken

_PART = regex.compile(
    r"""(?<![\p{L}\p{N}.,\-]) [(【\[]? (?:[第Qq]\s?)? ([0-9]{1,3})
    (?: [)】\]][.:]? | [.、:](?!\d) | \s?[小]?题[.:]? | (?=\s?-?\s?\p{Lu}(?![\p{L}\p{N}])) ) \s{0,3}+""",
    regex.VERBOSE,
)
"""The number of a part: "1.", "(1)", "第1题", or one right before a letter."""

SHORT_CHARACTERS = 200
"""A text of up to so many characters may give its answer as one bare letter."""

_PUNCTUATION = frozenset(("open", "close", "quote", "stop", "comma", "colon", "box", "line", "other mark"))
_AROUND_A_LETTER = _PUNCTUATION | {"option", "link"}
_BEFORE_BARE = frozenset(("line", "stop", "comma", "open", "quote", "close", "option", "but", "box", "thus"))
_AFTER_BARE = frozenset(("end", "line", "stop", "comma", "close", "quote", "because", "joint", "but"))


def read_letter(text: str, letters: Sequence[str], options: Sequence[str] = ()) -> str | None:
    """Which of `letters` a text gives as the answer; `options` are the texts that the letters stand for.

    The text of exactly one option names its letter where it is all that is said, or follows a statement's words. A
    letter beside the text of another option gives neither.
    """
    tokens = cut(plain(spoken(text)), letters)
    texts = [_words(cut(plain(option), letters)) for option in options]
    made = statements(tokens, texts)
    index = _stated(made, tokens) if _states(made) else _bare(tokens, made, texts)
    return None if index is None else letters[index]


def read_letter_set(text: str, letters: Sequence[str]) -> tuple[str, ...] | None:
    """The letters that a text gives together as the answer, each once, in the order of `letters`."""
    tokens = cut(plain(spoken(text)), letters)
    made = statements(tokens)
    given = _stated_set(made) if _states(made) else _bare_set(tokens, made)
    if given is None or FOREIGN in given or len(set(given)) < len(given):
        return None
    return tuple(letters[index] for index in sorted(given))


def read_letter_list(text: str, letters: Sequence[str], number: int) -> tuple[str, ...] | None:
    """One letter for each of `number` sub-questions, in their order; None unless there are exactly so many.

    They are read from the letters of one statement; from numbered parts, the last numbering that is complete; from
    as many statements as sub-questions; or from a text that holds letters, numbers and punctuation only.
    """
    if number == 1:
        letter = read_letter(text, letters)
        return None if letter is None else (letter,)
    said = plain(spoken(text))
    tokens = cut(said, letters)
    made = [statement for statement in statements(tokens) if statement.strength == "said"]
    if made and len(made[-1].letters) == number and not made[-1].either:
        return _all(made[-1].letters, letters)
    parts = _numbered(said, letters, number)
    if parts is not None:
        return parts
    if len(made) == number and all(len(statement.letters) == 1 for statement in made):
        return _all([statement.letters[0] for statement in made], letters)
    if sum(1 for _ in _PART.finditer(said)) > 1:  # numbered, but not as asked
        return None
    listed = _only_letters(tokens, frozenset(("number", "and", "answer", "link")) | _PUNCTUATION)
    return _all(listed, letters) if listed is not None and len(listed) == number else None


def _numbered(text: str, letters: Sequence[str], number: int) -> tuple[str, ...] | None:
    """The letters of the last parts of a text that are numbered without a gap."""
    marks = list(_PART.finditer(text))
    numbers = [int(mark[1]) for mark in marks]
    for first in range(len(marks) - number, -1, -1):
        if numbers[first : first + number] == list(range(numbers[first], numbers[first] + number)):
            break
    else:
        return None
    ends = [mark.start() for mark in marks[first + 1 :]] + [len(text)]
    parts = [text[mark.end() : end] for mark, end in zip(marks[first:], ends, strict=True)][:number]
    given = [read_letter(part, letters) for part in parts]
    return None if None in given else tuple(letter for letter in given if letter is not None)


def _states(made: Sequence[Statement]) -> bool:
    return any(statement.strength in ("said", "right", "weak") for statement in made)


def _stated(made: Sequence[Statement], tokens: Sequence[Token]) -> int | None:
    """The one letter that the strongest kind of statement gives: the last that is said, else the only one."""
    said = _last_said(made)
    if said is not None:
        return _only(set(said.letters), _denied_after(made, said))
    right = [statement for statement in made if statement.strength == "right"]
    wrong = {letter for other in made if other.strength in ("wrong", "denied") for letter in other.letters}
    if right:
        told = any(statement.named for statement in right) or _length(tokens) <= SHORT_CHARACTERS
        told |= _is_last(tokens, right[-1].at)
        return _only({letter for statement in right for letter in statement.letters}, wrong) if told else None
    return _only({letter for other in made if other.strength == "weak" for letter in other.letters}, wrong)


def _last_said(made: Sequence[Statement]) -> Statement | None:
    return next((statement for statement in reversed(made) if statement.strength == "said"), None)


def _denied_after(made: Sequence[Statement], said: Statement) -> set[int]:
    later = [other for other in made if other.strength == "denied" and other.at > said.at]
    return {letter for other in later for letter in other.letters}


def _only(letters: set[int], denied: set[int]) -> int | None:
    if len(letters) != 1 or letters & denied or FOREIGN in letters:
        return None
    return next(iter(letters))


def _length(tokens: Sequence[Token]) -> int:
    return tokens[-1].end - tokens[0].start if tokens else 0


def _is_last(tokens: Sequence[Token], at: int) -> bool:
    """Whether the sentence at a position is the last one."""
    while at < len(tokens) and tokens[at].kind not in ("stop", "line"):
        at += 1
    return all(token.kind in _PUNCTUATION for token in tokens[at:])


def _bare(tokens: Sequence[Token], made: Sequence[Statement], options: Sequence[list[str]]) -> int | None:
    """The letter that a text which states nothing gives."""
    words = _words(tokens)
    whole = _letter_alone(tokens)
    named = [index for index, option in enumerate(options) if option and option == words]
    excluded = {letter for statement in made for letter in statement.letters}  # none of them is said to be right
    if whole is not None or named:
        return _only({*named, *([] if whole is None else [whole])}, excluded)
    found = _line(tokens) or _labelled(tokens, options) or _single(tokens, excluded)
    return _only(found - excluded, set())


def _words(tokens: Sequence[Token]) -> list[str]:
    """The folded words of a text, without punctuation around them."""
    first = skip(tokens, 0, _PUNCTUATION, len(tokens))
    last = len(tokens)
    while last > first and tokens[last - 1].kind in _PUNCTUATION:
        last -= 1
    return [token.text.casefold() for token in tokens[first:last]]


def _letter_alone(tokens: Sequence[Token]) -> int | None:
    """The letter that is all of a text but punctuation and words that lead up to it."""
    at = skip(tokens, 0, _AROUND_A_LETTER, len(tokens))
    if kind_at(tokens, at) != "letter":
        return None
    rest = skip(tokens, at + 1, _PUNCTUATION | {"option"}, len(tokens))
    return tokens[at].indexes[0] if rest == len(tokens) else None


def _lines(tokens: Sequence[Token]) -> list[list[Token]]:
    """The lines that hold more than punctuation."""
    lines: list[list[Token]] = [[]]
    for token in tokens:
        if token.kind == "line":
            lines.append([])
        else:
            lines[-1].append(token)
    return [line for line in lines if any(token.kind not in _PUNCTUATION for token in line)]


def _line(tokens: Sequence[Token]) -> set[int]:
    """The letters that are lines of their own, where the first or last line is one."""
    alone = [_letter_alone(line) for line in _lines(tokens)]
    if not alone or (alone[0] is None and alone[-1] is None):
        return set()
    return {letter for letter in alone if letter is not None}


def _labelled(tokens: Sequence[Token], options: Sequence[list[str]]) -> set[int]:
    """The letters that begin lines as labels, where the first or last line is one and nothing speaks against it."""
    lines = _lines(tokens)
    labels = [_label(line) for line in lines]
    found = {label[0] for label in labels if label is not None}
    if len(found) > 1:
        return {*found, FOREIGN}
    for line, label in ((lines[0], labels[0]), (lines[-1], labels[-1])) if lines else ():
        if label is not None:
            letter, begin = label
            fits = _fit(line, begin, options)
            if fits is not None:
                return {letter, *fits}
            told = _length(tokens) <= SHORT_CHARACTERS and not _abbreviates(line, begin)
            return {index for token in tokens for index in token.indexes} if told else {FOREIGN}
    return set()


def _label(line: Sequence[Token]) -> tuple[int, int] | None:
    """The letter that labels a line, and where the text behind it begins."""
    at = skip(line, 0, frozenset(("open", "quote", "colon", "box", "option", "other mark")), 4)
    if kind_at(line, at) != "letter":
        return None
    behind = skip(line, at + 1, frozenset(("close", "quote", "stop", "colon", "comma")), 3)
    return (line[at].indexes[0], behind) if at + 1 < behind < len(line) else None


def _abbreviates(line: Sequence[Token], begin: int) -> bool:
    """Whether a label and what follows may be a name: "B. subtilis"."""
    return line[begin].lower and line[begin - 1].kind == "stop"


def _fit(line: Sequence[Token], begin: int, options: Sequence[list[str]]) -> set[int] | None:
    """The options whose text, or its first words, stand at a position; None where that is none."""
    said = _words(line[begin:])
    fitting = {index for index, words in enumerate(options) if words and said and _prefix(words, said)}
    longest = max((len(options[index]) for index in fitting), default=0)
    return {index for index in fitting if len(options[index]) == longest} or None


def _prefix(words: Sequence[str], said: Sequence[str]) -> bool:
    shared = min(len(words), len(said))
    return list(words[:shared]) == list(said[:shared])


def _single(tokens: Sequence[Token], excluded: set[int]) -> set[int]:
    """The letters of a short text, where one of them is parted from the words around it."""
    if _length(tokens) > SHORT_CHARACTERS:
        return set()
    standing = {at: set(token.indexes) - excluded for at, token in enumerate(tokens) if token.indexes}
    found = {index for indexes in standing.values() for index in indexes}
    return found if any(_isolated(tokens, at) for at, indexes in standing.items() if indexes) else set()


def _isolated(tokens: Sequence[Token], at: int) -> bool:
    before, after = kind_at(tokens, at - 1), kind_at(tokens, at + 1)
    if tokens[at].kind == "run" or tokens[at].small:
        return False
    if at and before not in _BEFORE_BARE:
        return False
    if before in ("open", "quote") and kind_at(tokens, at - 2) not in _BEFORE_BARE | {"end", "colon"}:
        return False
    initial = after == "stop" and before == "stop" and kind_at(tokens, at + 2) not in _AFTER_BARE  # "Mr. B. Jones"
    abbreviates = after == "stop" and at + 2 < len(tokens) and _abbreviates(tokens, at + 2)
    return after in _AFTER_BARE and not abbreviates and not initial


def _stated_set(made: Sequence[Statement]) -> tuple[int, ...] | None:
    """The letters of the last statement that says them, else of a statement that is the only one."""
    said = _last_said(made)
    if said is None:
        return made[0].letters if len(made) == 1 and not made[0].either else None
    return None if said.either or _denied_after(made, said) & set(said.letters) else said.letters


def _bare_set(tokens: Sequence[Token], made: Sequence[Statement]) -> tuple[int, ...] | None:
    if made:
        return None
    lines = _lines(tokens)
    parts = [tokens, *([lines[0], lines[-1]] if len(lines) > 1 else [])]
    for part in parts:
        listed = _only_letters(part, _PUNCTUATION | {"and", "option"})
        if listed is not None:
            return tuple(listed)
    single = _bare(tokens, made, ())
    return None if single is None else (single,)


def _only_letters(tokens: Sequence[Token], besides: frozenset[str]) -> list[int] | None:
    """All letters of a text that holds nothing else but tokens of some kinds."""
    letters: list[int] = []
    for token in tokens:
        if token.kind in ("letter", "run"):
            letters += token.indexes
        elif token.kind not in besides:
            return None
    return letters or None


def _all(indexes: Sequence[int], letters: Sequence[str]) -> tuple[str, ...] | None:
    return None if FOREIGN in indexes else tuple(letters[index] for index in indexes)
