"""A few places where responses switch languages, to be read on the page; whole responses have a page of their own."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from loanword.records import Response, Switching, read_lines
from loanword.report.corpora import visible
from loanword.report.gather import RunRecords
from loanword.report.quality.chosen import RESPONSES, generated_responses
from loanword.report.quality.responses import Piece, direction, span_title
from loanword.report.quality.scores import titles_of

MOST_EXCERPTS = 6
BEFORE, AFTER = 80, 240
"""Characters that are shown before the first switch and from it on."""


@dataclass(frozen=True)
class Excerpt:
    """Part of one response around its first switch; pieces in another language have a title."""

    run: str
    benchmark: str
    id: str
    language: str
    direction: str
    pieces: tuple[Piece, ...]


def switching_excerpts(runs: Sequence[RunRecords]) -> tuple[Excerpt, ...]:
    """Some responses that switch: of each run and benchmark the one in which both languages are most to be seen.

    Where they are many, every benchmark comes before any comes twice.
    """
    titles = titles_of(runs)
    found: list[Excerpt] = []
    times, ranked = Counter[str](), list[tuple[int, RunRecords, str, Switching]]()
    for run, benchmark, seen in _switched(runs):
        ranked.append((times[benchmark], run, benchmark, seen))
        times[benchmark] += 1
    for _, run, benchmark, seen in sorted(ranked, key=lambda one: one[0])[:MOST_EXCERPTS]:
        path = generated_responses(run)[benchmark].folder / RESPONSES
        of = (seen.subject, seen.id)
        response = next((one for one in read_lines(Response, path) if (one.subject, one.id) == of), None)
        if response is not None:
            found.append(_excerpt(run.label, titles[benchmark], seen, "\n".join(response.texts)))
    return tuple(found)


def _switched(runs: Sequence[RunRecords]) -> Iterator[tuple[RunRecords, str, Switching]]:
    shown: set[object] = set()
    for run in runs:
        written = generated_responses(run)
        for benchmark, seen in run.switching.items():
            switched = [one for one in seen if one.switched and one.spans]
            # Runs that share their responses say nothing beside each other.
            if switched and benchmark in written and written[benchmark].folder not in shown:
                shown.add(written[benchmark].folder)
                yield run, benchmark, min(switched, key=lambda one: abs(one.share - 0.5))


def _excerpt(label: str, benchmark: str, seen: Switching, text: str) -> Excerpt:
    first = min(span.start for span in seen.spans)
    start, end = max(0, first - BEFORE), min(len(text), first + AFTER)
    edges = {edge for span in seen.spans for edge in (span.start, span.end) if start < edge < end}
    pieces = [
        Piece(visible(text[low:high]), span_title(seen.spans, low))
        for low, high in pairwise(sorted({start, end, *edges}))
    ]
    ellipses = (Piece("\u2026 ") if start else None, *pieces, Piece(" \u2026") if end < len(text) else None)
    return Excerpt(
        run=label,
        benchmark=benchmark,
        id=visible(seen.id),
        language=seen.language,
        direction=direction(seen.language),
        pieces=tuple(piece for piece in ellipses if piece is not None),
    )
