"""Documents are cleaned by named rules, in the order in which a corpus names them.

In: a text. Out: the text as the rules leave it, or why its document goes. Every rule is pure, so a corpus can be
cleaned by any number of processes.
"""

from collections.abc import Callable
from typing import NamedTuple

from loanword.corpus.cleaning import boilerplate, characters, mojibake, repetition, shares
from loanword.corpus.cleaning.rule import Edit, Edited, Fault, Removal, Rule
from loanword.errors import UserError
from loanword.recipe.text import CleaningConfig

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        characters.NFC,
        mojibake.MOJIBAKE,
        characters.CONTROL_CHARACTERS,
        characters.FULL_WIDTH_FORMS,
        characters.SIMPLIFIED_CHARACTERS,
        boilerplate.BOILERPLATE_LINES,
        repetition.REPEATED_LINES,
        shares.SYMBOLS,
        shares.DIGITS,
        repetition.REPEATED_NGRAMS,
    )
}


class Cleaned(NamedTuple):
    """A text after its rules: what is left of it, and who removed it or changed it.

    A text that is removed is as the rules before left it; `because` says what of it the last one saw.
    """

    text: str
    removed_by: str | None
    changed_by: tuple[str, ...]
    because: str = ""


def cleaner(config: CleaningConfig, language: str) -> Callable[[str], Cleaned]:
    """Cleans texts of a language by the rules that `config` names, one after another; the first to remove one ends it.

    Raises:
        UserError: a rule that would damage text of the language.
    """
    steps = [_step(RULES[name], config, language) for name in config.rules]

    def clean(text: str) -> Cleaned:
        changed_by: list[str] = []
        for name, edited, fault in steps:
            if edited is not None:
                before, text = text, edited(text)
                if text != before:
                    changed_by.append(name)
            elif fault is not None and (because := fault(text)):
                return Cleaned(text, name, tuple(changed_by), because)
        return Cleaned(text, None, tuple(changed_by))

    return clean


def _step(rule: Rule, config: CleaningConfig, language: str) -> tuple[str, Edited | None, Fault | None]:
    if isinstance(rule, Removal):
        return rule.name, None, rule.made(config)
    _check_language(rule, language)
    return rule.name, rule.made(), None


def _check_language(rule: Edit, language: str) -> None:
    if rule.languages is not None and language.split("-")[0] not in rule.languages:
        raise UserError(
            f"clean.rules, {rule.name}",
            f"the corpus is in {language!r}, whose text it would damage",
            expected=f"a corpus in one of {', '.join(sorted(rule.languages - {'und'}))}",
            do=f"leave {rule.name} out, or set the corpus's language to what its text is in",
        )
