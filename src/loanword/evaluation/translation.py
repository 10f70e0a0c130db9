"""Translations of texts by a model, what comes back of them, and which of them are for people to look at.

In: texts of a set, and a journal of what a model said to them so far. Out: one Translated for every distinct text, or
the requests that are still to be made. All of it follows from texts and journal, so it does not matter when, and how
often, whoever asks was stopped; checks that are changed later ask nothing again.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, NamedTuple

from loanword.evaluation.back_translation import chrf
from loanword.evaluation.calls import content_key
from loanword.evaluation.text_pieces import Piece, halves, pieces, prose, put_together
from loanword.evaluation.translation_checks import SHORT_CHARACTERS, suspicions
from loanword.evaluation.translation_journal import Asked, Journal
from loanword.evaluation.translation_prompt import PROMPT_VERSION, Direction
from loanword.evaluation.translation_requests import Asker, Request
from loanword.protocols import Progress, silent
from loanword.records import Language, PositiveCount, Record
from loanword.writing import writing

MOST_CONTEXT_CHARACTERS = 2_000
Content = tuple[str, str]
"""A text and the text that it belongs to: what is asked, and corrected, once."""


class TranslationConfig(Record):
    """Everything that decides what is asked, and what is flagged.

    `model` names who answers by content, where it is at hand. Longer texts than `piece_characters` are cut. `context`
    shows the question where an option is translated. Without `back_translation` nothing is translated back; texts of
    which less than `flag_below` comes back (chrF, 0 to 100) are flagged.
    """

    source: Language
    target: Language
    source_name: str
    target_name: str
    model: str
    chat: bool = True
    max_new_tokens: PositiveCount = 2048
    piece_characters: PositiveCount = 2000
    context: bool = True
    back_translation: bool = True
    flag_below: float = 30.0
    prompt_version: Literal[1] = PROMPT_VERSION

    @property
    def direction(self) -> Direction:
        """From the source to the target."""
        return Direction(self.source, self.target, self.source_name, self.target_name)


class Text(NamedTuple):
    """A text of a set and where it stands: file, line (or number in a list), the line's own id, and field.

    `context` is the text that it belongs to, where it has one; `leading` where it is one's own.
    """

    file: str
    line: int
    id: str
    field: str
    text: str
    context: str = ""
    leading: bool = True

    @property
    def place(self) -> tuple[str, int, str]:
        """What no other text of the set has."""
        return self.file, self.line, self.field

    @property
    def content(self) -> Content:
        """What texts that are asked once have in common."""
        return self.text, self.context


class Translated(NamedTuple):
    """A text's translation and what is suspicious of it; `text` is the first of those that have this content.

    `whole` unless a part of the text has no translation.
    """

    text: Text
    translation: str
    back_translation: str | None
    chrf: float | None
    why: tuple[str, ...]
    whole: bool = True


class _Said(NamedTuple):
    """A text in the other language as far as it is known; `lacking` where something of it was not said as it should.

    `whole` where every part that was asked for has some text.
    """

    text: str
    requests: list[Request]
    lacking: tuple[str, ...]
    whole: bool


def distinct(texts: Sequence[Text]) -> list[Text]:
    """The first text of every content, in order."""
    first: dict[Content, Text] = {}
    for text in texts:
        first.setdefault(text.content, text)
    return list(first.values())


class Translator:
    """Reads a journal for what it has of a set of texts, and asks for what it lacks.

    `given` are contents that people have translated: they are not asked for, and have no text where they were not.
    """

    def __init__(self, config: TranslationConfig, journal: Journal, given: Collection[Content] = ()) -> None:
        self.config = config
        self._journal = journal
        self._given = given
        self._failed: dict[str, str] = {}

    def unasked(self, texts: Sequence[Text]) -> list[Request]:
        """The requests that can be made now for what is missing, in order, none of them twice.

        A text is translated back once all of it is there.
        """
        found: dict[str, Request] = {}
        for text in distinct(texts):
            if text.content in self._given:
                continue
            found |= {request.key: request for request in self._requests(text)}
        return [request for key, request in found.items() if key not in self._failed]

    def ask_all(
        self,
        texts: Sequence[Text],
        asker: Asker,
        progress: Progress = silent,
        stopped: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Asks until nothing is missing; whether it came so far, and was not stopped.

        Raises:
            UserError: see `Asker.ask`.
        """
        while requests := self.unasked(texts):
            if stopped():
                return False
            self._failed |= asker.ask(requests, progress, stopped)
        return True

    def translated(self, texts: Sequence[Text]) -> list[Translated]:
        """Every distinct text, in order; all of it has been asked for."""
        found = [self._translated(text) for text in distinct(texts)]
        of_item = _scores_of_items(found)
        alike = _options_alike(texts, {one.text.content: one.translation for one in found})
        return [self._flagged(one, of_item, alike.get(one.text.content, ())) for one in found]

    def _requests(self, text: Text) -> list[Request]:
        forward = self._said(text.text, self.config.direction, text.context)
        if forward.requests or not self._comes_back(text, forward):
            return forward.requests
        return self._said(forward.text, self.config.direction.back, "").requests

    def _comes_back(self, text: Text, forward: _Said) -> bool:
        # What nobody had to be asked for comes back whole.
        return self.config.back_translation and not forward.lacking and forward.text != text.text

    def _translated(self, text: Text) -> Translated:
        config = self.config
        if text.content in self._given and self._requests(text):
            return Translated(text, "", None, None, ())
        forward = self._said(text.text, config.direction, text.context)
        assert not forward.requests, "all of it has been asked for"
        asked = any(piece.asked for piece in pieces(text.text, config.piece_characters))
        why = [*forward.lacking]
        if asked:
            why += suspicions(text.text, forward.text, config.direction, leading=text.leading)
        back: str | None = None
        if self._comes_back(text, forward):
            said = self._said(forward.text, config.direction.back, "")
            assert not said.requests, "all of it has been asked for"
            back = said.text
        score = None if back is None else chrf(text.text, back)
        return Translated(text, forward.text, back, score, tuple(dict.fromkeys(why)), forward.whole)

    def _flagged(self, one: Translated, of_item: Mapping[tuple[str, int], float], why: Sequence[str]) -> Translated:
        """A short text has few n-grams to go by, so that it counts only where its whole item comes back badly."""
        least, score = self.config.flag_below, one.chrf
        one = one._replace(why=(*one.why, *why))
        if score is None or score >= least:
            return one
        if len(one.text.text) < SHORT_CHARACTERS and of_item[one.text.file, one.text.line] >= least:
            return one
        return one._replace(why=(*one.why, f"chrF {score:.1f} of the back-translation is below {least:g}"))

    def _said(self, text: str, direction: Direction, context: str) -> _Said:
        made: list[Piece] = []
        for piece in pieces(text, self.config.piece_characters):
            made += self._cut_where_too_long(piece, direction, context)
        said: dict[int, str] = {}
        requests: list[Request] = []
        lacking: list[str] = []
        for number, piece in enumerate(made):
            if not piece.asked:
                continue
            request = self._request(piece.text, direction, context)
            answer = self._answer(request)
            if answer is None and request.key not in self._failed:
                requests.append(request)
                continue
            said[number] = "" if answer is None else answer.said.strip()
            lacking += self._lacks(answer, request)
        text = put_together(made, said, spaced=writing(direction.target).spaced)
        return _Said(text, requests, tuple(dict.fromkeys(lacking)), all(said.values()))

    def _lacks(self, answer: Asked | None, request: Request) -> list[str]:
        if answer is None:
            return [f"no answer: {self._failed[request.key]}"]
        if answer.ended == "too long":
            return ["longer than the model's context, and one sentence"]
        if answer.ended == "cut":
            return [f"cut at {answer.max_new_tokens} tokens"]
        return [] if answer.said.strip() else ["no text"]

    def _cut_where_too_long(self, piece: Piece, direction: Direction, context: str) -> list[Piece]:
        """A piece, in halves and halves of those where the model has said that it does not fit its context."""
        answer = self._answer(self._request(piece.text, direction, context)) if piece.asked else None
        cut = halves(piece.text) if answer is not None and answer.ended == "too long" else None
        if cut is None:
            return [piece]
        parts = [part for half in cut for part in prose(half, self.config.piece_characters)]
        return [one for part in parts for one in self._cut_where_too_long(part, direction, context)]

    def _answer(self, request: Request) -> Asked | None:
        return self._journal.answer(request.key, self.config.max_new_tokens)

    def _request(self, text: str, direction: Direction, context: str) -> Request:
        config = self.config
        seen = context if config.context and len(context) <= MOST_CONTEXT_CHARACTERS else ""
        key = content_key(
            model=config.model,
            prompt_version=config.prompt_version,
            languages=[direction.source, direction.target, direction.source_name, direction.target_name],
            chat=config.chat,
            temperature=0.0,
            context=seen,
            text=text,
        )
        return Request(key, text, seen, direction)


def _options_alike(texts: Sequence[Text], translations: Mapping[Content, str]) -> dict[Content, list[str]]:
    """Of options of one question that differ in the source and read alike in translation, which other one they are."""
    seen: dict[tuple[str, int, str], Text] = {}
    alike: dict[Content, list[str]] = {}
    for text in texts:
        if text.leading:
            continue
        other = seen.setdefault((text.file, text.line, translations[text.content].strip().casefold()), text)
        if other.text.strip().casefold() != text.text.strip().casefold():
            alike.setdefault(text.content, []).append(f"reads as {other.field} of its question does")
    return alike


def _scores_of_items(found: Sequence[Translated]) -> dict[tuple[str, int], float]:
    """chrF of all that was translated back of an item together; what occurs in several items counts in the first."""
    parts: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for one in found:
        if one.back_translation is not None:
            parts.setdefault((one.text.file, one.text.line), []).append((one.text.text, one.back_translation))
    return {
        item: chrf("\n".join(source for source, _ in both), "\n".join(back for _, back in both))
        for item, both in parts.items()
    }
