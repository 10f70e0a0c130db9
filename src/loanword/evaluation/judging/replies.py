"""What a judge's reply says: ratings or a verdict, or what is wrong with it.

A reply counts where it is the JSON that was asked for and nothing else; only a fence around it, and thoughts before
it, are passed over. Nothing is looked for in prose, nothing is mended, and nothing becomes a 0. A reply that stands
word for word in what was judged repeats it and does not judge it.
"""

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from loanword.evaluation.judging.rubrics import Rubric

_FENCE = re.compile(r"```(?:json)?", re.IGNORECASE)
_THOUGHTS_END = "</think>"
"""Where thoughts end that some models write before a reply and the server leaves in; a template may begin them."""

# In the first words of a reply: what a model says that will not judge, in languages that judges speak.
_REFUSAL = re.compile(
    r"\bI(?: am|'m)? (?:sorry|unable|not able|cannot|can't|can not|won't|will not|(?:have to |must )?decline)\b"
    r"|\b(?:unable|not able|not comfortable) (?:to|with) (?:judg|rat|grad|evaluat|assess|assist|help|compl)"
    r"|\bas an AI\b|\bcan(?:no|')t (?:assist|help|comply)\b"
    r"|抱歉|对不起|很遗憾|无法(?:评|打分|提供|协助|帮|回答|完成)|不能(?:评|打分|提供|协助|帮|回答)|拒绝(?:评|回答)"
    r"|lo siento|je suis désolé|tut mir leid|ich kann (?:das|dies|diese) nicht",
    re.IGNORECASE,
)
_REFUSAL_CHARACTERS = 300
_SHOWN_CHARACTERS = 60

Judged = Collection[str]
"""The texts that a judge was shown as responses."""


@dataclass(frozen=True)
class Reading:
    """What a reply says: `scores`, or the `verdict`; where it was not "read", `wrong` says what it lacks."""

    outcome: Literal["read", "refused", "unparsed"]
    scores: dict[str, float] = field(default_factory=dict[str, float])
    verdict: str = ""
    wrong: str = ""


Read = Callable[[str], Reading]


def read_scores(
    reply: str, rubric: Rubric, points: float, judged: Judged, *, some: bool = False, steps: bool = True
) -> Reading:
    """The ratings of a reply, all items of the rubric in its steps.

    With `some` also fewer, but one at least; without `steps` any numbers between the lowest and the highest.
    """
    step = rubric.step if steps else None
    return _read(reply, judged, "scores", lambda value: _scores(value, rubric, points, step, some=some))


def read_verdict(reply: str, judged: Judged) -> Reading:
    """Which of two responses a reply prefers: "A", "B" or "tie"."""
    return _read(reply, judged, "better", _verdict)


class _Wrong(Exception):
    """What is wrong with a reply."""


def _read(reply: str, judged: Judged, key: str, read: Callable[[object], Reading]) -> Reading:
    text = _bare(reply)
    try:
        value = _object(text, key)
        if _is_echo(text, judged):
            raise _Wrong("it repeats what stands in a response and judges nothing")
        return read(value)
    except _Wrong as wrong:
        refused = "{" not in text and _REFUSAL.search(text[:_REFUSAL_CHARACTERS].replace("’", "'"))
        return Reading("refused" if refused else "unparsed", wrong=str(wrong))


def _bare(reply: str) -> str:
    """A reply without thoughts before it and a fence around it, either end of which may be missing."""
    thoughts, _, rest = reply.partition(_THOUGHTS_END)
    text = (rest if rest and not thoughts.lstrip().startswith(("{", "`")) else reply).strip()
    opened = _FENCE.match(text)
    return text[opened.end() if opened else 0 :].removesuffix("```").strip()


def _object(text: str, key: str) -> object:
    """What stands under `key` in a JSON object that has nothing besides it but a reason."""
    if not text:
        raise _Wrong("it has no text")
    try:
        told = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise _Wrong("it is not one JSON object") from None
    if not isinstance(told, dict):
        raise _Wrong("it is not a JSON object")
    fields = cast("dict[str, object]", told)
    unknown = [name for name in fields if name not in (key, "reason")]
    if unknown:
        raise _Wrong(f"{_shown(unknown[0])} is no key that was asked for")
    if key not in fields:
        raise _Wrong(f'it has no "{key}"')
    if not isinstance(fields.get("reason", ""), str):
        raise _Wrong('"reason" is no text')
    return fields[key]


def _scores(value: object, rubric: Rubric, points: float, step: float | None, *, some: bool) -> Reading:
    if not isinstance(value, dict):
        raise _Wrong('"scores" is not a JSON object')
    given = cast("dict[str, object]", value)
    named = {item.name: item for item in rubric.items}
    unknown = [name for name in given if name not in named]
    if unknown:
        raise _Wrong(f"{_shown(unknown[0])} is no item of the rubric")
    missing = [name for name in named if name not in given]
    if missing and not (some and given):
        raise _Wrong(f'"{missing[0]}" is missing')
    scores = {
        name: _number(name, given[name], rubric.lowest, rubric.highest(item, points), step)
        for name, item in named.items()
        if name in given
    }
    return Reading("read", scores=scores)


def _number(name: str, value: object, lowest: float, highest: float, step: float | None) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Wrong(f'"{name}" is {_kind(value)}, not a number')
    if not lowest <= value <= highest:
        raise _Wrong(f'"{name}" is {str(value)[:_SHOWN_CHARACTERS]}, not from {lowest:g} to {highest:g}')
    if step is not None and (value - lowest) % step:
        raise _Wrong(f'"{name}" is {str(value)[:_SHOWN_CHARACTERS]}, not in steps of {step:g}')
    return float(value)


def _verdict(value: object) -> Reading:
    if value not in ("A", "B", "tie"):
        raise _Wrong(f'"better" is {_kind(value)}, not "A", "B" or "tie"')
    return Reading("read", verdict=cast("str", value))


def _kind(value: object) -> str:
    if isinstance(value, str | int | float | None):
        return _shown(value) if isinstance(value, str) else json.dumps(value)
    return "a list" if isinstance(value, list) else "an object"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key stands there twice")
    return fields


def _is_echo(text: str, judged: Judged) -> bool:
    plain = "".join(text.split())
    return any(plain in "".join(response.split()) for response in judged)


def _shown(text: str) -> str:
    cut = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + " ..."
    return json.dumps(cut, ensure_ascii=False)
