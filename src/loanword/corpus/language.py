"""The language of a text, as a library finds it, and a filter that keeps one language.

Two libraries are known: py3langid, and lingua for what that lacks. On FLORES-200 and on real corpora of 15 languages
py3langid errs less or as little in all of them but old Marathi verse, needs a tenth of the memory, and tells Nepali
from Hindi, which lingua takes for one (docs/data.md, "Language filter").
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, cast

from loanword.errors import UserError
from loanword.recipe.text import LanguageFilterConfig

Probabilities = Callable[[str], Mapping[str, float]]
"""How likely a text is in each of the languages that a library knows; they sum to 1."""

# Languages that are told apart from a larger one that they belong to: what is found to be one of them is the larger
# one's, unless a corpus is in the smaller one. Source: ISO 639-3, macrolanguages.
_PART_OF = {
    "wuu": "zh", "yue": "zh", "ary": "ar", "arz": "ar", "uzs": "uz", "sdh": "ku", "nb": "no", "nn": "no", "gom": "kok",
    "gug": "gn", "fuv": "ff",
}  # fmt: skip
_SAME_AS = {"nb": "no", "fil": "tl", "prs": "fa", "kik": "ki"}  # what a corpus may be called, and a library calls it

# Code, tags and addresses are in no language, or in English.
_NO_LANGUAGE = re.compile(r"`[^`\n]{1,200}`|<[^<>\n]{1,200}>|https?://\S+|www\.\S+")


def language_filter(config: LanguageFilterConfig, language: str) -> Callable[[str], tuple[bool, str]]:
    """Says of a text whether it is kept, and which language it was found to be in, as "en 0.98".

    Raises:
        UserError: a language that neither library knows.
    """
    wanted, probabilities = _identifier(language)

    def kept(text: str) -> tuple[bool, str]:
        found = _gathered(probabilities(_sample(text, config.sample_characters)), wanted)
        likeliest = max(found, key=lambda each: found[each])
        return found.get(wanted, 0.0) >= config.min_probability, f"{likeliest} {found[likeliest]:.2f}"

    return kept


def _sample(text: str, num_characters: int) -> str:
    start = text[:num_characters]
    plain = _NO_LANGUAGE.sub(" ", start)
    return plain if any(map(str.isalpha, plain)) else start


def _gathered(found: Mapping[str, float], wanted: str) -> dict[str, float]:
    whole: dict[str, float] = {}
    for each, probability in found.items():
        name = each if each == wanted else _PART_OF.get(each, each)
        whole[name] = whole.get(name, 0.0) + probability
    return whole


def _identifier(language: str) -> tuple[str, Probabilities]:
    main = language.split("-")[0]
    known: set[str] = set()
    for library in (_py3langid, _lingua):
        names, made = library()
        for name in (main, _SAME_AS.get(main, main)):
            if name in names:
                return name, made()
        known |= names
    raise UserError(
        f"language {language!r}",
        "the corpus does not say which language it is in" if main == "und" else f"no library here can tell {main!r}",
        expected=f"one of {', '.join(sorted(known))}",
        do="set language to what the text is in" if main == "und" else "leave only_language out",
    )


@cache  # half a second and 100 MB, the same for every language
def _py3langid() -> tuple[frozenset[str], Callable[[], Probabilities]]:
    from py3langid.langid import (  # pyright: ignore[reportMissingTypeStubs]
        MODEL_FILE,
        LanguageIdentifier,
    )

    identifier = cast(Any, LanguageIdentifier).from_model_file(MODEL_FILE, norm_probs=True)
    rank = cast(Callable[[str], list[tuple[str, float]]], identifier.rank)
    return frozenset(cast(list[str], identifier.labels)), lambda: lambda text: dict(rank(text))


def _lingua() -> tuple[frozenset[str], Callable[[], Probabilities]]:
    from lingua import Language, LanguageDetectorBuilder

    def made() -> Probabilities:
        # Its larger models take 1.2 GB, and on documents of five sentences they err as often.
        detector = LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()

        def probabilities(text: str) -> dict[str, float]:
            values = detector.compute_language_confidence_values(text)
            return {value.language.iso_code_639_1.name.lower(): value.value for value in values}

        return probabilities

    return frozenset(each.iso_code_639_1.name.lower() for each in Language.all()), made
