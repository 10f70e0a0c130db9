"""Quantities, settings and languages as people read them: one way to write each of them.

Narrow no-break spaces join a number to its unit; the minus is a minus.
"""

import math
from collections.abc import Mapping

from loanword.language_names import NAMES
from loanword.report.saying import joined as joined
from loanword.report.saying import say

Setting = str | int | float

NARROW = "\u202f"
MINUS = "\u2212"
NOT_PLANNED = "\u2013"
MISSING = say("missing")

BENCHMARK_NAMES: Mapping[str, str] = {
    "ceval": "C-Eval", "mmlu": "MMLU", "agieval": "AGIEval", "gaokao": "GAOKAO-Bench",
    "triviaqa": "TriviaQA", "nq_open": "NQ-open",
}  # fmt: skip

SETTING_NAMES: Mapping[str, str] = {
    "source": "source language",
    "target": "target language",
    "base.train.also": "languages beside the source in the base",
    "base.train.also_share": "share of those languages",
    "tokenizer.num_new_pieces": "new pieces",
    "tokenizer.method": "pieces by",
    "initialisation.input": "new input rows from",
    "initialisation.output": "new output rows from",
    "pretraining.budget": "target text",
    "pretraining.budget.bytes": "target text",
    "pretraining.budget.documents": "target documents",
    "pretraining.budget.tokens": "target tokens",
    "pretraining.replay": "replay",
    "tuning.num_conversations": "instructions",
}


def language_name(code: str) -> str:
    """A language's English name, or its code where we know no name."""
    return say(NAMES[code]) if code in NAMES else code


def benchmark_name(name: str) -> str:
    """A benchmark's name as its authors write it."""
    return BENCHMARK_NAMES.get(name, name)


def decimal(value: float, digits: int) -> str:
    """A number with a fixed number of decimals."""
    text = f"{value:,.{digits}f}"
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text.replace("-", MINUS)


def signed(value: float, digits: int) -> str:
    """A difference, its sign always written; one that rounds to zero has none."""
    text = decimal(value, digits)
    return text if text.startswith(MINUS) or not text.strip("0.") else f"+{text}"


def significant(value: float, figures: int = 3) -> str:
    """A number of any size, cut to its significant figures: 0.123, 12.3, 1,230."""
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    digits = max(0, figures - 1 - magnitude)
    return decimal(round(value, figures - 1 - magnitude), digits)


def plain(value: float) -> str:
    """A round number without its trailing zeros: 0.4, 2, 1,000."""
    return f"{value:,.10g}".replace("-", MINUS)


def percent(share: float, digits: int = 1) -> str:
    """A share of one, as a percentage."""
    return f"{decimal(100 * share, digits)}{NARROW}%"


def points(share: float) -> str:
    """A share of one in percentage points, where the sign of per cent stands elsewhere."""
    return decimal(100 * share, 1)


def bytes_text(num_bytes: float, beside: float = 0.0) -> str:
    """An amount of text in decimal units, in the unit of a larger amount that it stands beside."""
    return _scaled(num_bytes, beside, ("B", "kB", "MB", "GB", "TB"))


def count_text(count: float, beside: float = 0.0) -> str:
    """A large count in thousands, millions or billions, in the unit of a larger one that it stands beside."""
    return _scaled(count, beside, ("", "K", "M", "B", "T"))


def flops_text(flops: float) -> str:
    """Floating-point operations, in the unit that leaves one to three figures before the point."""
    return _scaled(flops, 0.0, ("FLOP", "KFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP", "EFLOP", "ZFLOP", "YFLOP"))


def _scaled(value: float, beside: float, units: tuple[str, ...]) -> str:
    index, largest = 0, max(abs(value), beside)
    # 999.6 would be written as 1000 with three figures.
    while largest >= 999.5 and index < len(units) - 1:
        value, largest, index = value / 1000, largest / 1000, index + 1
    if value == 0:
        return "0"
    return f"{float(f'{value:.3g}'):g}{NARROW}{units[index]}".rstrip(NARROW)


def duration(seconds: float) -> str:
    """A time span in its two largest units."""
    if seconds < 10:
        return f"{decimal(seconds, 1)}{NARROW}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,}{NARROW}h {minutes:02d}{NARROW}min"
    return f"{minutes}{NARROW}min {rest:02d}{NARROW}s" if minutes else f"{rest}{NARROW}s"


def p_text(p_value: float) -> str:
    """A p-value as it stands in a table."""
    return "< 0.001" if p_value < 0.001 else decimal(p_value, 3)


def p_phrase(p_value: float) -> str:
    """A p-value as it stands in a sentence."""
    return say("p {value}" if p_value < 0.001 else "p = {value}", value=p_text(p_value))


def setting_name(key: str) -> str:
    """A setting's name in words, or its path in the study file where it has none."""
    return say(SETTING_NAMES[key]) if key in SETTING_NAMES else key


def setting_value(key: str, value: Setting | None) -> str:
    """A setting's value with its unit."""
    if value is None:
        return NOT_PLANNED
    if isinstance(value, str):
        return say("{name} ({code})", name=language_name(value), code=value) if key in ("source", "target") else value
    if key.endswith(("budget.bytes", "_bytes")) or key == "pretraining.budget":
        return bytes_text(value)
    if key.endswith(("replay", "_share")):
        return f"{plain(100 * value)}{NARROW}%"
    return plain(value)


def setting_phrase(key: str, value: Setting | None) -> str:
    """One setting in words that stand alone, as a figure's label has them."""
    empty = value is None or value == 0
    text = setting_value(key, value)
    if key == "tokenizer.num_new_pieces":
        return say("original vocabulary") if empty else say("+{number} pieces", number=text)
    if key == "pretraining.replay":
        return say("no replay") if empty else say("replay {share}", share=text)
    if key == "tuning.num_conversations":
        return say("untuned") if empty else say("{number} instructions", number=text)
    if key.startswith("pretraining.budget"):
        return say("no target text") if empty else _budget_phrase(key, text)
    return say("{setting} {value}", setting=setting_name(key), value=text)


def _budget_phrase(key: str, text: str) -> str:
    match key.removeprefix("pretraining.budget").removeprefix("."):
        case "documents":
            return say("{number} documents", number=text)
        case "tokens":
            return say("{number} tokens", number=text)
        case _:
            return text
