"""Short answers in words: exact match and F1 after the normalisation of whoever published the questions.

Source: TriviaQA: mandarjoshi90/triviaqa, commit ca43b5820b107f3970cf4b7d67f7db7a98117b79,
evaluation/triviaqa_evaluation.py. NQ-open: google-research/language, commit 208f8523b49f9b182dd9b1b24d39312b8554e1a9,
language/orqa/utils/eval_utils.py. Harness: lm-evaluation-harness 0.4.13, `exact_match` in lm_eval/api/metrics.py with
the settings of lm_eval/tasks/triviaqa/default.yaml and lm_eval/tasks/nq_open/nq_open.yaml.
"""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

Normalise = Callable[[str], str]

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_HARNESS_ARTICLES = re.compile(r"\b(?:The |the |An |A |The |a |an )")
_TO_SPACE = str.maketrans(dict.fromkeys(string.punctuation + "‘’´`", " "))
_TO_NOTHING = str.maketrans("", "", string.punctuation)


def triviaqa_text(text: str) -> str:
    """Lower case, punctuation (with quotes that only TriviaQA lists) as spaces, no articles, single spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_TO_SPACE)).split())


def nq_open_text(text: str) -> str:
    """Decomposed characters in lower case, no punctuation, no articles, single spaces."""
    plain = unicodedata.normalize("NFD", text).lower().translate(_TO_NOTHING)
    return " ".join(_ARTICLES.sub(" ", plain).split())


def harness_triviaqa_text(text: str) -> str:
    """Lower case without punctuation; articles and spaces stay."""
    return text.lower().translate(_TO_NOTHING)


def harness_nq_open_text(text: str) -> str:
    """As for TriviaQA, and without articles that a space follows, as they are written before letters become small."""
    return harness_triviaqa_text(_HARNESS_ARTICLES.sub("", text))


def exact_match(said: str, answers: Sequence[str], normalise: Normalise) -> float:
    """1 where what was said is one of the answers, else 0."""
    return float(normalise(said) in {normalise(answer) for answer in answers})


def best_f1(said: str, answers: Sequence[str], normalise: Normalise) -> float:
    """The harmonic mean of precision and recall over words, of the answer for which it is largest."""
    return max((_f1(normalise(said).split(), normalise(answer).split()) for answer in answers), default=0.0)


def _f1(said: Sequence[str], answer: Sequence[str]) -> float:
    num_same = sum((Counter(said) & Counter(answer)).values())
    if not num_same:
        return 0.0
    precision, recall = num_same / len(said), num_same / len(answer)
    return 2 * precision * recall / (precision + recall)
