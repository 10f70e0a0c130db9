"""From judgements to numbers; no model is needed, so that a better reading of replies costs nothing.

In: Responses, Judgements, and who judged. Out: a Rating a judgement, or a Preference a pair; the number of ratings of a
judge is that of the responses, times its repeats: what was not answered and what could not be read are among them.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Literal

from loanword.errors import UserError
from loanword.evaluation.judging.pairs import ORDERS
from loanword.evaluation.judging.replies import Judged, Reading, read_scores, read_verdict
from loanword.evaluation.judging.rubrics import RUBRICS
from loanword.evaluation.judging.said import response_text, was_not_answered
from loanword.records import Item, JudgeFacts, Judgement, Preference, Rating, Response

Verdict = Literal["arm", "control", "tie", "unparsed"]
Outcome = Literal["rated", "unparsed", "refused", "not answered"]
_BEST_FIRST: tuple[Outcome, ...] = ("rated", "refused", "unparsed", "not answered")
_NONE: Mapping[str, float] = {}


def rated(answered: Sequence[Response], judgements: Sequence[Judgement], facts: JudgeFacts) -> list[Rating]:
    """What each judgement gave, in the order of the responses and of the repeats of each.

    A response that was never given has a rating without scores for each repeat; one that was not judged has none. What
    does not switch languages is not judged for coherence, and what was never given does not.
    """
    found: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        found.setdefault(judgement.id, []).append(judgement)
    ratings: list[Rating] = []
    for response in answered:
        if was_not_answered(response) and facts.rubric != "coherence":
            repeats = facts.repeats if facts.kind == "model" else 1
            ratings += [_rating(response, repeat, "not answered") for repeat in range(repeats)]
        for judgement in sorted(found.get(response.id, ()), key=lambda one: one.repeat):
            reading = _reading(judgement, response, facts)
            outcome = "rated" if reading.outcome == "read" else "refused" if judgement.refused else reading.outcome
            ratings.append(_rating(response, judgement.repeat, outcome, reading.scores))
    return ratings


def preferred(
    answered: Sequence[Response], judgements: Sequence[Judgement], facts: JudgeFacts, control: Sequence[Response] = ()
) -> list[Preference]:
    """Which response each pair's judgements prefer, in the order of the arm's responses and of the repeats.

    A win only where both orders name the same response. Two ties are a tie; any other two verdicts are inconsistent;
    and where one cannot be read there is none. Pairs are judged in both orders.
    """
    found = {(one.id, one.repeat, one.shown_first): one for one in judgements}
    texts = {response.id: response.texts for response in control}
    preferences: list[Preference] = []
    for response in answered:
        judged = [*response.texts, *texts.get(response.id, ())]
        for repeat in range(facts.repeats):
            first, second = (found.get((response.id, repeat, shown)) for shown in ORDERS)
            if first is None or second is None:
                continue
            verdicts = _verdict(first, judged), _verdict(second, judged)
            preferences.append(
                Preference(
                    id=response.id,
                    benchmark=response.benchmark,
                    subject=response.subject,
                    repeat=repeat,
                    verdicts=verdicts,
                    outcome=_agreed(*verdicts),
                )
            )
    return preferences


def combined(
    of: Mapping[str, tuple[JudgeFacts, Sequence[Rating]]], combine: Literal["mean", "median"]
) -> tuple[JudgeFacts, list[Rating]]:
    """What several judges give together: item by item the mean or the median of those that rated it.

    A judge's repeats count as one, by their mean. Items that no judge rated are absent; a response is rated where one
    judge rated it. The order is that of the first judge's ratings, then of what only others have.

    Raises:
        UserError: judges that rate one item on different scales.
    """
    facts = _panel(of, combine)
    grouped: dict[tuple[str, str], dict[str, list[Rating]]] = {}
    for name, (_, ratings) in of.items():
        for rating in ratings:
            grouped.setdefault((rating.benchmark, rating.id), {}).setdefault(name, []).append(rating)
    middle = statistics.fmean if combine == "mean" else statistics.median
    made: list[Rating] = []
    for by_judge in grouped.values():
        scores: dict[str, float] = {}
        for item in facts.items:
            given = [mean for ratings in by_judge.values() if (mean := _mean(item.name, ratings)) is not None]
            if given:
                scores[item.name] = middle(given)
        everybody = [rating for ratings in by_judge.values() for rating in ratings]
        changes = {"repeat": 0, "outcome": _outcome(everybody), "scores": scores}
        made.append(everybody[0].model_copy(update=changes))
    return facts, made


def _reading(judgement: Judgement, response: Response, facts: JudgeFacts) -> Reading:
    rubric = RUBRICS[facts.rubric]
    of_model = facts.kind == "model"
    judged = response.texts if of_model else ()
    # The last reply is the only one that could be read, if any could.
    return read_scores(judgement.replies[-1], rubric, response.points, judged, some=not of_model, steps=of_model)


def _rating(response: Response, repeat: int, outcome: Outcome, scores: Mapping[str, float] = _NONE) -> Rating:
    return Rating(
        id=response.id,
        benchmark=response.benchmark,
        subject=response.subject,
        repeat=repeat,
        outcome=outcome,
        scores=dict(scores),
        points=response.points,
        num_characters=len(response_text(response)),
    )


def _verdict(judgement: Judgement, judged: Judged) -> Verdict:
    said = read_verdict(judgement.replies[-1], judged).verdict
    if said not in ("A", "B"):
        return "tie" if said == "tie" else "unparsed"
    shown_first, shown_second = ("arm", "control") if judgement.shown_first == "arm" else ("control", "arm")
    return shown_first if said == "A" else shown_second


def _agreed(first: Verdict, second: Verdict) -> Literal["arm", "control", "tie", "inconsistent", "unparsed"]:
    if "unparsed" in (first, second):
        return "unparsed"
    return first if first == second else "inconsistent"


def _panel(of: Mapping[str, tuple[JudgeFacts, Sequence[Rating]]], combine: str) -> JudgeFacts:
    judges = [facts for facts, _ in of.values()]
    items: dict[str, Item] = {}
    for name, (facts, _) in of.items():
        for item in facts.items:
            if items.setdefault(item.name, item) != item:
                raise UserError(
                    f"judge {name}",
                    f"rates {item.name} from {item.lowest:g} to {item.highest:g}",
                    expected=f"{items[item.name].lowest:g} to {items[item.name].highest:g}, as another of the panel",
                    do="combine judges of one rubric",
                )
    return JudgeFacts(
        name="panel",
        kind="panel",
        title=f"The {combine} of {', '.join(of)}",
        rubric=judges[0].rubric,
        items=tuple(items.values()),
        prompt_version=max(facts.prompt_version for facts in judges),
        models=tuple(dict.fromkeys(model for facts in judges for model in facts.models)),
        combines=tuple(of),
        num_requests=sum(facts.num_requests for facts in judges),
        num_prompt_tokens=sum(facts.num_prompt_tokens for facts in judges),
        num_new_tokens=sum(facts.num_new_tokens for facts in judges),
    )


def _mean(item: str, ratings: Sequence[Rating]) -> float | None:
    given = [rating.scores[item] for rating in ratings if item in rating.scores]
    return statistics.fmean(given) if given else None


def _outcome(ratings: Sequence[Rating]) -> Outcome:
    """The best that happened; of what was not rated, what says most about why."""
    there = {rating.outcome for rating in ratings}
    return next(outcome for outcome in _BEST_FIRST if outcome in there)
