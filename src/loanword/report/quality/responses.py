"""Some responses to read, with all that was said of them and where they leave their language.

In: the responses and judgements of runs, read for the chosen questions alone. Out: `responses.html`, self-contained
and without scripts. Everything in it that a model or a benchmark wrote is shown as text and never as markup.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from loanword.errors import UserError
from loanword.records import Grade, Response, SwitchedSpan, Switching, read_lines
from loanword.report.corpora import visible
from loanword.report.gather import RunRecords
from loanword.report.quality.chosen import RESPONSES, Chosen, choose, generated_responses
from loanword.report.quality.ratings import Key
from loanword.report.quality.said import MOST_CHARACTERS, JudgedBy, Text, said_of, shown
from loanword.report.quality.scores import titles_of
from loanword.report.saying import Said, clauses, say
from loanword.report.wording import joined, language_name, percent, plain
from loanword.writing import writing

ENDINGS = {
    "stopped": "ended by itself",
    "cut": "cut off at the most tokens it may have",
    "too long": "not answered: the question does not fit the context",
    "scored": "options scored",
}


@dataclass(frozen=True)
class Piece:
    """Part of a response, in the language that it was to be in, or marked by `title` where it is in another."""

    text: str
    title: str = ""


@dataclass(frozen=True)
class Marked:
    """One text of a response in pieces, its start where it is very long; `num_more` characters are left out."""

    pieces: tuple[Piece, ...]
    num_more: int = 0


@dataclass(frozen=True)
class ShownResponse:
    """One run's response: its texts, facts of it in a few words, and what was said of it."""

    label: str
    texts: tuple[Marked, ...]
    facts: tuple[str, ...]
    switched: str
    leaves: bool
    judged: tuple[JudgedBy, ...]


@dataclass(frozen=True)
class ShownQuestion:
    """A question, turn by turn, and the responses of several runs to it, which may be in another language."""

    id: str
    subject: str
    language: str
    direction: str
    response_language: str
    response_direction: str
    turns: tuple[Text, ...]
    references: tuple[Text, ...]
    answers: tuple[Text, ...]
    responses: tuple[ShownResponse, ...]


@dataclass(frozen=True)
class ShownBenchmark:
    """A benchmark by its title, and its questions."""

    title: str
    questions: tuple[ShownQuestion, ...]


def write_responses(runs: Sequence[RunRecords], out: Path, *, num_responses: int = 20) -> Path | None:
    """Writes a page of some responses into a folder and returns its path; None where no run has answered in words.

    An older page is replaced, or removed.

    Raises:
        UserError: records that do not fit each other or cannot be read.
    """
    chosen = choose(runs, num_responses)
    page = out / "responses.html"
    if not chosen:
        page.unlink(missing_ok=True)
        return None
    out.mkdir(parents=True, exist_ok=True)
    page.write_text(_render(_benchmarks(runs, chosen), _num_all(runs)), encoding="utf-8", newline="\n")
    return page


def _render(benchmarks: Sequence[ShownBenchmark], num_all: int) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    num_shown = sum(len(question.responses) for shown in benchmarks for question in shown.questions)
    return environment.from_string(_package_text("quality/responses.html.j2")).render(
        benchmarks=benchmarks,
        num_shown=plain(num_shown),
        num_all=plain(num_all),
        # Ours, and without any text from records.
        style=Markup(_package_text("page.css")),
    )


def _num_all(runs: Sequence[RunRecords]) -> int:
    """Responses in words that the runs have, each artifact counted once."""
    folders = {artifact.folder for run in runs for artifact in generated_responses(run).values()}
    return sum(_num_lines(folder / RESPONSES) for folder in folders)


def _num_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _benchmarks(runs: Sequence[RunRecords], chosen: Sequence[Chosen]) -> list[ShownBenchmark]:
    titles = titles_of(runs)
    made: list[ShownBenchmark] = []
    for benchmark in dict.fromkeys(one.benchmark for one in chosen):
        of_it = [one for one in chosen if one.benchmark == benchmark]
        answered = {
            run.label: _Answered.read(run, benchmark, [one.key for one in of_it if run.label in one.labels])
            for run in runs
            if any(run.label in one.labels for one in of_it)
        }
        made.append(ShownBenchmark(titles[benchmark], tuple(_question(one, answered) for one in of_it)))
    return made


@dataclass(frozen=True)
class _Answered:
    # One run's responses to the chosen questions of one benchmark, and what is known of them.
    language: str
    responses: Mapping[Key, Response]
    switching: Mapping[Key, Switching]
    grades: Mapping[Key, Grade]
    judged: Mapping[Key, tuple[JudgedBy, ...]]

    @classmethod
    def read(cls, run: RunRecords, benchmark: str, keys: Sequence[Key]) -> "_Answered":
        artifact = generated_responses(run)[benchmark]
        path = artifact.folder / RESPONSES
        responses: dict[Key, Response] = {}
        for response in read_lines(Response, path):
            if (key := (response.subject, response.id)) in keys:
                responses[key] = response
        lacking = [key for key in keys if key not in responses]
        if lacking:
            raise UserError(
                path,
                f"no response to {lacking[0][1]!r} of {lacking[0][0]!r}",
                expected="the responses that ratings and grades are about",
                do="build what is graded or rated again",
            )
        return cls(
            language=run.benchmarks[benchmark].language,
            responses=responses,
            switching={(one.subject, one.id): one for one in run.switching.get(benchmark, ())},
            grades={(one.subject, one.id): one for one in run.grades.get(benchmark, ())},
            judged=said_of(run, benchmark, keys),
        )


def _question(chosen: Chosen, answered: Mapping[str, _Answered]) -> ShownQuestion:
    first = answered[chosen.labels[0]]
    response = first.responses[chosen.key]
    asked = response.asked
    expected = (asked.language if asked else None) or first.language
    return ShownQuestion(
        id=visible(chosen.key[1]),
        subject=visible(chosen.key[0]),
        language=first.language,
        direction=direction(first.language),
        response_language=expected,
        response_direction=direction(expected),
        turns=tuple(map(shown, asked.turns if asked else ())),
        references=tuple(map(shown, asked.references if asked else ())),
        answers=tuple(map(shown, response.answers)),
        responses=tuple(_response(label, chosen.key, answered[label]) for label in chosen.labels),
    )


def direction(language: str) -> str:
    """The direction that text in a language is to be read in, as HTML has it: "auto" goes by its first letter."""
    return "rtl" if writing(language).right_to_left else "auto"


def _response(label: str, key: Key, answered: _Answered) -> ShownResponse:
    response, seen, grade = answered.responses[key], answered.switching.get(key), answered.grades.get(key)
    num_characters = sum(map(len, response.texts))
    length = f"{plain(num_characters)} characters, {plain(response.num_new_tokens)} tokens"
    graded = f"graded {grade.outcome}{f', read as {grade.given!r}' if grade.given else ''}" if grade else ""
    return ShownResponse(
        label=label,
        texts=tuple(marked_texts(response.texts, seen.spans if seen else ())),
        facts=tuple(visible(fact) for fact in (length, ENDINGS[response.ended], graded) if fact),
        switched=_switched_text(seen) if seen else "",
        leaves=seen is not None and seen.switched,
        judged=answered.judged[key],
    )


def _switched_text(seen: Switching) -> str:
    if not seen.num_letters:
        return ""
    if not seen.switched:
        return f"stays in {language_name(seen.language)}"
    into = joined(dict.fromkeys(language_name(span.language) for span in seen.spans))
    return f"switches into {into}, {percent(seen.share)} of its letters"


def marked_texts(texts: Sequence[str], spans: Sequence[SwitchedSpan]) -> Iterator[Marked]:
    """Texts cut at the ends of spans, which count characters of all texts with an end of line between each two."""
    start = 0
    for text in texts:
        end = start + min(len(text), MOST_CHARACTERS)
        edges = {edge for span in spans for edge in (span.start, span.end) if start < edge < end}
        pieces = tuple(
            Piece(visible(text[low - start : high - start]), span_title(spans, low))
            for low, high in pairwise(sorted({start, end, *edges}))
        )
        yield Marked(pieces, start + len(text) - end)
        start += len(text) + 1


def span_title(spans: Sequence[SwitchedSpan], place: int) -> str:
    """What marks the character at a place; nothing where it is in no span."""
    return clauses(
        say("{language}, by {level}", language=_language(span.language), level=say(span.level))
        for span in spans
        if span.start <= place < span.end
    )


def _language(code: str) -> str:
    name = language_name(code)
    return name if isinstance(name, Said) else visible(name)


def _package_text(name: str) -> str:
    return (files("loanword.report") / name).read_text(encoding="utf-8")
