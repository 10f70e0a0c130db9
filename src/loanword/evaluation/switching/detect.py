"""Where a response leaves the language that it was to be in, and how much of it does.

Three levels are looked at together, and what two of them mark alike is one span. Offsets are into all texts of a
response, joined by line ends.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence

from loanword.evaluation.switching.clauses import switched_clauses
from loanword.evaluation.switching.exempt import blanked, glosses, quotations, without_capitals, words_asked
from loanword.evaluation.switching.languages import code_of, typical
from loanword.evaluation.switching.lines import line_rates
from loanword.evaluation.switching.runs import num_letters, own_scripts, weight, words
from loanword.evaluation.switching.scripts import switched_scripts
from loanword.evaluation.switching.words import switched_words, word_evidence
from loanword.recipe import MeasuredSwitchingConfig
from loanword.records import Language, Response, SwitchedSpan, Switching
from loanword.writing import writing

# What another language must have in a quotation to one letter of the expected one.
_QUOTED_TO_OWN = 3

Finder = Callable[[str, frozenset[str]], list[SwitchedSpan]]
"""Spans of a text in other languages than its own, in order and apart; words that are given count as its own."""


def detector(config: MeasuredSwitchingConfig) -> Callable[[Response], Switching]:
    """Says of a response where it is in another language than the config's.

    Words of its question, of the options and of the answer may stand in it in any language.
    """
    find, rates = finder(config), line_rates(config.language)

    def detect(response: Response) -> Switching:
        text = "\n".join(response.texts)
        turns = response.asked.turns if response.asked else ()
        found = find(text, words_asked((*turns, *response.options, *response.answers)))
        letters = num_letters(text)
        line_passes, word_passes = rates(text)
        return Switching(
            id=response.id,
            benchmark=response.benchmark,
            subject=response.subject,
            language=config.language,
            switched=bool(found),
            spans=tuple(found),
            num_letters=letters,
            share=sum(num_letters(text[span.start : span.end]) for span in found) / letters if letters else 0.0,
            line_passes=line_passes,
            word_passes=word_passes,
        )

    return detect


def switches(answered: Iterable[Response], config: MeasuredSwitchingConfig) -> Iterator[Switching]:
    """Where each response that says anything leaves its language: the config's, or the one that its question names."""
    detectors: dict[Language, Callable[[Response], Switching]] = {}
    # Asked for another language, as in a translation, a response may leave it for the config's own.
    languages = (*config.switching.languages, config.language)
    elsewhere = config.model_copy(update={"switching": config.switching.model_copy(update={"languages": languages})})
    for response in answered:
        if not response.texts:
            continue
        language = (response.asked and response.asked.language) or config.language
        if language not in detectors:
            own = language == config.language
            detectors[language] = detector(config if own else elsewhere.model_copy(update={"language": language}))
        yield detectors[language](response)


def finder(config: MeasuredSwitchingConfig) -> Finder:
    """What `detector` looks with, for any text; libraries and their models are loaded here."""
    language, settings = config.language, config.switching
    evidence = word_evidence(language, settings.languages)
    other_words = switched_words(language, evidence, settings.min_posterior)
    own = code_of(language)
    is_typical = typical(own, (lambda word: evidence(word).odds) if evidence else None)
    clauses = switched_clauses(language, is_typical)
    known = words_asked(settings.known)
    scripts = writing(language).scripts

    def find(text: str, asked: frozenset[str]) -> list[SwitchedSpan]:
        plain, exempt = blanked(text), asked | known
        if own != "en":
            plain = without_capitals(plain)
        apart = words(plain, own_scripts(language), own=True)
        found = [
            *switched_scripts(plain, apart, language, exempt),
            *other_words(plain, apart, exempt),
            *clauses(plain, apart, exempt),
        ]
        return _unquoted(plain, _merged(found), scripts)

    return find


def _merged(found: Sequence[SwitchedSpan]) -> list[SwitchedSpan]:
    merged: list[SwitchedSpan] = []
    for span in sorted(found, key=lambda span: (span.start, -span.end)):
        last = merged[-1] if merged else None
        if last is None or span.start >= last.end:
            merged.append(span)
        elif span.end > last.end:
            longer = span if span.end - span.start > last.end - last.start else last
            merged[-1] = longer.model_copy(update={"start": last.start, "end": span.end})
    return merged


def _unquoted(text: str, found: list[SwitchedSpan], scripts: Sequence[str]) -> list[SwitchedSpan]:
    """The spans without those that are most of a quotation or a gloss: one that only leaves its language is none."""
    starts, ends = [span.start for span in found], [span.end for span in found]
    dropped: set[int] = set()
    for start, end in (*quotations(text), *glosses(text)) if found else ():
        places = range(bisect_left(starts, start), bisect_right(ends, end))
        if not places:
            continue
        within = [found[at] for at in places]
        marked = sum(weight(text[span.start : span.end]) for span in within)
        own = weight(text[start:end], scripts) - sum(weight(text[span.start : span.end], scripts) for span in within)
        if own * _QUOTED_TO_OWN <= marked:
            dropped.update(places)
    return [span for at, span in enumerate(found) if at not in dropped]
