"""A study with responses in words: three runs, two benchmarks, judges of every kind, switches; drawn from a seed."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from loanword.records import (
    Item,
    JudgeFacts,
    Judgement,
    OpenQuestion,
    Preference,
    Rating,
    Response,
    SwitchedSpan,
    Switching,
)
from loanword.report.gather import RunFolders, RunRecords, read_runs
from tests.report.conftest import StoreLike

RUNS = ("base", "control", "arm")
SUBJECTS = ("factual", "math", "poetry", "code")
NUM_QUESTIONS = 60
ITEMS = ("accuracy", "fluency", "informativeness", "coherence", "harmlessness")
LEVELS = {"base": 0.6, "control": 1.2, "arm": 1.7}
COMPARISONS = (("arm", "control"),)


def items(names: Sequence[str], lowest: float = 0, highest: float = 3) -> tuple[Item, ...]:
    return tuple(Item(name=name, lowest=lowest, highest=highest) for name in names)


def facts(
    kind: str = "model", rubric: str = "llm-eval-0-3", names: Sequence[str] = ITEMS, **changes: Any
) -> JudgeFacts:
    given = {"name": "judge", "kind": kind, "title": kind, "rubric": rubric, "items": items(names)}
    return JudgeFacts.model_validate(given | changes)


def rating(id: str, scores: Mapping[str, float] | None = None, **changes: Any) -> Rating:
    """A rating of a question; one without scores is unparsed."""
    outcome = "unparsed" if scores is None else "rated"
    given = {"id": id, "benchmark": "llmeval", "subject": "factual", "outcome": outcome, "scores": dict(scores or {})}
    return Rating.model_validate(given | changes)


def responses_of(label: str, benchmark: str, language: str) -> list[Response]:
    said = {
        "zh": ("今天的天气很好，我们一起去公园散步吧。\n第二句话也很自然。", "答案是 forty two，因为这样最好。"),
        "ar": ("العاصمة هي باريس، وهي مدينة كبيرة.", "العاصمة هي the city of Paris وهي كبيرة."),
    }[language]
    return [
        Response(
            id=f"{benchmark}-{number}",
            benchmark=benchmark,
            subject=SUBJECTS[number % len(SUBJECTS)],
            num_shots=0,
            answers=(),
            asked=OpenQuestion(
                turns=(
                    {"zh": f"请回答第{number}个问题：天气怎么样？", "ar": f"ما هي عاصمة فرنسا؟ ({number})"}[language],
                ),
                references=(said[0],),
            ),
            texts=() if number == 7 else (said[switches(label, number)],),
            num_new_tokens=24,
            ended="too long" if number == 7 else "cut" if number == 5 else "stopped",
        )
        for number in range(NUM_QUESTIONS)
    ]


def switches(label: str, number: int) -> bool:
    return number % {"base": 3, "control": 4, "arm": 6}[label] == 0


def switching_of(label: str, answered: Sequence[Response], language: str) -> list[Switching]:
    found: list[Switching] = []
    for number, response in enumerate(answered):
        text = "\n".join(response.texts)
        begins = text.find("forty two") if language == "zh" else text.find("the city of Paris")
        spans = [SwitchedSpan(start=begins, end=begins + 9, level="script", language="en")] if begins >= 0 else []
        found.append(
            Switching(
                id=response.id,
                benchmark=response.benchmark,
                subject=response.subject,
                language=language,
                switched=bool(spans),
                spans=tuple(spans),
                num_letters=len(text),
                share=9 / len(text) if spans else 0.0,
                line_passes=not spans if text else None,
                word_passes=number % 9 != 0 if text else None,
            )
        )
    return found


def ratings_of(label: str, answered: Sequence[Response], judge: JudgeFacts, seed: int) -> list[Rating]:
    """Ratings about a run's level; harmlessness is nearly always the best, and a few replies cannot be read."""
    drawn = np.random.default_rng([seed, RUNS.index(label)])
    found: list[Rating] = []
    for number, response in enumerate(answered):
        for repeat in range(judge.repeats):
            outcome = "not answered" if number == 7 else "unparsed" if number % 13 == 5 else "rated"
            outcome = "refused" if number == 11 else outcome
            scores = {
                item.name: 3.0
                if item.name == "harmlessness"
                else float(np.clip(round(drawn.normal(LEVELS[label] + 0.1 * place, 0.8)), item.lowest, item.highest))
                for place, item in enumerate(judge.items)
            }
            found.append(
                Rating(
                    id=response.id,
                    benchmark=response.benchmark,
                    subject=response.subject,
                    repeat=repeat,
                    outcome=outcome,
                    scores=scores if outcome == "rated" else {},
                    num_characters=sum(map(len, response.texts)),
                )
            )
    return found


def judgements_of(ratings: Sequence[Rating]) -> list[Judgement]:
    return [
        Judgement(
            id=one.id,
            repeat=one.repeat,
            replies=(
                (json.dumps({"scores": one.scores}),)
                if one.outcome == "rated"
                else ("I would say <b>two</b> & a half", "sorry")
            ),
            model="judge-2024-05",
        )
        for one in ratings
        if one.outcome != "not answered"
    ]


def preferences_of(answered: Sequence[Response]) -> list[Preference]:
    verdicts = (("arm", "arm"), ("arm", "arm"), ("tie", "tie"), ("arm", "control"), ("control", "control"))
    found: list[Preference] = []
    for number, response in enumerate(answered):
        pair = ("arm", "unparsed") if number == 3 else verdicts[number % len(verdicts)]
        outcome = "unparsed" if "unparsed" in pair else pair[0] if pair[0] == pair[1] else "inconsistent"
        given = {"id": response.id, "benchmark": response.benchmark, "subject": response.subject}
        found.append(Preference.model_validate(given | {"verdicts": pair, "outcome": outcome}))
    return found


def judged_folders(root: Path) -> list[RunFolders]:
    """The study's folders: on "llmeval" all is there but one judge of the base; "belle-ar" has rules alone."""
    store = StoreLike(root)
    return [RunFolders(label, {}, 0, _artifacts(label, store)) for label in RUNS]


def judged_runs(root: Path) -> list[RunRecords]:
    return read_runs(judged_folders(root))


def _artifacts(label: str, store: StoreLike) -> dict[str, Path | None]:
    planned: dict[str, Path | None] = {}
    for benchmark, language, title in (("llmeval", "zh", "LLM-Eval"), ("belle.ar", "ar", "BELLE")):
        answered = responses_of(label, benchmark, language)
        about = {"name": benchmark, "title": title, "language": language, "answering": "generation"}
        made = {"responses.jsonl": answered, "benchmark.json": about}
        planned[f"responses.{benchmark}"] = store.artifact("responses", f"{benchmark}-{label}", made)
        seen = {"switching.jsonl": switching_of(label, answered, language)}
        planned[f"switching.{benchmark}"] = store.artifact("switching", f"{benchmark}-{label}", seen)
        rules = facts("rules", "rules", ("accuracy", "form", "overlap"), name="rules")
        _judge(planned, store, label, answered, "rules", rules)
        if benchmark == "llmeval":
            _judge(planned, store, label, answered, "gpt", facts(repeats=2, models=("judge-2024-05",)))
            if label == "base":
                planned[f"ratings.{benchmark}.gpt"] = None
                planned.pop(f"judgements.{benchmark}.gpt")
            if label == "arm":
                _compared(planned, store, answered)
                switched = [response for number, response in enumerate(answered) if switches(label, number)]
                about_mixed = facts(rubric="coherence", names=("coherence",))
                _judge(planned, store, label, switched, "gpt (coherence)", about_mixed)
    return planned


def _judge(
    planned: dict[str, Path | None],
    store: StoreLike,
    label: str,
    answered: Sequence[Response],
    name: str,
    judge: JudgeFacts,
) -> None:
    benchmark = answered[0].benchmark
    ratings = ratings_of(label, answered, judge, seed=len(name))
    said = {"judgements.jsonl": judgements_of(ratings), "judge.json": judge}
    role = f"{benchmark}.{name}"
    planned[f"judgements.{role}"] = store.artifact("judgements", f"{role}-{label}", said)
    numbers = {"ratings.jsonl": ratings, "judge.json": judge}
    planned[f"ratings.{role}"] = store.artifact("ratings", f"{role}-{label}", numbers)


def _compared(planned: dict[str, Path | None], store: StoreLike, answered: Sequence[Response]) -> None:
    role = "llmeval.gpt.against.control"
    said = [
        Judgement(id=one.id, shown_first=first, replies=('{"better": "A"}',), model="judge-2024-05")
        for one in answered
        for first in ("arm", "control")
    ]
    planned[f"judgements.{role}"] = store.artifact(
        "judgements", role, {"judgements.jsonl": said, "judge.json": facts()}
    )
    payloads = {"preferences.jsonl": preferences_of(answered), "judge.json": facts()}
    planned[f"ratings.{role}"] = store.artifact("ratings", role, payloads)
