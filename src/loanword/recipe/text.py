"""Where text and instructions come from, and what of them is kept."""

from collections.abc import Iterable
from typing import Annotated, Literal, TypeVar

from pydantic import Field, model_validator

from loanword.records import Count, Language, PositiveCount, Record, SourcePath

BrokenLines = Literal["fatal", "quarantine"]
PositiveShare = Annotated[float, Field(gt=0, le=1)]


R = TypeVar("R", bound=Record)


def at_defaults(config: R, names: Iterable[str]) -> R:
    """A config with some of its settings at their defaults: those that do not act, and so name nothing."""
    fields = type(config).model_fields
    return config.model_copy(update={name: fields[name].default for name in names})


class HubFiles(Record):
    """Files of a data set on the Hub, streamed at a commit: `files` are names in which `*` stands for any part."""

    id: Annotated[str, Field(pattern=r"^[^/\s@]+/[^/\s@]+$")]
    revision: str | None = None
    files: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)


class SourceConfig(Record):
    """Files, folders of files and data sets of one language, and what happens to lines that cannot be read.

    A line of more than `max_line_bytes` cannot be read. A file is refused where what has been read of it unpacks to
    more than `max_expansion` times its size, 64 MB besides.
    """

    language: Language = "und"
    files: tuple[SourcePath, ...] = ()
    hub: tuple[HubFiles, ...] = ()
    broken_lines: BrokenLines = "fatal"
    max_line_bytes: PositiveCount = 50_000_000
    max_expansion: PositiveCount = 200

    @model_validator(mode="after")
    def _somewhere(self) -> "SourceConfig":
        if not (self.files or self.hub):
            raise ValueError("give files (below the data root), or hub (data sets on the Hub), or both")
        return self


CleaningRule = Literal[
    "nfc",
    "mojibake",
    "control-characters",
    "full-width-forms",
    "simplified-characters",
    "boilerplate-lines",
    "repeated-lines",
    "symbols",
    "digits",
    "repeated-ngrams",
]
"""What text can be cleaned of (docs/data.md says what each does)."""


class CleaningConfig(Record):
    """Rules by name, applied in the order in which they are written. Thresholds act where their rule is named.

    Shares are of characters: of symbols, of digits, and of what lies in n-grams that occur again, beyond which a
    document is removed; of lines that occur again, likewise. What comes for the first time is not counted.
    """

    rules: tuple[CleaningRule, ...] = ()
    max_symbol_share: PositiveShare = 0.25
    max_digit_share: PositiveShare = 0.4
    max_repeated_line_share: PositiveShare = 0.3
    max_repeated_ngram_share: PositiveShare = 0.3

    @model_validator(mode="after")
    def _in_order(self) -> "CleaningConfig":
        twice = sorted({rule for rule in self.rules if self.rules.count(rule) > 1})
        if twice:
            raise ValueError(f"each rule acts once, and {', '.join(twice)} stands there twice")
        places = {rule: place for place, rule in enumerate(self.rules)}
        if places.get("control-characters", len(places)) < places.get("mojibake", 0):
            raise ValueError("mojibake stands before control-characters: it reads characters that the other removes")
        return self

    @property
    def acting(self) -> "CleaningConfig":
        """These settings with the threshold of every rule that is not named at its default."""
        thresholds = {
            "symbols": "max_symbol_share",
            "digits": "max_digit_share",
            "repeated-lines": "max_repeated_line_share",
            "repeated-ngrams": "max_repeated_ngram_share",
        }
        return at_defaults(self, [field for rule, field in thresholds.items() if rule not in self.rules])


class LanguageFilterConfig(Record):
    """Keeps what a library finds to be in the corpus's language with at least `min_probability`.

    It reads the first `sample_characters` of a document.
    """

    min_probability: PositiveShare = 0.3
    sample_characters: PositiveCount = 1_000


class CorpusConfig(SourceConfig):
    """Source files of one language, and what of them is kept. Order and held-out split follow `split_seed`.

    `near_duplicates` is the Jaccard similarity of n-grams from which on two documents count as one; None: only equal
    texts do. Held-out documents that are as similar as `held_out_similarity` to one that is not held out are dropped.
    `without` is a frozen list of texts, a record {id, text} a line: documents that hold any of them are removed.
    """

    text_field: str = "text"
    limit_bytes: PositiveCount | None = None
    held_out_documents: Count = 100
    held_out_similarity: PositiveShare = 0.7
    min_characters: Count = 1
    clean: CleaningConfig = CleaningConfig()
    only_language: LanguageFilterConfig | None = None
    near_duplicates: PositiveShare | None = None
    without: SourcePath | None = None
    split_seed: Count = 0

    @property
    def acting(self) -> "CorpusConfig":
        """These settings with every one that does not act at its default."""
        made = self.model_copy(update={"clean": self.clean.acting})
        return made if self.held_out_documents else at_defaults(made, ["held_out_similarity"])


InstructionRule = Literal[
    "refusals",
    "untranslated",
    "translated-code",
    "broken-text",
    "repeated-text",
    "missing-input",
    "echo",
    "unanswered",
    "too-short",
    "too-long",
]
"""What instructions can be cleaned of beside what is empty or there twice (docs/data.md says what each does)."""


class InstructionsConfig(SourceConfig):
    """Instruction files of one language, and what of them is kept, in an order that follows from `order_seed`.

    What is empty and what is there twice always goes; `rules` name what else does. `near_duplicates` is the Jaccard
    similarity of n-grams from which on two instructions count as one. `without` is as in a corpus.
    """

    rules: tuple[InstructionRule, ...] = ()
    min_response_characters: PositiveCount = 2
    max_characters: PositiveCount = 20_000
    near_duplicates: PositiveShare | None = None
    without: SourcePath | None = None
    order_seed: Count = 0

    @property
    def acting(self) -> "InstructionsConfig":
        """These settings with the threshold of every rule that is not named at its default."""
        thresholds = {"too-short": "min_response_characters", "too-long": "max_characters"}
        return at_defaults(self, [field for rule, field in thresholds.items() if rule not in self.rules])


class OverlapConfig(Record):
    """How much of benchmarks is in what a run trains on: by n-grams of words, and of characters where words are not
    separated by spaces.

    An example is touched where one of its n-grams is in the text, or all of it where it is shorter; or where one
    stretch of a document, half as long again, shares short n-grams with it and holds `min_share` of its words, or of
    its pairs of characters. Shorter than the shortest, nothing can be told. `measure` = false leaves the measuring out.
    """

    measure: bool = True
    word_ngram: PositiveCount = 13
    character_ngram: PositiveCount = 25
    short_word_ngram: PositiveCount = 3
    short_character_ngram: PositiveCount = 4
    shortest_words: PositiveCount = 8
    shortest_characters: PositiveCount = 15
    min_share: PositiveShare = 0.6
