"""Questions to a judge, asked side by side until each has a reply that can be read, or two that cannot.

Everything follows from the replies that are kept: whoever is killed goes on with what is missing. A judge behind a
server is asked one request a call, so that each reply is on disk as soon as it is there; one in this process reads
many prompts at once.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from loanword.errors import UserError
from loanword.evaluation.calls import SideBySide, Tokens, about_tokens
from loanword.evaluation.judging.cache import Replies, Reply, reply_key
from loanword.evaluation.judging.prompt import PLAIN_STOP, repair_prompt
from loanword.evaluation.judging.replies import Read
from loanword.evaluation.judging.spending import Pace, Spending
from loanword.interruption import REQUEUE, Stop, noticed
from loanword.protocols import SERVED, Generated, LanguageModel, OpenPrompt, Refused, Work
from loanword.recipe.judging import JudgementsConfig
from loanword.records import Decoding, JudgeAccess, Judgement

LOCAL_REQUESTS = 32
"""Prompts that a judge in this process reads side by side: what an interruption loses at most."""
REPLY_TOKENS = 120
"""What a reply is taken to have in the estimate: ratings of five items and a sentence."""


class Question(NamedTuple):
    """One thing that a judge is asked, the JSON that it is asked for, and how its reply is read."""

    id: str
    repeat: int
    prompt: OpenPrompt
    schema: str
    read: Read
    shown_first: Literal["arm", "control"] | None = None


class _Request(NamedTuple):
    """A prompt, and the name of what is asked with it."""

    key: str
    prompt: OpenPrompt


class Asker:
    """Asks one judge, the input `judge`, and keeps what it replies where all runs of a store find it.

    It is opened where there is anything to ask.
    """

    def __init__(
        self, opened: Callable[[], LanguageModel], config: JudgementsConfig, language: str, work: Work
    ) -> None:
        self._opened = opened
        self._language = language
        self._work = work
        self._name, self._served = _asked_as(work.inputs["judge"])
        self._access = work.execution.judge if self._served else JudgeAccess()
        self._decoding = Decoding(
            max_new_tokens=config.max_new_tokens,
            stop=() if config.chat else PLAIN_STOP,
            temperature=config.temperature,
            seed=config.seed,
        )
        self._counted_of_about = 1.0
        judges = (work.cache or work.scratch) / "judges"
        folder = judges / ("served" if self._served else "local")
        self._replies = Replies(folder, self._name)
        self._spending = Spending(folder, self._access, self._most_tokens)
        server = hashlib.sha256((self._access.server or "").encode()).hexdigest()[:16]
        self._pace = Pace(judges / f"pace.{server}", self._access.requests_per_minute)
        self._stop = Stop()

    def judgements(self, questions: Sequence[Question]) -> list[Judgement]:
        """What the judge says to each question, in their order, asked for what is not known yet.

        Raises:
            UserError: a judge that answers nothing any more; what is beyond the limits; questions that could not be
                answered while others were. What was replied is kept.
            SystemExit: the process was asked to stop. What was on its way is kept, too.
        """
        if requests := self._unasked(questions):
            self._model = self._opened()
            self._tell(requests, questions)
            with noticed() as self._stop:
                self._ask_all(questions)
        return [self._judgement(question) for question in questions]

    def _ask_all(self, questions: Sequence[Question]) -> None:
        at_once = self._access.at_once if self._served else 1
        answered = any(self._dialogue(question)[0] for question in questions)
        side_by_side = SideBySide(self._call, at_once, self._spending, answered=answered)
        failed: dict[str, UserError] = {}
        while requests := [request for request in self._unasked(questions) if request.key not in failed]:
            failed |= self._ask(side_by_side, requests)
        if failed:
            raise self._lacking(failed, questions)

    def _unasked(self, questions: Sequence[Question]) -> list[_Request]:
        """The requests that can be made now for what is missing, in order, none of them twice."""
        found = [self._dialogue(question)[1] for question in questions]
        return list({request.key: request for request in found if request is not None}.values())

    def _dialogue(self, question: Question) -> tuple[list[Reply], _Request | None]:
        """The replies to a question, and the request that is still to be made."""
        request = self._request(question.prompt, question.repeat)
        said = self._replies.get(request.key)
        if said is None:
            return [], request
        reading = question.read(said.text)
        if reading.outcome != "unparsed" or said.ended in ("refused", "too long"):
            return [said], None
        wrong = reading.wrong if said.ended == "stopped" else f"it was cut at {self._decoding.max_new_tokens} tokens"
        request = self._request(repair_prompt(question.prompt, said.text, wrong, question.schema), question.repeat)
        mended = self._replies.get(request.key)
        return ([said], request) if mended is None else ([said, mended], None)

    def _request(self, prompt: OpenPrompt, repeat: int) -> _Request:
        key = reply_key(self._name, prompt, self._decoding, repeat)
        # What is drawn goes by the id, so a repeat has another.
        return _Request(key, replace(prompt, id=key))

    def _ask(self, side_by_side: SideBySide[Sequence[_Request]], requests: Sequence[_Request]) -> dict[str, UserError]:
        size = 1 if self._served else LOCAL_REQUESTS
        calls = [requests[first : first + size] for first in range(0, len(requests), size)]
        num_done = 0

        def over(call: Sequence[_Request]) -> None:
            nonlocal num_done
            num_done += len(call)
            self._work.progress(num_done, len(requests), "replies")

        failed = side_by_side.run(calls, over, lambda: self._stop.asked)
        if self._stop.asked:
            raise SystemExit(REQUEUE)
        lacking = {request.key: error for call, error in failed for request in call}
        for key, error in lacking.items():
            if isinstance(error, Refused):
                self._replies.note(Reply(key=key, text=error.what, ended="refused", model=self._name))
        return {key: error for key, error in lacking.items() if not isinstance(error, Refused)}

    def _call(self, call: Sequence[_Request]) -> None:
        with self._replies.claimed([request.key for request in call]):
            # Another process may have asked for the same meanwhile.
            missing = [request for request in call if self._replies.get(request.key) is None]
            if not missing or not self._pace.wait(lambda: self._stop.asked):
                return
            answered = self._model.generate([request.prompt for request in missing], self._decoding)
            for request, said in zip(missing, answered, strict=True):
                self._keep(request, said)

    def _keep(self, request: _Request, said: Generated) -> None:
        if said.ended == "too long":
            self._replies.note(Reply(key=request.key, text=said.text, ended=said.ended, model=self._name))
            return
        about = self._read_tokens(request.prompt)
        # Vocabularies differ: what a limit is held with is what this one counted at worst.
        self._counted_of_about = max(self._counted_of_about, said.num_prompt_tokens / about)
        reply = Reply(
            key=request.key,
            text=said.text,
            ended="refused" if said.refused else said.ended,
            model=said.model or self._name,
            num_prompt_tokens=said.num_prompt_tokens,
            num_new_tokens=said.num_tokens,
            read_tokens=said.num_prompt_tokens or about,
            written_tokens=said.num_tokens or about_tokens(len(said.text.encode()), self._language),
        )
        self._replies.add(reply)
        self._spending.add(reply)

    def _read_tokens(self, prompt: OpenPrompt) -> int:
        shown = "".join([prompt.header, prompt.question, *(said for exchange in prompt.history for said in exchange)])
        return about_tokens(len(prompt.system.encode()), "en") + about_tokens(len(shown.encode()), self._language)

    def _most_tokens(self, request: _Request) -> Tokens:
        read = math.ceil(self._read_tokens(request.prompt) * self._counted_of_about)
        return Tokens(read, self._decoding.max_new_tokens)

    def _tell(self, requests: Sequence[_Request], questions: Sequence[Question]) -> None:
        """Says what is about to be spent: repairs of replies that cannot be read come on top."""
        read = sum(self._read_tokens(request.prompt) for request in requests)
        tokens = Tokens(read, len(requests) * min(REPLY_TOKENS, self._decoding.max_new_tokens))
        prices = self._access.prices
        cost = f", about {tokens.cost(*prices):,.2f} at the given prices" if any(prices) else ""
        self._work.say(
            f"judge {self._name}: {len(requests):,} requests for {len(questions):,} judgements, about {tokens.read:,} "
            f"tokens read and {tokens.written:,} written{cost}; what it was asked before is not asked again"
        )

    def _lacking(self, failed: Mapping[str, UserError], questions: Sequence[Question]) -> UserError:
        lacking = [question for question in questions if self._dialogue(question)[1] is not None]
        reasons = Counter(error.what for error in failed.values()).most_common()
        others = f", and {len(reasons) - 1} other reasons" if len(reasons) > 1 else ""
        return UserError(
            next(iter(failed.values())).where,
            f"{len(lacking):,} of {len(questions):,} judgements could not be had: {reasons[0][0]}{others}; the first "
            f"is of {lacking[0].id}",
            expected="a reply to every question",
            do="run the same command: it asks for these alone, and all other replies are kept",
        )

    def _judgement(self, question: Question) -> Judgement:
        replies, missing = self._dialogue(question)
        assert missing is None
        return Judgement(
            id=question.id,
            repeat=question.repeat,
            shown_first=question.shown_first,
            replies=tuple(reply.text for reply in replies),
            refused=replies[-1].ended == "refused",
            model=replies[-1].model,
            num_prompt_tokens=sum(reply.num_prompt_tokens for reply in replies),
            num_new_tokens=sum(reply.num_new_tokens for reply in replies),
        )


def _asked_as(folder: Path) -> tuple[str, bool]:
    """What a judge is asked for by, and whether that is a model of a server: its name, or that of a checkpoint's
    artifact, which is its content.

    The names that answers give may change from day to day; they are kept with the replies.
    """
    served = folder / SERVED
    if served.is_file():
        return str(json.loads(served.read_bytes())["model"]), True
    return f"checkpoint {folder.name}", False
