"""What becomes of one document by itself: cleaned, and removed where a rule says so. Pure: the same in any process."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from loanword.corpus.clean import RULES, Cleaned, cleaner
from loanword.corpus.cleaning.rule import Edit, Removal
from loanword.recipe import CorpusConfig

Signature = Callable[[str], npt.NDArray[np.uint32]]


class TextList(Protocol):
    """Texts that no document may hold."""

    def held(self, texts: Sequence[str]) -> list[str | None]:
        """For each of `texts` the id of one that is in it."""
        ...


def judge(config: CorpusConfig, without: TextList | None) -> Callable[[Sequence[str]], list[Cleaned]]:
    """What cleaning and the rules make of texts, in this order: cleaning rules, length, language, listed texts."""
    clean = cleaner(config.clean, config.language)
    in_language = _language(config)

    def judged(text: str) -> Cleaned:
        made = clean(text)
        if made.removed_by is not None:
            return made
        if len(made.text.strip()) < config.min_characters:
            return made._replace(removed_by="too_short")
        is_kept, found = in_language(made.text)
        return made if is_kept else made._replace(removed_by="other_language", because=found)

    def all_judged(texts: Sequence[str]) -> list[Cleaned]:
        made = [judged(text) for text in texts]
        if without is not None:
            # Asked about all at once, a list answers several times as fast.
            places = [place for place, one in enumerate(made) if one.removed_by is None]
            for place, id in zip(places, without.held([made[place].text for place in places]), strict=True):
                if id is not None:
                    made[place] = made[place]._replace(removed_by="listed", because=id)
        return made

    return all_judged


def reasons(config: CorpusConfig) -> list[str]:
    """What a document may be removed for by itself."""
    found = ["too_short"]
    found = [rule for rule in config.clean.rules if isinstance(RULES[rule], Removal)] + found
    if config.only_language is not None:
        found.append("other_language")
    if config.without is not None:
        found.append("listed")
    return found


def changing(config: CorpusConfig) -> list[str]:
    """What a document may be changed by."""
    return [rule for rule in config.clean.rules if isinstance(RULES[rule], Edit)]


# Libraries that rules need are loaded where a setting asks for them.


def _language(config: CorpusConfig) -> Callable[[str], tuple[bool, str]]:
    if config.only_language is None:
        return lambda text: (True, "")
    from loanword.corpus.language import language_filter

    return language_filter(config.only_language, config.language)


def signing(config: CorpusConfig) -> Signature | None:
    """What gives a text's MinHash signature; None where near duplicates stay."""
    if config.near_duplicates is None:
        return None
    from loanword.corpus.near import signature

    return signature
