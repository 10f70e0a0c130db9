"""What artifacts say of the text and the instructions that they were made from: what is left, what went, and examples.

In: `counts.json` and `removed.jsonl` of a corpus or of instructions.
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from loanword.records import Removed, read_lines
from loanword.report.lenient import Lenient, read_lenient


class CorpusFacts(Lenient):
    """A corpus by its counts. What was removed, by reason; what was changed and stayed, by rule."""

    language: str
    num_documents: int
    num_bytes: int
    num_held_out_documents: int
    num_held_out_bytes: int
    num_quarantined_lines: int
    num_removed: dict[str, int]
    num_changed: dict[str, int] = Field(default_factory=dict[str, int])

    @property
    def num_read(self) -> int:
        """Documents that could be read, whatever became of them."""
        return self.num_documents + self.num_held_out_documents + sum(self.num_removed.values())


class InstructionFacts(Lenient):
    """Instructions by their counts, as of a corpus."""

    language: str
    num_read: int
    num_conversations: int
    num_quarantined_lines: int
    num_removed: dict[str, int]
    num_changed: dict[str, int] = Field(default_factory=dict[str, int])


Facts = CorpusFacts | InstructionFacts


@dataclass(frozen=True)
class CleanedText:
    """A corpus or instructions: their counts, and some of what each rule removed or changed."""

    facts: Facts
    examples: tuple[Removed, ...] = ()


def read_corpus(counts: Path) -> CleanedText:
    """What a corpus's artifact says, by the path of its counts.

    Raises:
        UserError: a file that does not hold what it should.
    """
    return CleanedText(read_lenient(CorpusFacts, counts), _examples(counts))


def read_instructions(counts: Path) -> CleanedText:
    """What an artifact of instructions says, by the path of its counts.

    Raises:
        UserError: a file that does not hold what it should.
    """
    return CleanedText(read_lenient(InstructionFacts, counts), _examples(counts))


def _examples(counts: Path) -> tuple[Removed, ...]:
    path = counts.with_name("removed.jsonl")
    return tuple(read_lines(Removed, path)) if path.is_file() else ()
