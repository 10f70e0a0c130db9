"""What a cleaning rule is: it edits a text, or says why a document goes. Both are pure."""

from collections.abc import Callable
from dataclasses import dataclass

from loanword.recipe.text import CleaningConfig

Edited = Callable[[str], str]
"""Gives a text anew; the same text where there is nothing to change."""

Fault = Callable[[str], str]
"""Says why a text is not to be kept, or nothing ("")."""


@dataclass(frozen=True)
class Edit:
    """A rule that changes text; never removes a document.

    `made` gives what changes it and is called once a corpus: it loads what the rule needs. `languages` names what it
    is meant for, where it damages text of other languages; None: it suits all.
    """

    name: str
    made: Callable[[], Edited]
    languages: frozenset[str] | None = None


@dataclass(frozen=True)
class Removal:
    """A rule that removes documents; never changes one. `made` fits it to the thresholds of a corpus."""

    name: str
    made: Callable[[CleaningConfig], Fault]


Rule = Edit | Removal
