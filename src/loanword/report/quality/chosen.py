"""Which responses are worth reading: few of them, in which as much as possible of what happened can be seen.

Questions are taken one by one, each the one that adds most of what was not seen yet: benchmarks, runs, categories,
responses that switch languages and that do not, low and high ratings, replies that could not be read. The same records
give the same choice.
"""

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from loanword.records import Response, read_lines
from loanword.report.gather import Artifact, RunRecords, stage_of
from loanword.report.judged import POINTS, Judged
from loanword.report.quality.ratings import Key

RESPONSES = "responses.jsonl"
MOST_BESIDE = 3
"""Runs whose responses to one question stand side by side."""
LOW, HIGH = 1 / 3, 2 / 3
"""Ends of a scale, as shares of it."""


@dataclass(frozen=True)
class Chosen:
    """A question and the runs whose responses to it are shown."""

    benchmark: str
    key: Key
    labels: tuple[str, ...]


@dataclass(frozen=True)
class _Question:
    # What is to be seen in each run's response: things, of which each is the more worth the rarer it was shown.
    benchmark: str
    key: Key
    things: Mapping[str, tuple[str, ...]]


def generated_responses(run: RunRecords) -> dict[str, Artifact]:
    """The responses of a run that are words, by benchmark."""
    return {
        benchmark: artifact
        for role, artifact in run.artifacts.items()
        if artifact is not None
        and stage_of(role) == "responses"
        and (artifact.folder / RESPONSES).is_file()
        and (benchmark := role.partition(".")[2]) in run.benchmarks
        and run.benchmarks[benchmark].answering != "likelihood"
    }


def choose(runs: Sequence[RunRecords], num_responses: int) -> list[Chosen]:
    """So many responses, or all where there are fewer, question by question in the order of the benchmarks."""
    questions = _questions(runs, num_responses)
    shown, taken, left = Counter[str](), list[Chosen](), num_responses
    # What a question adds only shrinks while others are taken, so that an old gain is a bound of the new one.
    bounds = [(-_gain(question, shown, left)[0], place) for place, question in enumerate(questions)]
    heapq.heapify(bounds)
    while left > 0 and bounds:
        _, place = heapq.heappop(bounds)
        question = questions[place]
        gain, labels = _gain(question, shown, left)
        if bounds and (-gain, place) > bounds[0]:
            heapq.heappush(bounds, (-gain, place))
            continue
        taken.append(Chosen(question.benchmark, question.key, labels))
        shown.update(thing for label in labels for thing in question.things[label])
        left -= len(labels)
    order = list(dict.fromkeys(question.benchmark for question in questions))
    return sorted(taken, key=lambda one: order.index(one.benchmark))


def _gain(question: _Question, shown: Counter[str], left: int) -> tuple[float, tuple[str, ...]]:
    """What a question adds, and in the responses of which runs."""
    worth = {label: sum(_worth(thing, shown) for thing in things) for label, things in question.things.items()}
    best = sorted(worth, key=lambda label: -worth[label])[: min(MOST_BESIDE, left)]
    # What two of the runs show alike is seen once.
    seen = dict.fromkeys(thing for label in best for thing in question.things[label])
    return sum(_worth(thing, shown) for thing in seen), tuple(label for label in question.things if label in best)


def _worth(thing: str, shown: Counter[str]) -> float:
    return (1 + shown[thing]) ** -2


def _questions(runs: Sequence[RunRecords], num_responses: int) -> list[_Question]:
    things: dict[tuple[str, Key], dict[str, tuple[str, ...]]] = {}
    folders: set[Path] = set()
    for run in runs:
        for benchmark, artifact in generated_responses(run).items():
            # Runs that share their responses say nothing beside each other.
            if artifact.folder in folders:
                continue
            folders.add(artifact.folder)
            for key, tags in _tagged(run, benchmark, artifact, num_responses).items():
                of_run = (f"benchmark {benchmark}", f"run {run.label}", f"category {benchmark} {key[0]}")
                told = (f"{benchmark}: {tag}" for tag in tags)
                things.setdefault((benchmark, key), {})[run.label] = (*of_run, *told)
    return [_Question(benchmark, key, labels) for (benchmark, key), labels in things.items()]


def _tagged(run: RunRecords, benchmark: str, artifact: Artifact, num_responses: int) -> dict[Key, list[str]]:
    """What is known of every response of a run to a benchmark; of the first ones alone where nothing is known."""
    tags: dict[Key, list[str]] = {}
    for one in run.switching.get(benchmark, ()):
        into = sorted({span.language for span in one.spans})
        tags.setdefault((one.subject, one.id), []).extend(into if one.switched else ["does not switch"])
    for grade in run.grades.get(benchmark, ()):
        tags.setdefault((grade.subject, grade.id), []).append(f"graded {grade.outcome}")
    for (of, judge), judged in run.judged.items():
        if of == benchmark:
            for key, found in _rated_tags(judged).items():
                tags.setdefault(key, []).extend(f"{judge}: {tag}" for tag in found)
    for (of, judge, _), preferred in run.preferred.items():
        for one in preferred.preferences if of == benchmark else ():
            tags.setdefault((one.subject, one.id), []).append(f"{judge} prefers: {one.outcome}")
    if not tags:
        first = islice(read_lines(Response, artifact.folder / RESPONSES), num_responses)
        tags = {(response.subject, response.id): [response.ended] for response in first}
    return tags


def _rated_tags(judged: Judged) -> dict[Key, list[str]]:
    """Ends of the scale, and what has no score."""
    tags: dict[Key, list[str]] = {}
    for rating in judged.ratings:
        found = tags.setdefault((rating.subject, rating.id), [])
        # An item of points ends at what the example is worth.
        worth = rating.points if judged.judge.rubric == POINTS else 1.0
        shares = [
            (rating.scores[item.name] - item.lowest) / (worth * (item.highest - item.lowest))
            for item in judged.judge.items
            if item.name in rating.scores
        ]
        if rating.outcome != "rated":
            found.append(rating.outcome)
        elif shares:
            mean = sum(shares) / len(shares)
            found.append("low" if mean <= LOW else "high" if mean >= HIGH else "middling")
    return tags
