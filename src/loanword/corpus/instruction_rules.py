"""Rules that clean instructions, each by a name and each a function of one instruction.

A rule says what of an instruction it saw, or nothing. All are conservative: what may be right stays. Two change texts
in place of removing anything: an input that only says that there is none becomes empty, and `broken-text` first mends
what is broken in one way only (docs/data.md lists the rules and what is known of their errors).
"""

import html
import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import regex

from loanword.corpus import instruction_words as words
from loanword.corpus.instruction_language import translated_code, untranslated
from loanword.corpus.shapes import Instruction, Turn, asked
from loanword.recipe import InstructionsConfig
from loanword.writing import writing


class Ruled(NamedTuple):
    """An instruction after the rules: what it became, the rules that changed it, and the one that removed it."""

    instruction: Instruction
    removed_by: str | None = None
    because: str = ""
    changed_by: tuple[str, ...] = ()


_SHOWN_CHARACTERS = 100
Rule = Callable[[Instruction], str]
"""What of an instruction is as it must not be; empty where nothing is."""


def ruler(config: InstructionsConfig) -> Callable[[Instruction], Ruled]:
    """All rules that a config names, in its order, behind those that always act."""
    named: dict[str, Rule] = _ALWAYS | _rules(config)
    rules = {name: named[name] for name in removing(config) if name in named}
    changes = {name: change for name, change in _CHANGES.items() if name in (*config.rules, "placeholder_input")}

    def ruled(instruction: Instruction) -> Ruled:
        changed: list[str] = []
        for name, change in changes.items():
            became = change(instruction, config.language)
            changed += [name] if became != instruction else []
            instruction = became
        for name, rule in rules.items():
            if because := rule(instruction):
                return Ruled(instruction, name, because[:_SHOWN_CHARACTERS], tuple(changed))
        return Ruled(instruction, changed_by=tuple(changed))

    return ruled


def removing(config: InstructionsConfig) -> list[str]:
    """Names of the rules by which an instruction may be removed, in the order in which they are asked."""
    listed = [] if config.without is None else ["listed"]
    return [*_ALWAYS, *(rule for rule in config.rules if rule != "unanswered"), *listed]


def _rules(config: InstructionsConfig) -> dict[str, Rule]:
    return {
        "refusals": refusal,
        "untranslated": partial(untranslated, language=config.language),
        "translated-code": partial(translated_code, language=config.language),
        "broken-text": broken_text,
        "repeated-text": repeated_text,
        "missing-input": missing_input,
        "echo": echo,
        "too-short": partial(too_short, min_characters=config.min_response_characters),
        "too-long": partial(too_long, max_characters=config.max_characters),
    }


# What changes.


def without_placeholder(instruction: Instruction, language: str) -> Instruction:
    """Inputs that only say that there is none are empty."""
    turns = [turn._replace(input="") if _bare(turn.input) in words.NO_INPUT else turn for turn in instruction.turns]
    return instruction._replace(turns=tuple(turns))


def mended(instruction: Instruction, language: str) -> Instruction:
    """Without characters of no width that translation programs left, vertical tabs for line breaks, and markup that was
    escaped once too often.
    """
    # In Thai, Khmer and others without spaces it is where words end.
    spaced = writing(language).spaced or language.startswith(("zh", "ja"))
    escaped = not _ABOUT_ESCAPES.search(" ".join(turn.instruction for turn in instruction.turns))

    def mend(text: str) -> str:
        text = (_NO_WIDTH if spaced else _NO_WIDTH_MARK).sub("", text).replace("\v", "\n")
        return _ENTITIES.sub(_unescaped, text) if escaped and "<" not in text else text

    turns = (
        Turn(mend(turn.instruction), mend(turn.input), mend(turn.response), turn.counted) for turn in instruction.turns
    )
    return instruction._replace(system=mend(instruction.system), turns=tuple(turns))


def answered_only(instruction: Instruction, language: str) -> Instruction:
    """Without what was asked last and not answered."""
    return instruction._replace(unanswered=None)


_CHANGES: dict[str, Callable[[Instruction, str], Instruction]] = {
    "broken-text": mended,
    "placeholder_input": without_placeholder,
    "unanswered": answered_only,
}
_NO_WIDTH, _NO_WIDTH_MARK = re.compile("[\u200b\u2060\ufeff]"), re.compile("[\u2060\ufeff]")
_ENTITIES = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#39|#x27|#34);")
_ABOUT_ESCAPES = re.compile(r"&\w+;.*&\w+;|escap|entit|转义|实体|编码|解码", re.IGNORECASE | re.DOTALL)


def _unescaped(found: re.Match[str]) -> str:
    return html.unescape(found[0]).replace("\xa0", " ")


# What removes.


def _no_instruction(instruction: Instruction) -> str:
    return "" if all(turn.instruction.strip() for turn in instruction.turns) else "nothing is asked"


def _no_response(instruction: Instruction) -> str:
    for turn in instruction.turns:
        if not turn.response.strip() or _bare(turn.response) in words.NO_OUTPUT:
            return turn.response.strip() or "nothing is answered"
    return "" if instruction.turns else "nothing is answered"


_ALWAYS: dict[str, Rule] = {"empty_instruction": _no_instruction, "empty_response": _no_response}


def refusal(instruction: Instruction) -> str:
    """A response that speaks of itself as a model, or says that it cannot be given."""
    for turn in _counted(instruction):
        start = turn.response.strip()[:160]
        if found := words.REFUSALS.search(start):
            return found[0]
        found = words.CANNOT.search(start)
        if found and not words.ABOUT_MODELS.search(asked(turn)):
            return found[0]
    return ""


def broken_text(instruction: Instruction) -> str:
    """Text that was damaged on its way, or that programs left in the place of text."""
    for turn in instruction.turns:
        for text in turn[:3]:
            if found := _DAMAGE.search(text):
                return f"{found[0]!r} in {text[max(0, found.start() - 20) : found.end() + 20]!r}"
        for text in (turn.instruction, turn.response):
            if found := words.MARKERS.search(text):
                return found[0]
        if not words.MERGED.search(asked(turn)) and (found := words.MERGED.search(turn.response)):
            return found[0][:60]
    return ""


_DAMAGE = re.compile(
    "\ufffd|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]|锟斤拷|(?:烫烫|屯屯)烫?|ï¿½|â€[™œ\x9d\x99]|Ã[\u0080-\u00bf]{1}[^\\w\\s]?"
)


def repeated_text(instruction: Instruction) -> str:
    """A response that says the same over and over without being asked to."""
    for turn in _counted(instruction):
        found = _LOOP.search(turn.response) if _repeats(turn.response) else None
        unit = found[found.lastindex] if found and found.lastindex else ""
        if found and _SAID.search(unit) and not _TYPED.search(unit):
            return f"{unit!r} {len(found[0]) // len(unit)} times"
    return ""


def _repeats(text: str) -> bool:
    # Whatever _LOOP finds has so many windows in a row that each occurred equally far before: few texts need a search.
    windows = [text[start : start + 12] for start in range(len(text) - 11)]
    if len(windows) - len(set(windows)) < _WINDOWS_OF_LOOP:
        return False
    last, offset, run = dict[str, int](), 0, 0
    for place, window in enumerate(windows):
        before = place - last.get(window, -len(text))
        run = run + 1 if before == offset else 1
        last[window], offset = place, before
        if run >= _WINDOWS_OF_LOOP and offset <= 120:
            return True
    return False


_WINDOWS_OF_LOOP = 17
# Tables and code repeat themselves, and are not said.
_TYPED = re.compile(r"[(){};=<>|\[\]]")
_LOOP = regex.compile(r"(.{12,120}?)\1{3,}|(.{2,11}?)\2{14,}|(\S)\3{29,}", re.DOTALL)
_SAID = regex.compile(r"[\p{L}\p{M}]")


def missing_input(instruction: Instruction) -> str:
    """A first question about a text, a picture or a page that is not there."""
    turn = instruction.turns[0]
    if turn.input.strip():
        return _stand_in(turn)
    for sign, unless, longest in (
        (words.MISSING_ZH, words.NOT_MISSING_ZH, 40),
        (words.MISSING_EN, words.NOT_MISSING_EN, 100),
    ):
        found = sign.search(turn.instruction)
        if found and len(turn.instruction.strip()) <= longest and not unless.search(turn.instruction.strip()):
            return found[0]
    return ""


def _stand_in(turn: Turn) -> str:
    text = html.unescape(turn.input.strip())
    if _LINK.fullmatch(text) and words.BEHIND_LINK.search(turn.instruction):
        return text
    bracketed = _BRACKETED.fullmatch(text)
    return text if bracketed and words.STAND_IN.search(bracketed[1]) else ""


_LINK = re.compile(r"<?(?:https?://|www\.)(?!\S*\bwiki)[^\s/]+/\S{4,}>?")
_BRACKETED = re.compile(r"[\[<({【（「]([^\d\"',，、:：;/\n]{1,60})[\]>)}】）」]\.?")


def echo(instruction: Instruction) -> str:
    """A response that is its own input or question, where something was to be made of it."""
    for turn in _counted(instruction):
        # To the letter: a space or a quotation mark may be all that was asked for.
        said = turn.response.strip()
        if len(said) > 1 and said in (turn.input.strip(), turn.instruction.strip()):
            return "" if words.NO_EDITING.search(turn.instruction) else said
    return ""


def too_short(instruction: Instruction, *, min_characters: int) -> str:
    """A response of fewer characters, surrounding space not counted."""
    short = [turn.response.strip() for turn in _counted(instruction)]
    return next((text for text in short if len(text) < min_characters), "")


def too_long(instruction: Instruction, *, max_characters: int) -> str:
    """A conversation of more characters in all."""
    length = len(instruction.system) + sum(len(asked(turn)) + len(turn.response) for turn in instruction.turns)
    return f"{length:,} characters" if length > max_characters else ""


def _counted(instruction: Instruction) -> list[Turn]:
    return [turn for turn in instruction.turns if turn.counted]


def _bare(text: str) -> str:
    return words.NOT_WORDS.sub("", html.unescape(text)).lower()
