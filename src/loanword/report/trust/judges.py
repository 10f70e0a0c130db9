"""How far each judge of a study can be trusted: against people, or other judges, and by what it gave alone.

In: the ratings of every judge, by benchmark (report/judged.py). Ratings of people are those of a judge of kind
"people"; its repeats are raters.

All runs' responses to a benchmark are taken together: whom a judge agrees with is a matter of the judge. Responses that
several runs share count once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loanword.records import Item, JudgeFacts, Rating
from loanword.report.gather import RunRecords
from loanword.report.judged import COHERENCE, POINTS, Judged
from loanword.report.saying import clauses, say
from loanword.report.trust.concordance import Measured
from loanword.report.trust.rated import (
    OVERALL,
    GroupAgreement,
    ItemAgreement,
    Rated,
    Side,
    agreements,
    by_group,
    num_shared,
)
from loanword.report.trust.rated_alone import LengthEffect, Repeats, Saturation, lengths_of, repeats_of, saturation_of
from loanword.report.wording import decimal, plain

NOT_CHECKED = "not checked against people"
KINDS: Mapping[str, str] = {
    "rules": "rules that look for accepted answers and named properties, not a reader",
    "model": "a model",
    "panel": "a panel of judges",
    "people": "people",
}
Scales = tuple[str, str, tuple[Item, ...]]
"""Kind, rubric and items: ratings under one of them are of one kind."""


@dataclass(frozen=True)
class Peer:
    """Another judge of the same responses, and agreement with it: by item, and of the first item by category."""

    judge: str
    facts: JudgeFacts
    num_responses: int
    items: tuple[ItemAgreement, ...]
    subjects: tuple[GroupAgreement, ...]


@dataclass(frozen=True)
class JudgeTrust:
    """What stands beside every score of a judge on one benchmark.

    `peers` are people where any rated the same responses, else the other judges. `repeats` is agreement with itself,
    or of several people with each other. `lengths` holds people's scores constant where there are any.
    """

    judge: str
    facts: JudgeFacts
    benchmark: str
    language: str
    labels: tuple[str, ...]
    num_responses: int
    num_judgements: int
    peers: tuple[Peer, ...]
    repeats: tuple[Repeats, ...]
    saturation: tuple[Saturation, ...]
    lengths: tuple[LengthEffect, ...]

    @property
    def is_checked(self) -> bool:
        """Whether it is compared with people."""
        return any(peer.facts.kind == "people" for peer in self.peers)


def judge_trust(run: RunRecords, benchmark: str) -> Mapping[str, JudgeTrust]:
    """How far each judge of one run's responses to a benchmark can be trusted."""
    return {one.judge: one for one in trust_over([run], benchmark)}


def trust_over(runs: Sequence[RunRecords], benchmark: str) -> tuple[JudgeTrust, ...]:
    """The same over several runs' responses together; a judge with several rubrics comes once for each."""
    gathered = _gathered(runs, benchmark)
    languages = (run.benchmarks[benchmark].language for run in runs if benchmark in run.benchmarks)
    language = next((one for one in languages if one), "")
    return tuple(_trust(one, gathered, benchmark, language) for one in gathered if one.side.items)


def all_trusts(runs: Sequence[RunRecords]) -> tuple[JudgeTrust, ...]:
    """The same of every benchmark that any judge rated, in the order of the runs."""
    benchmarks = dict.fromkeys(benchmark for run in runs for benchmark, _ in run.judged)
    return tuple(trust for benchmark in benchmarks for trust in trust_over(runs, benchmark))


def trust_notes(trusts: Sequence[JudgeTrust]) -> dict[tuple[str, str, str], str]:
    """`trust_note` of every judged score, by the run's label, benchmark and judge."""
    return {(label, one.benchmark, one.judge): trust_note(one) for one in trusts for label in one.labels}


def trust_note(trust: JudgeTrust) -> str:
    """A short phrase for beside a judge's scores: what it is, and whom it agrees with how far."""
    if trust.facts.kind == "people":
        return _people_note(trust)
    told = [_peer_note(peer) for peer in trust.peers if peer.items]
    told = told if trust.is_checked else [say(NOT_CHECKED), *told]
    return clauses(([say("rules, not a reader")] if trust.facts.kind == "rules" else []) + told)


def _people_note(trust: JudgeTrust) -> str:
    if not trust.repeats:
        return say("people, one rater a response")
    alphas = ", ".join(f"{one.item} {measured_text(one.alpha)}" for one in trust.repeats)
    return say("people; alpha between raters: {alphas}", alphas=alphas)


def _peer_note(peer: Peer) -> str:
    first = peer.items[0]
    who = say("people") if peer.facts.kind == "people" else say("judge {judge}", judge=peer.judge)
    item = say("the mean of items") if first.item == OVERALL else first.item
    ratings = "{number} rating" if first.num_responses == 1 else "{number} ratings"
    of = {"who": who, "item": item, "ratings": say(ratings, number=plain(first.num_responses))}
    if first.spearman.value is None:
        return say("agreement with {who} on {item} is undefined on {ratings} ({why})", **of, why=first.spearman.why)
    return say("agrees with {who} on {item}: rho {rho} on {ratings}", **of, rho=measured_text(first.spearman))


def measured_text(number: Measured, digits: int = 2) -> str:
    """A number with its interval in brackets, or a dash."""
    if number.value is None:
        return "\u2013"
    value = decimal(number.value, digits)
    if number.low is None or number.high is None:
        return value
    return f"{value} [{decimal(number.low, digits)} to {decimal(number.high, digits)}]"


@dataclass(frozen=True)
class _Gathered:
    """One judge's ratings under one rubric, of all runs' responses."""

    judge: str
    facts: JudgeFacts
    labels: tuple[str, ...]
    side: Side
    num_judgements: int

    @property
    def is_people(self) -> bool:
        return self.facts.kind == "people"


def _gathered(runs: Sequence[RunRecords], benchmark: str) -> list[_Gathered]:
    found: dict[tuple[str, Scales], list[tuple[RunRecords, Judged]]] = {}
    for run in runs:
        for (of, judge), judged in run.judged.items():
            if of == benchmark:
                scales = (judged.judge.kind, judged.judge.rubric, judged.judge.items)
                found.setdefault((judge, scales), []).append((run, judged))
    return [_gather(judge, benchmark, judged) for (judge, _), judged in found.items()]


def _gather(judge: str, benchmark: str, judged: Sequence[tuple[RunRecords, Judged]]) -> _Gathered:
    facts = judged[0][1].judge
    by_responses: dict[str, Judged] = {}
    for run, one in judged:
        by_responses.setdefault(_responses_of(run, benchmark), one)
    responses = [rated for name, one in by_responses.items() for rated in rated_responses(one, name)]
    return _Gathered(
        judge=judge,
        facts=facts,
        labels=tuple(run.label for run, _ in judged),
        side=Side(judge, tuple(responses), scales_of(facts)),
        num_judgements=sum(len(one.ratings) for one in by_responses.values()),
    )


def _responses_of(run: RunRecords, benchmark: str) -> str:
    """A name that runs with the same responses share."""
    artifact = run.artifacts.get(f"responses.{benchmark}")
    return run.label if artifact is None else str(artifact.folder)


def scales_of(facts: JudgeFacts) -> dict[str, tuple[float, float]]:
    """The scale of every item that a judge rates."""
    return {item.name: (item.lowest, item.highest) for item in facts.items}


def rated_responses(judged: Judged, system: str) -> list[Rated]:
    """Each response that was judged, with its scores of all repeats; unparsed and refused judgements give none.

    Points of an examination are shares of what the example is worth.
    """
    repeats: dict[tuple[str, str], list[Rating]] = {}
    for rating in judged.ratings:
        repeats.setdefault((rating.subject, rating.id), []).append(rating)
    found: list[Rated] = []
    for (subject, example), ratings in repeats.items():
        scored = [one for one in ratings if one.outcome == "rated"]
        worth = ratings[0].points if judged.judge.rubric == POINTS else 1.0
        items = dict.fromkeys(item for one in scored for item in one.scores)
        scores = {item: tuple(one.scores[item] / worth for one in scored if item in one.scores) for item in items}
        length = ratings[0].num_characters if scored else None
        found.append(Rated(system, f"{subject}/{example}", scores, subject=subject, num_characters=length))
    return found


def _trust(one: _Gathered, gathered: Sequence[_Gathered], benchmark: str, language: str) -> JudgeTrust:
    others = [other for other in gathered if _may_be_compared(one, other)]
    people = [other for other in others if other.is_people]
    peers = [] if one.is_people else people or others
    return JudgeTrust(
        judge=one.judge,
        facts=one.facts,
        benchmark=benchmark,
        language=language,
        labels=one.labels,
        num_responses=sum(1 for rated in one.side.responses if rated.scores),
        num_judgements=one.num_judgements,
        peers=tuple(_peer(one, other) for other in peers),
        repeats=repeats_of(one.side),
        saturation=saturation_of(one.side),
        lengths=lengths_of(one.side, people[0].side if people and not one.is_people else None),
    )


def _may_be_compared(one: _Gathered, other: _Gathered) -> bool:
    """Whether two judges rated the same responses for the same thing, and neither is made of the other."""
    if one.judge == other.judge or other.judge in one.facts.combines or one.judge in other.facts.combines:
        return False
    of_coherence = {side.facts.rubric == COHERENCE for side in (one, other)}
    return len(of_coherence) == 1 and num_shared(one.side, other.side) > 0


def _peer(one: _Gathered, other: _Gathered) -> Peer:
    items = agreements(one.side, other.side)
    named = [found.item for found in items[:1]]
    subjects = by_group(one.side, other.side, named, lambda rated: rated.subject) if named else ()
    return Peer(other.judge, other.facts, num_shared(one.side, other.side), items, subjects)
