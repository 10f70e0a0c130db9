"""Responses to judge, a judge at the boundary, and a server that has one and answers in every bad way.

The judge reads the response that it is shown and does as that says: `grade 2` gives every item 2. What it is asked
again it answers as it is told to in `again`.
"""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loanword.model.server import ServerModel
from loanword.model.server_opening import open_server_model
from loanword.model.server_transport import Patience
from loanword.protocols import Work
from loanword.recipe.judging import JudgementsConfig
from loanword.records import Checks, Execution, JudgeAccess, OpenQuestion, Response
from tests.model.serving import ToyServer

_SECTION = re.compile(r"\[\[BEGIN ([^\]]+) (\w{12})\]\]\n(.*?)\n\[\[END \1 \2\]\]", re.DOTALL)
_ITEMS = ("accuracy", "fluency", "informativeness", "coherence", "harmlessness")
MODEL = JudgementsConfig(kind="model", rubric="llm-eval-0-3")


def response(number: int, *texts: str, **fields: Any) -> Response:
    """A response to question `number`; its checks and references may be given by their names."""
    asked = {name: fields.pop(name) for name in ("turns", "references", "checks", "language") if name in fields}
    question = OpenQuestion(**{"turns": (f"What is thing {number}?",), **asked})
    facts = {"benchmark": "open", "subject": "Things", "num_shots": 0, "answers": (), "ended": "stopped", **fields}
    return Response(id=f"q{number}", asked=question, texts=texts, **facts)


def checked(number: int, text: str, **checks: Any) -> Response:
    return response(number, text, checks=Checks(**checks))


NEVER_GIVEN = {"ended": "too long"}


def sections(prompt: str) -> dict[str, str]:
    """What a judge is shown, by name: only what stands between markers with the code that is given first."""
    code = re.match(r"The code is (\w{12})\.\n\n", prompt[prompt.index("The code is ") :])
    assert code is not None
    return {name: text for name, found, text in _SECTION.findall(prompt) if found == code[1]}


def scores(grade: object, **others: object) -> str:
    return json.dumps({"scores": dict.fromkeys(_ITEMS, grade) | others, "reason": "So it is."})


def graded(shown: dict[str, str]) -> str:
    found = re.search(r"grade (\d)", shown["RESPONSE"])
    return scores(int(found[1]) if found else 1)


@dataclass
class JudgingServer(ToyServer):
    """A server whose model judges; `says_else` is another reply to what is shown, or a status to answer with."""

    says_else: Callable[[dict[str, str]], str | int | None] = lambda shown: None
    says_again: Callable[[dict[str, str]], str | int | None] = lambda shown: None
    wait_seconds: float = 0.0
    named: str = "judge-2026-01"
    most_at_once: int = 0
    answered: Counter[str] = field(default_factory=Counter[str])

    def __enter__(self) -> "JudgingServer":
        self._counting = threading.Lock()
        self._running = 0
        super().__enter__()
        return self

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return self.asked("/v1/chat/completions")

    def _complete(self, body: dict[str, Any]) -> dict[str, Any]:
        with self._counting:
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
        time.sleep(self.wait_seconds)
        messages = body["messages"] if "messages" in body else [{"content": body["prompt"]}]
        user = [message for message in messages if message.get("role", "user") == "user"]
        shown = sections(user[0]["content"])
        said = (self.says_else if len(user) == 1 else self.says_again)(shown)
        said = graded(shown) if said is None else said
        with self._counting:
            self._running -= 1
        if isinstance(said, int):
            code = {"code": "content_filter"} if said == 400 else {}
            return {"status": said, "error": {"message": "cannot be judged", **code}}
        self.says = said
        answer = super()._complete(body)
        (choice,) = answer["choices"]
        if self.refusal is None:
            choice.update({"message": {"content": said}} if "messages" in body else {"text": said})
        with self._counting:
            self.answered[json.dumps(body, sort_keys=True)] += 1
        return {**answer, "model": self.named}


async def at_once(seconds: float) -> None:
    """A wait between tries that nobody sits through."""


def open_judge(server: JudgingServer, model: str | None = None, **patience: Any) -> ServerModel:
    return open_server_model(server.address, model, patience=Patience(sleep=at_once, **patience), at_once=1)


@dataclass
class Place:
    """A store to judge in: the served model or None for a checkpoint, what is said, and where replies are kept."""

    root: Path
    judge: str | None = "toy"
    access: JudgeAccess = field(default_factory=JudgeAccess)
    heard: list[str] = field(default_factory=list[str])

    @property
    def work(self) -> Work:
        out = self.root / "out"
        out.mkdir(parents=True, exist_ok=True)
        judge = self.root / "base" / (self.judge or "checkpoint")
        judge.mkdir(parents=True, exist_ok=True)
        if self.judge is not None:
            (judge / "served.json").write_text(json.dumps({"model": self.judge}))
        execution = Execution(judge=self.access)
        return Work(
            {"judge": judge}, out, seed=0, execution=execution, say=self.heard.append, cache=self.root / "cache"
        )

    @property
    def kept(self) -> list[Path]:
        return [path for path in (self.root / "cache").glob("judges/*/*/*/*.json") if path.is_file()]
