"""All that judges said of single responses, as it is shown: scores, what could not be read, and the raw replies."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from loanword.recipe.judging import AGAINST, OF_COHERENCE
from loanword.records import JudgeFacts, Judgement, Preference, Rating, read_lines
from loanword.report.corpora import visible
from loanword.report.gather import RunRecords
from loanword.report.judged import COHERENCE, POINTS
from loanword.report.quality.ratings import Key
from loanword.report.quality.words import judge_phrase, scale_range
from loanword.report.wording import plain

MOST_CHARACTERS = 4000
"""Of one text that are shown."""
PREFERRED = {
    "arm": "preferred in both orders",
    "control": "the other is preferred in both orders",
    "tie": "a tie",
    "inconsistent": "turns with the order: neither is preferred",
    "unparsed": "unparsed",
}


T = TypeVar("T", Rating, Preference)


@dataclass(frozen=True)
class Text:
    """One text as it is shown: its start where it is very long; `num_more` characters are left out."""

    text: str
    num_more: int = 0


@dataclass(frozen=True)
class Reply:
    """One raw reply; `by` says whose, and to what."""

    by: str
    text: Text


Replies = dict[tuple[str, int], list[Reply]]
"""By id and repeat."""


@dataclass(frozen=True)
class Said:
    """One judgement: its scores by item, or why there are none, and the replies word for word."""

    scores: tuple[tuple[str, str], ...]
    outcome: str
    replies: tuple[Reply, ...]


@dataclass(frozen=True)
class JudgedBy:
    """What one judge said of a response; `scale` of all items, where they have one."""

    who: str
    scale: str
    said: tuple[Said, ...]


def shown(text: str) -> Text:
    """A text with its hidden characters made visible, and only so much of it as anybody reads."""
    return Text(visible(text[:MOST_CHARACTERS]), max(0, len(text) - MOST_CHARACTERS))


def said_of(run: RunRecords, benchmark: str, keys: Sequence[Key]) -> dict[Key, tuple[JudgedBy, ...]]:
    """Everything that was said of some of a run's responses to a benchmark, judge by judge."""
    found: dict[Key, list[JudgedBy]] = {key: [] for key in keys}
    for (of, name), judged in run.judged.items():
        if of == benchmark:
            replies = _replies(run, f"judgements.{benchmark}.{name}", keys)
            for key, ratings in _by_key(judged.ratings, found).items():
                said = tuple(_said(one, judged.judge, replies) for one in ratings)
                found[key].append(JudgedBy(_who(name, judged.judge), _scale(judged.judge), said))
    for (of, name, control), preferred in run.preferred.items():
        if of == benchmark:
            replies = _replies(run, f"judgements.{benchmark}.{name}{AGAINST}{control}", keys)
            who = visible(f"{judge_phrase(name, preferred.judge)}, beside the response of {control}")
            for key, preferences in _by_key(preferred.preferences, found).items():
                said = tuple(_compared(one, replies) for one in preferences)
                found[key].append(JudgedBy(who, "", said))
    return {key: tuple(judged) for key, judged in found.items()}


def _by_key(ratings: Sequence[T], keys: Mapping[Key, object]) -> dict[Key, list[T]]:
    found: dict[Key, list[T]] = {}
    for one in ratings:
        if (one.subject, one.id) in keys:
            found.setdefault((one.subject, one.id), []).append(one)
    return found


def _who(name: str, judge: JudgeFacts) -> str:
    asked = ", on coherence where it switches" if judge.rubric == COHERENCE else ""
    return visible(judge_phrase(name.removesuffix(OF_COHERENCE), judge, short=True) + asked)


def _scale(judge: JudgeFacts) -> str:
    scales = {(item.lowest, item.highest) for item in judge.items}
    return scale_range(*scales.pop()) if len(scales) == 1 and judge.rubric != POINTS else ""


def _said(rating: Rating, judge: JudgeFacts, replies: Replies) -> Said:
    worth = f" of {plain(rating.points)}" if judge.rubric == POINTS else ""
    scores = tuple(
        (item.name, f"{plain(round(rating.scores[item.name], 2))}{worth}")
        for item in judge.items
        if item.name in rating.scores
    )
    outcome = "" if rating.outcome == "rated" else rating.outcome
    return Said(scores, outcome, tuple(replies.get((rating.id, rating.repeat), ())))


def _compared(preference: Preference, replies: Replies) -> Said:
    return Said((), PREFERRED[preference.outcome], tuple(replies.get((preference.id, preference.repeat), ())))


def _replies(run: RunRecords, role: str, keys: Sequence[Key]) -> Replies:
    """Raw replies, with the model that gave them and the order of what it was shown; none where a panel has no own."""
    artifact, ids = run.artifacts.get(role), {id for _, id in keys}
    found: Replies = {}
    if artifact is None:
        return found
    for judgement in read_lines(Judgement, artifact.folder / "judgements.jsonl"):
        if judgement.id in ids:
            found.setdefault((judgement.id, judgement.repeat), []).extend(_raw(judgement))
    return found


def _raw(judgement: Judgement) -> Iterator[Reply]:
    order = f"the {judgement.shown_first}\u2019s response first" if judgement.shown_first else ""
    for place, reply in enumerate(judgement.replies):
        mended = "asked to mend it" if place else ""
        by = visible(", ".join(part for part in (judgement.model, order, mended) if part))
        yield Reply(by, shown(reply))
