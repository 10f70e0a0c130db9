"""Files of ratings, told apart by what is in them.

In: a summary as LLM-Eval publishes it (CSV: a system a row, means by item); its single scores (CSV, maybe packed: a
score a row); a ratings.jsonl of the store, with judge.json beside it; or what people gave (JSON Lines).
Out: a side of the report's agreement, or means of systems.

Source of both CSV layouts: llmeval/llmeval-1.
"""

import csv
import gzip
import json
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TextIO

from loanword.errors import UserError
from loanword.evaluation.judging.people import PersonRating, person_ratings
from loanword.records import Rating, Response, read_lines
from loanword.report.judged import POINTS, read_judged
from loanword.report.trust.judges import KINDS, rated_responses, scales_of
from loanword.report.trust.rated import Rated, Side, with_overall
from loanword.report.trust.rated_systems import Means, means_of

SUMMARY = ("llm_name",)
SCORES = ("llm_name", "question_uuid", "metric", "score")
PUBLISHED_SCALE = (0.0, 3.0)
"""The paper's; the scores that were released begin at 1.

Source: llmeval/llmeval-1 and arXiv 2401.01055.
"""
LAYOUTS = (
    "a CSV with llm_name and a column an item, a CSV with llm_name, question_uuid, metric and score (either may end in "
    ".gz), a ratings.jsonl with judge.json beside it, or JSON Lines with id, response or response_sha256, rater, scores"
)


@dataclass(frozen=True)
class RatingFile:
    """One file of ratings: single ones, or means of systems. `worth` is what examples earn, where that is points."""

    path: Path
    layout: Literal["summary", "scores", "ratings", "people"]
    kind: str
    means: Means
    items: tuple[str, ...]
    side: Side | None = None
    worth: Mapping[str, float] | None = None
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        what = KINDS.get(self.kind, self.kind)
        return f"{self.path} ({what})"


def read_ratings(path: Path, *, responses: Path | None = None) -> RatingFile:
    """What a file of ratings holds.

    Of people's ratings, only those of the given `responses`, a responses.jsonl, are kept where there is one.

    Raises:
        UserError: no such file, no layout that is known, or a line that does not fit it, with its number.
    """
    kept = _responses(responses)
    path = path / "ratings.jsonl" if path.is_dir() else path
    if not path.is_file():
        raise UserError(path, "no such file", expected=LAYOUTS)
    with _readable(path):
        if path.suffixes[-1:] == [".csv"] or path.suffixes[-2:] == [".csv", ".gz"]:
            return _read_csv(path)
        if path.suffixes[-1:] == [".jsonl"] or path.suffixes[-2:] == [".jsonl", ".gz"]:
            keys = _first_keys(path)
            if "outcome" in keys:
                return _read_judged(path)
            if "rater" in keys:
                return _read_people(path, kept)
            raise UserError(path, f"its first line has {', '.join(sorted(keys)) or 'nothing'}", expected=LAYOUTS)
    raise UserError(path, "a name that no layout of ratings has", expected=LAYOUTS)


@contextmanager
def _readable(path: Path) -> Generator[None]:
    try:
        yield
    except (UnicodeDecodeError, gzip.BadGzipFile, zlib.error, EOFError, csv.Error) as error:
        raise UserError(path, f"cannot be read: {error}", expected="UTF-8, as it is or packed by gzip") from None


def _first_keys(path: Path) -> set[str]:
    with _opened(path) as file:
        line = file.readline()
    try:
        value: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:1", f"not JSON: {error.msg}", expected=LAYOUTS) from None
    if not isinstance(value, dict):
        raise UserError(f"{path}:1", "not an object", expected=LAYOUTS)
    return set(value)  # pyright: ignore[reportUnknownArgumentType]


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a CSV by column, each with where it stands."""
    with _opened(path) as file:
        reader = csv.reader(file)
        header: list[str] = next(reader, list[str]())
        for name in header:
            if header.count(name) > 1:
                raise UserError(
                    f"{path}:1", f"{name} is the name of {header.count(name)} columns", expected="one column a name"
                )
        for row in reader:
            where = f"{path}:{reader.line_num}"
            if len(row) != len(header):
                raise UserError(where, f"{len(row)} fields", expected=f"{len(header)}, as in the header")
            yield where, dict(zip(header, row, strict=True))


def _read_csv(path: Path) -> RatingFile:
    rows = list(_rows(path))
    if not rows:
        raise UserError(path, "no rows", expected=LAYOUTS)
    header = tuple(rows[0][1])
    if set(SCORES) <= set(header):
        return _read_scores(path, rows)
    if not set(SUMMARY) <= set(header):
        raise UserError(path, f"columns {', '.join(header)}", expected=LAYOUTS)
    items = tuple(name for name in header if name not in SUMMARY and not name.endswith("_rank"))
    means: dict[str, dict[str, float]] = {}
    for where, row in rows:
        system = row["llm_name"]
        if system in means:
            raise UserError(where, f"{system} again", expected="one row a system")
        means[system] = {item: _number(where, item, row[item]) for item in items if row[item]}
    return RatingFile(path, "summary", "means of systems", means, items)


def _number(where: str, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value != value or value in (float("inf"), float("-inf")):
        raise UserError(where, f"{name} is {text!r}", expected="a number")
    return value


def _read_scores(path: Path, rows: Sequence[tuple[str, dict[str, str]]]) -> RatingFile:
    given: dict[tuple[str, str], dict[str, list[float]]] = {}
    languages: dict[tuple[str, str], str] = {}
    for where, row in rows:
        score = _number(where, "score", row["score"])
        if not 0 <= score <= PUBLISHED_SCALE[1]:
            raise UserError(where, f"a score of {row['score']}", expected="0 to 3, or 1 to 3 as it was released")
        key = row["llm_name"], row["question_uuid"]
        given.setdefault(key, {}).setdefault(row["metric"], []).append(score)
        languages[key] = row.get("language", "")
    responses = tuple(
        Rated(
            system,
            example,
            {item: tuple(scores) for item, scores in by_item.items()},
            subject=example.rpartition("_")[0],
            language=languages[system, example],
        )
        for (system, example), by_item in given.items()
    )
    items = tuple(dict.fromkeys(item for one in responses for item in one.scores))
    side = Side(path.name, responses, dict.fromkeys(items, PUBLISHED_SCALE))
    twice = sum(len(scores) > 1 for one in responses for scores in one.scores.values())
    note = f"{twice:,} scores stand there more than once: each example counts once, with their mean"
    shown = with_overall(items)
    return RatingFile(
        path, "scores", "single scores", means_of(side, shown), shown, side, notes=(note,) if twice else ()
    )


def _read_judged(path: Path) -> RatingFile:
    if not path.with_name("judge.json").is_file():
        raise UserError(path, "no judge.json beside it", expected="both, as the store keeps them")
    judged = read_judged(path)
    if len({rating.benchmark for rating in judged.ratings}) > 1:
        raise UserError(path, "ratings of several benchmarks", expected="those of one")
    subjects: dict[str, str] = {}
    for rating in judged.ratings:
        if subjects.setdefault(rating.id, rating.subject) != rating.subject:
            raise UserError(path, f"id {rating.id} in several subjects", expected="ids that name one example each")
    responses = tuple(
        Rated("", one.example.removeprefix(f"{one.subject}/"), one.scores, one.subject, "", one.num_characters)
        for one in rated_responses(judged, "")
    )
    side = Side(judged.judge.name, responses, scales_of(judged.judge))
    lost = sum(rating.outcome != "rated" for rating in judged.ratings)
    notes = (f"{lost:,} of {len(judged.ratings):,} judgements have no scores",) if lost else ()
    worth = _worth(judged.ratings) if judged.judge.rubric == POINTS else None
    return RatingFile(path, "ratings", judged.judge.kind, {}, with_overall(side.items), side, worth, notes)


def _worth(ratings: Sequence[Rating]) -> dict[str, float]:
    return {rating.id: rating.points for rating in ratings}


def _read_people(path: Path, kept: Mapping[str, Response] | None) -> RatingFile:
    given: dict[str, list[PersonRating]] = {}
    benchmarks: set[str] = set()
    num_left_out = 0
    for where, one in person_ratings(path):
        if kept is not None and (one.id not in kept or not one.is_of(kept[one.id])):
            num_left_out += 1
            continue
        benchmarks |= {one.benchmark} if one.benchmark and kept is None else set()
        others = given.setdefault(one.id, [])
        if len(benchmarks) > 1 or any(other.digest != one.digest for other in others):
            what = "benchmarks" if len(benchmarks) > 1 else f"responses to {one.id}"
            raise UserError(
                where,
                f"the file rates several {what}",
                expected="one response an example",
                do="name the responses that count: --responses responses.jsonl",
            )
        if one.rater in {other.rater for other in others}:
            raise UserError(where, f"{one.rater} rates the response to {one.id} again", expected="one rating a rater")
        others.append(one)
    side = Side(path.name, tuple(_rated_by_people(ratings) for ratings in given.values()), {})
    raters = {one.rater for ratings in given.values() for one in ratings}
    notes = [f"{len(raters):,} raters of {len(given):,} responses"]
    notes += [f"{num_left_out:,} ratings of other responses left out"] if num_left_out else []
    return RatingFile(path, "people", "people", {}, with_overall(side.items), side, notes=tuple(notes))


def _rated_by_people(ratings: Sequence[PersonRating]) -> Rated:
    items = dict.fromkeys(item for one in ratings for item in one.scores)
    scores = {item: tuple(one.scores[item] for one in ratings if item in one.scores) for item in items}
    texts = [one.response for one in ratings if one.response is not None]
    first, length = ratings[0], len(texts[0]) if texts else None
    return Rated("", first.id, scores, first.subject, first.language, length)


def _responses(folder: Path | None) -> dict[str, Response] | None:
    if folder is None:
        return None
    path = folder / "responses.jsonl" if folder.is_dir() else folder
    if not path.is_file():
        raise UserError(path, "no such file", expected="a responses.jsonl, or the folder that holds one")
    with _readable(path):
        return {one.id: one for one in read_lines(Response, path) if one.texts}


def scaled(people: RatingFile, judge: RatingFile) -> RatingFile:
    """People's ratings on the judge's scales, points as shares of what each example is worth."""
    if people.side is None or judge.side is None or people.layout != "people":
        return people
    worth = judge.worth or {}
    responses = tuple(_shared_out(one, worth.get(one.example, 1.0)) for one in people.side.responses)
    side = Side(people.side.name, responses, judge.side.scales)
    for one in side.responses:
        _check_scale(people.path, one, side)
    return replace(people, side=side)


def _shared_out(one: Rated, worth: float) -> Rated:
    return replace(one, scores={item: tuple(score / worth for score in given) for item, given in one.scores.items()})


def _check_scale(path: Path, one: Rated, side: Side) -> None:
    for item, given in one.scores.items():
        lowest, highest = side.scales.get(item, (float("-inf"), float("inf")))
        for score in given:
            if not lowest <= score <= highest:
                raise UserError(
                    path,
                    f"{item} of {one.example} is {score:g}",
                    expected=f"{lowest:g} to {highest:g}, the judge's scale",
                )
