"""Words in a script that the expected language is not written in.

In other scripts than Latin every word counts. Of Latin words only those in small letters do, because names, brands,
acronyms and units are written with Latin letters in every language; a run of words that holds one that counts is
marked as a whole.
"""

from collections.abc import Iterator, Sequence

import regex

from loanword.evaluation.switching.exempt import kind
from loanword.evaluation.switching.languages import code_of, is_chinese, known, language_of, other_dictionary
from loanword.evaluation.switching.runs import Word, own_scripts
from loanword.evaluation.switching.vocabulary import function_words, listed
from loanword.records import SwitchedSpan
from loanword.writing import writing

# What may stand between two words of one run: no letter, no line's end, nothing that quotes or brackets.
_JOINS = regex.compile(r"""(?V1)[^\p{L}\n"“”„«»‹›「」『』《》〈〉()（）\[\]【】]{0,40}""")
_MIN_UNKNOWN_PROBABILITY = 0.5


def switched_scripts(text: str, found: Sequence[Word], expected: str, exempt: frozenset[str]) -> list[SwitchedSpan]:
    """Runs of words in other scripts than the expected language's, those that may stand in any text left out."""
    own = own_scripts(expected)
    spans: list[SwitchedSpan] = []
    for run in _runs(text, [word for word in found if word.script not in own]):
        script, letters = run[0].script, "".join(word.text for word in run)
        if script in writing(expected).scripts and not is_chinese(letters, code_of(expected)):
            continue
        language = _latin_language(run, exempt) if script == "Latin" else _other_language(run, exempt)
        if language:
            spans.append(SwitchedSpan(start=run[0].start, end=run[-1].end, level="script", language=language))
    return spans


def _runs(text: str, found: Sequence[Word]) -> Iterator[list[Word]]:
    run: list[Word] = []
    for word in found:
        if run and (run[-1].script != word.script or not _JOINS.fullmatch(text, run[-1].end, word.start)):
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _other_language(run: Sequence[Word], exempt: frozenset[str]) -> str | None:
    # Greek and Hebrew letters by themselves are signs of mathematics.
    counted = [word for word in run if (len(word.text) > 1 or word.script == "Han") and word.text.lower() not in exempt]
    return language_of(" ".join(word.text for word in run), run[0].script) if counted else None


def _latin_language(run: Sequence[Word], exempt: frozenset[str]) -> str | None:
    places = [at for at in range(len(run)) if _counts(run, at, exempt)]
    places = [at for at in places if not _is_species(run, at)]
    counted = [run[at].text for at in places]
    if not counted or _is_name(run, counted):
        return None
    english = [word for word in counted if known(word.lower(), "en")]
    if len(english) * 2 >= len(counted):
        return "en"
    found = language_of(" ".join(word.text for word in run), "Latin", min_probability=_MIN_UNKNOWN_PROBABILITY)
    if found == "Latin":
        found = next(filter(None, (other_dictionary(word.lower()) for word in counted)), found)
    if found == "la":  # quoted, and names of species; nothing is written in it
        return None
    # A word that no dictionary has, by itself, is as like to be a name or a term.
    return found if found != "Latin" or len(counted) > 1 else None


def _counts(run: Sequence[Word], at: int, exempt: frozenset[str]) -> bool:
    word = run[at].text
    looks = kind(word)
    if looks == "symbol" or word.lower() in exempt:
        return False
    if looks == "word":
        return True
    # "However," is no name; "The" before one and "Note" behind one are part of it.
    before = run[at - 1] if at and run[at - 1].end + 1 == run[at].start else None
    after = run[at + 1] if at + 1 < len(run) and run[at].end + 1 == run[at + 1].start else None
    return word.lower() in function_words("en") and all(
        kind(each.text) == "word" for each in (before, after) if each is not None
    )


def _is_name(run: Sequence[Word], counted: Sequence[str]) -> bool:
    inner = kind(run[0].text) != "word" and kind(run[-1].text) != "word"
    return inner and all(word in listed("connectors") for word in counted)


def _is_species(run: Sequence[Word], at: int) -> bool:
    """Whether a word is the second or third of a name as "Canis lupus familiaris"."""
    before, second = run[at - 1] if at else None, run[at].text
    if before is None or kind(second) != "word" or run[at].start - before.end > 2:
        return False
    if kind(before.text) == "word":
        return second in listed("epithets") and _is_species(run, at - 1)
    if second in listed("epithets"):
        return True
    first = before.text.lower()
    # More in small letters follows: a sentence.
    if at + 1 < len(run) and kind(run[at + 1].text) == "word" and run[at + 1].text not in listed("epithets"):
        return False
    if not known(second, "en"):
        # Two words of one other language are a phrase of it: "Hasta luego".
        other = other_dictionary(second)
        return other is None or other != other_dictionary(first)
    return (len(first) == 1 or not known(first, "en")) and second.endswith(tuple(listed("species")))
