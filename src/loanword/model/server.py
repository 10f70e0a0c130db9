"""A model behind a server that speaks OpenAI's protocol (vLLM, SGLang, llama.cpp) as a LanguageModel.

Choices are read from the log-probabilities of one generated token, so each must be one token. Where the server turns
text into ids (those three do), the ids of a choice are derived from the prompt as for a checkpoint in this process,
and their log-probabilities asked for by id. Elsewhere choices are one character each and are found by their text
among the likeliest tokens. Requests run side by side; results keep the order of the prompts, and nothing is made up:
what cannot be had is an error, after which whoever asked still has every batch before.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from loanword.errors import UserError
from loanword.model.prompts import Ids, common_prefix, prompt_text, reserved_tokens
from loanword.model.server_answers import (
    Completion,
    LikelyToken,
    ModelCard,
    before_stop,
    nats_by_id,
    nats_by_text,
    read_completion,
    read_ids,
    read_likely_tokens,
    read_model_name,
    read_models,
)
from loanword.model.server_requests import (
    LIMIT_NAMES,
    NUM_LIKELY_TOKENS,
    choice_request,
    completion_request,
    rooms,
    says_filtered,
    says_other_limit,
    says_own_trouble,
    says_too_long,
    says_too_many_likely,
    tokenize_request,
)
from loanword.model.server_transport import Access, Connection, Patience, Refusal
from loanword.protocols import (
    ChoicePrompt,
    ChoiceScores,
    Generated,
    OpenPrompt,
    Progress,
    Refused,
    TextLikelihood,
    silent,
)
from loanword.recipe import ChoiceIds
from loanword.records import Decoding

P = TypeVar("P")
R = TypeVar("R")
Ask = Callable[[Connection, P], Coroutine[Any, Any, R]]


class ServerModel:
    """One model of a server; `open_server_model` makes it."""

    def __init__(
        self,
        access: Access,
        card: ModelCard,
        *,
        version: str | None,
        gives_ids: bool,
        choice_ids: ChoiceIds,
        at_once: int,
        patience: Patience,
    ) -> None:
        self.address = access.address
        self.card = card
        self._access = access
        self._version = version
        self._gives_ids = gives_ids
        self._choice_ids = choice_ids
        self._at_once = at_once
        self._patience = patience
        self._num_likely = NUM_LIKELY_TOKENS[0]
        self._limit_name = LIMIT_NAMES[0]
        self._answered_as: set[str] = set()

    @property
    def described(self) -> dict[str, str]:
        """What is known of who answered, for provenance: the models by the names that the answers gave, the software
        and its version, and whether choices were found by id or by text."""
        software = "" if self.card.kind == "other" else f"{self.card.kind} {self._version or ''}".strip()
        facts = {
            "served_model": ", ".join(sorted(self._answered_as)) or self.card.id,
            "server": software,
            "choices_by": "id" if self._gives_ids else "text",
        }
        return {name: fact for name, fact in facts.items() if fact}

    def choose(self, prompts: Sequence[ChoicePrompt], progress: Progress = silent) -> list[ChoiceScores]:
        """Log-likelihoods of every prompt's choices, in order; -100 where a choice is not among the likeliest tokens.

        A question that is longer than the context without any shot gets no log-likelihoods. `choice_ids` are empty
        where choices were found by their text.

        Raises:
            UserError: choices of several tokens; a server without log-probabilities, or one that goes on failing.
        """
        if not self._gives_ids:
            self._require_characters(prompts)
        return asyncio.run(self._in_order(self._choose, prompts, progress))

    def choose_singly(self, prompts: Sequence[ChoicePrompt]) -> None:
        """None: what a server shares between prompts cannot be told from outside."""
        return

    def likelihoods(
        self, texts: Sequence[str], *, window_tokens: int, stride_tokens: int, progress: Progress = silent
    ) -> list[TextLikelihood]:
        """Nothing.

        Raises:
            UserError: always.
        """
        raise UserError(
            self.address,
            "a server does not give the likelihood of a text that it has not generated",
            expected="a checkpoint",
            do="name the folder or the Hub id of the model instead of the server's address",
        )

    def generate(
        self, prompts: Sequence[OpenPrompt], decoding: Decoding, progress: Progress = silent
    ) -> list[Generated]:
        """The response to each prompt, in order.

        Shots are dropped until the prompt leaves the room that is reserved for a response (see `reserved_tokens`);
        a question that leaves less by itself is too long. Where all new tokens do not fit, half of them are tried,
        and so on: the response may get less room than the context has. What the server's filter of content refuses to
        answer has no text, and was cut, as an answer that the filter ends.

        Raises:
            Refused: a prompt that is refused for another reason.
            UserError: a server that goes on failing.
        """

        async def ask(connection: Connection, prompt: OpenPrompt) -> Generated:
            return await self._generate(connection, prompt, decoding)

        return asyncio.run(self._in_order(ask, prompts, progress))

    async def _in_order(self, ask: "Ask[P, R]", prompts: Sequence[P], progress: Progress) -> list[R]:
        """One result a prompt; the first error ends all other requests."""
        results: dict[int, R] = {}
        waiting = iter(enumerate(prompts))

        async def work(connection: Connection) -> None:
            for index, prompt in waiting:
                results[index] = await ask(connection, prompt)
                progress(len(results), len(prompts), "questions")

        async with Connection(self._access, self._patience, self._at_once) as connection:
            workers = [asyncio.create_task(work(connection)) for _ in range(min(self._at_once, len(prompts)))]
            try:
                await asyncio.gather(*workers)
            except Refusal as refusal:
                raise await self._unusable(connection, refusal) from None
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
        return [results[index] for index in range(len(prompts))]

    async def _choose(self, connection: Connection, prompt: ChoicePrompt) -> ChoiceScores:
        read = self._by_id if self._gives_ids else self._by_text
        for num_shots in range(len(prompt.shots), -1, -1):
            try:
                scored = await read(connection, prompt, prompt_text(prompt, num_shots))
            except Refusal as refusal:
                if not says_too_long(refusal):
                    raise
                continue
            if scored is not None:
                nats, ids = scored
                return ChoiceScores(nats, num_shots, ids)
        return ChoiceScores((), 0, ())

    async def _by_id(
        self, connection: Connection, prompt: ChoicePrompt, text: str
    ) -> tuple[tuple[float, ...], tuple[Ids, ...]] | None:
        """Nats and ids of the choices after a text; None where it is known to be too long."""
        context = await self._ids(connection, text)
        # The token that is generated needs its place, too.
        if self.card.context_tokens is not None and len(context) + 1 > self.card.context_tokens:
            return None
        context, ids = await self._choice_ids_after(connection, prompt, text, context)
        likely = await self._likely_tokens(connection, context, ids)
        if all(token.id is None for token in likely):
            self._require_characters([prompt])
            return nats_by_text(likely, prompt.choices), ()
        return nats_by_id(likely, ids), tuple((id,) for id in ids)

    async def _by_text(
        self, connection: Connection, prompt: ChoicePrompt, text: str
    ) -> tuple[tuple[float, ...], tuple[Ids, ...]]:
        return nats_by_text(await self._likely_tokens(connection, text, ()), prompt.choices), ()

    async def _choice_ids_after(
        self, connection: Connection, prompt: ChoicePrompt, text: str, context: Ids
    ) -> tuple[Ids, Ids]:
        """The ids that are read, and the one id of each choice after them; see `fit_prompts`."""
        if self._choice_ids == "isolated":
            alone = [await self._ids(connection, choice.strip(), special=False) for choice in prompt.choices]
            boundary, continuations = len(context), [ids[:1] for ids in alone]
        else:
            whole = [await self._ids(connection, text + choice) for choice in prompt.choices]
            boundary = min(common_prefix([context, ids]) for ids in whole)
            continuations = [ids[boundary:] for ids in whole]
        for choice, ids in zip(prompt.choices, continuations, strict=True):
            if len(ids) != 1:
                raise self._several_tokens(prompt, choice, f"is {len(ids)} tokens")
        return context[:boundary], tuple(id for (id,) in continuations)

    async def _ids(self, connection: Connection, text: str, *, special: bool = True) -> Ids:
        asked = tokenize_request(self.card, text, special=special)
        assert asked is not None
        return await connection.post(*asked, read_ids)

    async def _likely_tokens(self, connection: Connection, prompt: str | Ids, ids: Sequence[int]) -> list[LikelyToken]:
        num_likely = self._num_likely
        try:
            path, body = choice_request(self.card, prompt, ids, num_likely)
            likely = await connection.post(path, body, self._noting(read_likely_tokens))
        except Refusal as refusal:
            fewer = next((number for number in NUM_LIKELY_TOKENS if number < num_likely), None)
            if fewer is None or says_too_long(refusal) or not says_too_many_likely(refusal):
                raise
            self._num_likely = min(self._num_likely, fewer)
            return await self._likely_tokens(connection, prompt, ids)
        if likely is None:
            raise UserError(
                self._access.url(path),
                "the server gives no log-probabilities",
                expected="log-probabilities of the first generated token",
                do='ask by generation instead: answering = "generation"',
            )
        return likely

    async def _generate(self, connection: Connection, prompt: OpenPrompt, decoding: Decoding) -> Generated:
        most_shots = len(prompt.shots)
        for num_shots, max_new_tokens in rooms(most_shots, decoding.max_new_tokens, self.card.context_tokens):
            if num_shots > most_shots:
                continue
            try:
                said = await self._completion(connection, prompt, num_shots, max_new_tokens, decoding)
            except Refusal as refusal:
                if says_filtered(refusal):
                    return Generated("", num_shots, 0, "cut", refused=True)
                if not says_too_long(refusal):
                    raise
                continue
            if self._leaves_room(said, decoding):
                return _generated(said, num_shots, decoding.stop)
            most_shots = num_shots - 1
        return Generated("", 0, 0, "too long")

    async def _completion(
        self, connection: Connection, prompt: OpenPrompt, num_shots: int, max_new_tokens: int, decoding: Decoding
    ) -> Completion:
        limit_name = self._limit_name
        path, body = completion_request(self.card, prompt, num_shots, max_new_tokens, decoding, limit_name=limit_name)
        try:
            return await connection.post(path, body, self._noting(read_completion))
        except Refusal as refusal:
            if limit_name == LIMIT_NAMES[1] or not says_other_limit(refusal):
                raise
            self._limit_name = LIMIT_NAMES[1]
            return await self._completion(connection, prompt, num_shots, max_new_tokens, decoding)

    def _leaves_room(self, said: Completion, decoding: Decoding) -> bool:
        """Whether the prompt left what is reserved: llama.cpp takes any prompt that the context holds."""
        context_tokens = self.card.context_tokens
        if context_tokens is None:
            return True
        return said.num_prompt_tokens + reserved_tokens(context_tokens, decoding.max_new_tokens) <= context_tokens

    def _noting(self, read: Callable[[Any], R]) -> Callable[[Any], R]:
        """`read`, and the model that the answer is of."""

        def noted(payload: Any) -> R:
            result = read(payload)
            name = read_model_name(payload)
            if name is not None:
                self._answered_as.add(name)
            return result

        return noted

    def _require_characters(self, prompts: Sequence[ChoicePrompt]) -> None:
        if prompts and self._choice_ids == "isolated":
            raise UserError(
                self.address,
                'choice_ids = "isolated" cannot be asked of a server that does not turn text into ids',
                expected='choice_ids = "in-context"',
                do="leave choice_ids out, or serve the model with vLLM, SGLang or llama.cpp",
            )
        for prompt in prompts:
            for choice in prompt.choices:
                if len(choice.strip()) != 1:
                    raise self._several_tokens(prompt, choice, "is longer than one character")

    def _several_tokens(self, prompt: ChoicePrompt, choice: str, what: str) -> UserError:
        return UserError(
            f"{self.address}: {prompt.id}",
            f"the choice {choice!r} {what}, and the server gives the likelihood of one token",
            expected="choices of one token, as letters are",
            do='ask by generation instead (answering = "generation"), or name a checkpoint',
        )

    async def _unusable(self, connection: Connection, refusal: Refusal) -> UserError:
        if refusal.status != 404:
            kind = Refused if says_own_trouble(refusal) else UserError
            return kind(
                refusal.url,
                f"the request is refused: {refusal}",
                expected="an answer to what vLLM, SGLang and llama.cpp understand",
                do="look at the server's log, and at its limits for this model",
            )
        cards = await connection.probe("/v1/models", read_models) or []
        return UserError(
            refusal.url,
            f"{refusal}; asked for the model {self.card.id!r}",
            expected=f"one of {', '.join(card.id for card in cards)}" if cards else "a model that the server has",
            do="name the model as the server does; if it has this one, the server has no such route",
        )


def _generated(said: Completion, num_shots: int, stop: Sequence[str]) -> Generated:
    # Servers leave stop strings out themselves; a proxy before them may not.
    text, stopped = before_stop(said.text, stop)
    ended = "stopped" if stopped or said.is_whole else "cut"
    return Generated(text, num_shots, said.num_tokens, ended, said.model, said.num_prompt_tokens, said.refused)
