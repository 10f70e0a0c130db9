"""Text and instructions as they were cleaned: what is left of each source, what each rule took, and examples of it.

An artifact that several runs share is shown once.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from loanword.report.cells import Cell, Column, RowGroup, Sources, Table, number_cell, one_group, run_cell, text_cell
from loanword.report.cleaned import CleanedText, CorpusFacts, Facts, InstructionFacts
from loanword.report.gather import RunRecords, stage_of
from loanword.report.saying import listed, say
from loanword.report.tables import RUN
from loanword.report.wording import NOT_PLANNED, bytes_text, count_text, language_name, percent, plain

SHOWN_EXAMPLES = 5

RULE_NAMES = {
    "too_short": "too short",
    "other_language": "in another language",
    "listed": "holds a listed text",
    "duplicate": "there twice",
    "near_duplicate": "close to another",
    "held_out_near_duplicate": "held out, and close to training text",
    "over_limit": "beyond the limit",
    "empty_instruction": "no instruction",
    "empty_response": "no response",
}
"""Why something went, in words; a rule that is not here stands by its name."""


@dataclass(frozen=True)
class Before:
    """One document or conversation: its start, and what it became where it was changed; `because` may be empty."""

    id: str
    text: str
    became: str | None
    because: str


@dataclass(frozen=True)
class ExampleGroup:
    """Some of what one rule removed or changed in one source; `title` and `note` head it."""

    title: str
    note: str
    language: str
    examples: tuple[Before, ...]


@dataclass(frozen=True)
class _Source:
    # A corpus or instructions, by the name that a reader knows; `text` is None where it is missing.
    name: str
    text: CleanedText | None


def text_tables(runs: Sequence[RunRecords]) -> tuple[Table, ...]:
    """Tables of the corpora, of the instructions and of what was tuned on, those that hold something."""
    corpora, instructions = _sources(runs, "corpus"), _sources(runs, "instructions")
    made = (
        _corpora_table(corpora),
        _rules_table("corpus_rules", "Documents that each rule removed or changed", "documents", corpora),
        _instructions_table(instructions),
        _rules_table(
            "instruction_rules", "Instructions that each rule removed or changed", "instructions", instructions
        ),
        _conversations_table(runs),
    )
    return tuple(table for table in made if any(group.rows for group in table.groups))


def example_groups(runs: Sequence[RunRecords]) -> tuple[ExampleGroup, ...]:
    """Examples of what each rule removed or changed, source by source."""
    return tuple(
        group for stage in ("corpus", "instructions") for source in _sources(runs, stage) for group in _groups(source)
    )


def visible(text: str) -> str:
    """The text with characters that nobody sees, or that turn what is beside them round, as their code points.

    Ends of lines, tabs, joiners and non-joiners stay.
    """
    hidden = {char for char in text if unicodedata.category(char) in ("Cc", "Cf") and char not in "\n\t\u200c\u200d"}
    return text.translate({ord(char): f"⟨U+{ord(char):04X}⟩" for char in hidden})


def _sources(runs: Sequence[RunRecords], stage: str) -> list[_Source]:
    found: dict[object, tuple[str, str, CleanedText | None]] = {}
    for run in runs:
        for role, artifact in run.artifacts.items():
            if stage_of(role) == stage and (artifact is None or role in run.texts):
                key = (run.label, role) if artifact is None else artifact.folder
                found.setdefault(key, (_name(role), run.label, run.texts.get(role)))
    names = [name for name, _, _ in found.values()]
    return [
        _Source(name if names.count(name) == 1 else say("{name}, of {run}", name=name, run=label), text)
        for name, label, text in found.values()
    ]


def _name(role: str) -> str:
    return role.partition(".")[2].replace(".", " ") or role


def _corpora_table(sources: Sequence[_Source]) -> Table:
    columns = (
        Column("corpus", "Corpus", is_number=False),
        Column("language", "Language", is_number=False),
        Column("num_documents", "Documents"),
        Column("num_bytes", "Text"),
        Column("num_held_out_documents", "Held out"),
        Column("num_held_out_bytes", "Held-out text"),
        Column("num_removed", "Removed"),
        Column("num_changed", "Changes"),
        Column("num_quarantined_lines", "Lines set aside"),
    )
    note = (
        "Documents that are trained on, and those held out, which no run trains on. Removed: by any rule, there twice, "
        "or beyond the limit. Changes: one for each rule that changed a document. Lines set aside could not be read."
    )
    rows = [[text_cell(source.name), *_corpus_cells(source.text and source.text.facts)] for source in sources]
    return Table("corpora", "Text of each corpus", note, columns, one_group(rows), Sources(roles=("corpus",)))


def _corpus_cells(facts: Facts | None) -> list[Cell]:
    known = facts if isinstance(facts, CorpusFacts) else None
    return [
        _language_cell(known),
        number_cell(known and known.num_documents, plain),
        number_cell(known and known.num_bytes, bytes_text),
        number_cell(known and known.num_held_out_documents, plain),
        number_cell(known and known.num_held_out_bytes, bytes_text),
        number_cell(known and sum(known.num_removed.values()), plain),
        number_cell(known and sum(known.num_changed.values()), plain),
        number_cell(known and known.num_quarantined_lines, plain),
    ]


def _instructions_table(sources: Sequence[_Source]) -> Table:
    columns = (
        Column("instructions", "Instructions", is_number=False),
        Column("language", "Language", is_number=False),
        Column("num_read", "Read"),
        Column("num_conversations", "Left"),
        Column("num_removed", "Removed"),
        Column("num_changed", "Changes"),
        Column("num_quarantined_lines", "Lines set aside"),
    )
    note = (
        "Instructions that were read and those that are left, from which runs draw. Lines set aside could not be read."
    )
    rows = [[text_cell(source.name), *_instruction_cells(source.text and source.text.facts)] for source in sources]
    made_from = Sources(roles=("instructions",))
    return Table("instructions", "Instructions of each source", note, columns, one_group(rows), made_from)


def _instruction_cells(facts: Facts | None) -> list[Cell]:
    known = facts if isinstance(facts, InstructionFacts) else None
    return [
        _language_cell(known),
        number_cell(known and known.num_read, plain),
        number_cell(known and known.num_conversations, plain),
        number_cell(known and sum(known.num_removed.values()), plain),
        number_cell(known and sum(known.num_changed.values()), plain),
        number_cell(known and known.num_quarantined_lines, plain),
    ]


def _language_cell(facts: Facts | None) -> Cell:
    if facts is None:
        return number_cell(None, plain)
    return text_cell(say("not said") if facts.language == "und" else language_name(facts.language))


def _rules_table(key: str, title: str, what: str, sources: Sequence[_Source]) -> Table:
    columns = (
        Column("rule", "Rule or reason", is_number=False),
        Column("num_removed", "Removed"),
        Column("share_removed", "Of all that were read"),
        Column("num_changed", "Changed"),
    )
    groups = [
        RowGroup(source.name, tuple(_rule_rows(source.text.facts)), _num_read(source.text.facts, what))
        for source in sources
        if source.text is not None
    ]
    note = say(
        "Each of the {what} that is removed counts under one reason. {dash} is a rule that removes none, or changes "
        "none.",
        what=say(what),
        dash=NOT_PLANNED,
    )
    role = "corpus" if what == "documents" else "instructions"
    return Table(key, title, note, columns, tuple(groups), Sources(roles=(role,)))


def _num_read(facts: Facts, what: str) -> str:
    return say("{number} {what} read", number=plain(facts.num_read), what=say(what))


def _rule_rows(facts: Facts) -> Iterator[tuple[Cell, ...]]:
    for rule in dict.fromkeys((*_most_first(facts.num_changed), *_most_first(facts.num_removed))):
        removed, changed = facts.num_removed.get(rule), facts.num_changed.get(rule)
        share = removed / facts.num_read if removed is not None and facts.num_read else None
        yield (
            text_cell(_rule_name(rule)),
            number_cell(removed, plain, planned=False),
            number_cell(share, lambda value: percent(value, 2), planned=False),
            number_cell(changed, plain, planned=False),
        )


def _most_first(numbers: Mapping[str, int]) -> list[str]:
    return sorted(numbers, key=lambda rule: (-numbers[rule], rule))


def _rule_name(rule: str) -> str:
    return say(RULE_NAMES[rule]) if rule in RULE_NAMES else visible(rule)


def _conversations_table(runs: Sequence[RunRecords]) -> Table:
    columns = (
        RUN,
        Column("num_read", "Drawn"),
        Column("num_conversations", "Tuned on"),
        Column("num_removed", "Left out"),
        Column("why", "Why", is_number=False),
        Column("num_rows", "Rows"),
        Column("row_tokens", "Tokens a row"),
        Column("num_response_tokens", "Response tokens"),
    )
    rows: list[list[Cell]] = []
    for run in runs:
        if not run.plans("conversations"):
            continue
        counts = run.conversations
        removed = {rule: number for rule, number in counts.num_removed.items() if number} if counts else {}
        told = (say("{rule} {number}", rule=_rule_name(rule), number=plain(number)) for rule, number in removed.items())
        why = listed(told) or say("none is left out")
        rows.append(
            [
                run_cell(run.label),
                number_cell(counts and counts.num_read, plain),
                number_cell(counts and counts.num_conversations, plain),
                number_cell(counts and sum(removed.values()), plain),
                text_cell(why) if counts else number_cell(None, plain),
                number_cell(counts and counts.num_rows, plain),
                number_cell(counts and counts.row_tokens, plain),
                number_cell(counts and counts.num_response_tokens, count_text),
            ]
        )
    note = "Conversations that each run draws from its instructions, and the rows that they are packed into."
    sources = Sources(roles=("conversations",))
    return Table("conversations", "Conversations that runs are tuned on", note, columns, one_group(rows), sources)


def _groups(source: _Source) -> Iterator[ExampleGroup]:
    if source.text is None:
        return
    facts, examples = source.text.facts, source.text.examples
    for rule, changes in dict.fromkeys((example.rule, example.became is not None) for example in examples):
        found = [one for one in examples if (one.rule, one.became is not None) == (rule, changes)]
        shown = found[:SHOWN_EXAMPLES]
        number = (facts.num_changed if changes else facts.num_removed).get(rule, len(found))
        yield ExampleGroup(
            title=say(
                "{source}: {rule}, changed" if changes else "{source}: {rule}, removed",
                source=source.name,
                rule=_rule_name(rule),
            ),
            note=say("{shown} of {all}", shown=plain(len(shown)), all=plain(number)),
            language=facts.language,
            examples=tuple(
                Before(
                    visible(one.id),
                    visible(one.text),
                    None if one.became is None else visible(one.became),
                    visible(one.because),
                )
                for one in shown
            ),
        )
