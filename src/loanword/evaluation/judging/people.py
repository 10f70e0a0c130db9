"""What people gave, as judgements.

In: JSON Lines of {id, response or response_sha256, rater, scores {item: number}}: the text says which response was
seen, turns with a blank line between them, or the digest of its UTF-8 does. Ratings are of all benchmarks that have
such a response, where `benchmark` names none; `subject`, `language` and `comment` are of no account here.
Blank lines are passed over.
Out: a Judgement a line that fits; raters are the repeats, each the same one for all responses, and numbered.
"""

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field

from loanword.errors import UserError
from loanword.evaluation.judging.replies import read_scores
from loanword.evaluation.judging.rubrics import Rubric
from loanword.evaluation.judging.said import response_text
from loanword.protocols import Say
from loanword.records import Judgement, Record, Response, canonical_json


class PersonRating(Record):
    """One line: what one person gave one response."""

    id: str
    response: str | None = None
    response_sha256: str | None = Field(default=None, pattern=r"^[0-9A-Fa-f]{64}$")
    rater: str = Field(min_length=1)
    scores: dict[str, float]
    benchmark: str = ""
    subject: str = ""
    language: str = ""
    comment: str = ""

    @property
    def digest(self) -> str:
        """Of the response that was rated."""
        return _digest(self.response) if self.response is not None else (self.response_sha256 or "").lower()

    def is_of(self, response: Response) -> bool:
        """Whether it was given to that response."""
        return self.benchmark in ("", response.benchmark) and self.digest == _digest(response_text(response))


def people_judgements(path: Path, answered: Sequence[Response], rubric: Rubric, say: Say) -> list[Judgement]:
    """The judgements of the people in a file, in the order of the responses, raters in the order of the file.

    Lines about other responses than these are left out, and counted in what is said.

    Raises:
        UserError: a line that holds no rating, items or numbers that the rubric does not have, or a rating given twice.
    """
    responses = {response.id: response for response in answered}
    raters: dict[str, int] = {}
    found: dict[tuple[str, int], Judgement] = {}
    num_lines = 0
    for where, rating in person_ratings(path):
        num_lines += 1
        repeat = raters.setdefault(rating.rater, len(raters))
        response = responses.get(rating.id)
        if response is None or not rating.is_of(response):
            continue
        judgement = _judgement(where, rating, repeat, response, rubric)
        if found.setdefault((rating.id, repeat), judgement) is not judgement:
            raise UserError(
                where, f"{rating.rater!r} rated the response to {rating.id!r} before", expected="one rating",
                do="take one of them out",
            )  # fmt: skip
    if len(found) < num_lines:
        say(
            f"{path}: {num_lines - len(found):,} of {num_lines:,} ratings are of other responses than those judged here"
        )
    places = {response.id: place for place, response in enumerate(answered)}
    return [found[key] for key in sorted(found, key=lambda key: (places[key[0]], key[1]))]


def person_ratings(path: Path) -> Iterator[tuple[str, PersonRating]]:
    """Every rating of a file and where it stands.

    Raises:
        UserError: a file that cannot be read or is empty, a line that holds no rating or does not say of what.
    """
    try:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(path, f"cannot be read: {error}", expected="a whole file", do="put it there again") from None
    lines = content.removeprefix(codecs.BOM_UTF8).split(b"\n")
    if not any(map(bytes.strip, lines)):
        raise UserError(path, "is empty", expected="one rating a line", do="name the file that holds the ratings")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        rating = PersonRating.from_json(line, where=where)
        if (rating.response is None) == (rating.response_sha256 is None):
            raise UserError(
                where, "does not say which response was rated", expected="response or response_sha256",
                do="give one of them: the text that the rater saw, or its digest",
            )  # fmt: skip
        yield where, rating


def _judgement(where: str, rating: PersonRating, repeat: int, response: Response, rubric: Rubric) -> Judgement:
    reply = canonical_json({"scores": rating.scores})
    reading = read_scores(reply, rubric, response.points, (), some=True, steps=False)
    if reading.outcome != "read":
        scale = ", ".join(
            f"{item.name} {rubric.lowest:g} to {rubric.highest(item, response.points):g}" for item in rubric.items
        )
        raise UserError(where, reading.wrong, expected=scale, do="correct the line")
    # Numbered: who rated is the file's to say, and what is shown of a study may go to anybody.
    return Judgement(id=rating.id, repeat=repeat, replies=(reply,), model=f"rater {repeat + 1}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
