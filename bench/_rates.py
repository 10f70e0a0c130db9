"""How often a detector errs on examples of which it is known whether, and where, they leave their language."""

from collections.abc import Iterable
from dataclasses import dataclass

from loanword.evaluation.switching.detect import Finder
from loanword.evaluation.switching.exempt import words_asked
from loanword.records import Language, Record


class SwitchingExample(Record):
    """A text as a model may write it, the `prompt` that asks for it, and the `words` of it that are in other languages.

    `words` are pieces of the text, in order; `into` the languages that they are in; `note` says what is tried.
    """

    id: str
    language: Language
    text: str
    prompt: str = ""
    switched: bool
    into: tuple[Language, ...] = ()
    words: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Rates:
    """Counts over examples: switched and found so, not switched but found so, switched and missed.

    A piece is found where spans cover half of it or more.
    """

    num_examples: int
    num_found: int
    num_false: int
    num_missed: int
    num_pieces: int
    num_pieces_found: int

    @property
    def precision(self) -> float:
        """Share of those found that do switch; 1 where none was found."""
        found = self.num_found + self.num_false
        return self.num_found / found if found else 1.0

    @property
    def recall(self) -> float:
        """Share of those that switch that were found; 1 where none does."""
        switched = self.num_found + self.num_missed
        return self.num_found / switched if switched else 1.0


def error_rates(find: Finder, examples: Iterable[SwitchingExample]) -> Rates:
    """What a finder gets right, in texts and in pieces."""
    counts = {"found": 0, "false": 0, "missed": 0, "neither": 0}
    num_pieces = num_pieces_found = 0
    for example in examples:
        spans = find(example.text, words_asked([example.prompt]))
        if example.switched:
            counts["found" if spans else "missed"] += 1
        else:
            counts["false" if spans else "neither"] += 1
        covered = {at for span in spans for at in range(span.start, span.end)}
        end = 0
        for piece in example.words:
            start = example.text.index(piece, end)
            end = start + len(piece)
            num_pieces += 1
            num_pieces_found += 2 * sum(at in covered for at in range(start, end)) >= len(piece)
    return Rates(sum(counts.values()), counts["found"], counts["false"], counts["missed"], num_pieces, num_pieces_found)
