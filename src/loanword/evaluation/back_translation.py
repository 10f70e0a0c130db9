"""How much of a text comes back when its translation is translated back: chrF, from 0 to 100.

It is a hint where to look, and no measure of a translation: what a model says wrongly it may take back, and a good
translation may come back in other words.

Source: Popović (2015), "chrF: character n-gram F-score for automatic MT evaluation", WMT: n-grams of 1 to 6 characters
without white space, recall counted twice (beta = 2), as sacrebleu computes it.
"""

import importlib
from functools import cache
from typing import Protocol, cast

from loanword.errors import UserError


class _Score(Protocol):
    score: float


class _Metric(Protocol):
    def sentence_score(self, hypothesis: str, references: list[str]) -> _Score: ...


def chrf(source: str, back_translation: str) -> float:
    """chrF of a back-translation against its source; 0 where it is empty.

    Raises:
        UserError: sacrebleu is not installed.
    """
    return _metric().sentence_score(back_translation, [source]).score


@cache
def _metric() -> _Metric:
    try:
        # Loading it takes as long as reading a small set, and only back-translations need it. It has no types.
        metrics = importlib.import_module("sacrebleu.metrics")
    except ModuleNotFoundError:
        raise UserError(
            "back-translation",
            "sacrebleu is not installed",
            expected="it, for the score of what is translated back",
            do="pip install 'loanword[translate]', or leave the score out with --no-back-translation",
        ) from None
    return cast(_Metric, metrics.CHRF())
