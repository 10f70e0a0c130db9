"""What corpora, instructions and tokenizers hold, and what was left out on the way."""

from typing import Annotated, Literal

from pydantic import Field

from loanword.records.record import Count, Language, PositiveCount, Record


class Document(Record):
    """A pretraining document."""

    id: str
    text: str


class Message(Record):
    """One turn of a conversation; an assistant's that is not `counted` is context, and no response to learn."""

    role: Literal["system", "user", "assistant"]
    content: str
    counted: bool = True


class Conversation(Record):
    """A tuning example: turns in order, the last one the assistant's."""

    id: str
    messages: tuple[Message, ...]


class CorpusCounts(Record):
    """What a corpus holds after reading, and what was left out on the way."""

    language: Language
    num_documents: Count
    num_bytes: Count
    num_held_out_documents: Count
    num_held_out_bytes: Count
    num_quarantined_lines: Count
    num_removed: dict[str, int]
    num_changed: dict[str, int] = Field(default_factory=dict)


class Removed(Record):
    """A document or conversation that a rule removed, or changed where `became` says into what; texts are cut short.

    `because` says what of it the rule saw, where that is more than its name.
    """

    rule: str
    id: str
    text: str
    became: str | None = None
    because: str = ""


class InstructionCounts(Record):
    """What instruction files hold after reading, and what was left out on the way, by rule."""

    language: Language
    num_read: Count
    num_conversations: Count
    num_quarantined_lines: Count
    num_removed: dict[str, int]
    num_changed: dict[str, int] = Field(default_factory=dict)


class Overlap(Record):
    """How much of one benchmark example is in a text: its n-grams, those found over the whole text, and where.

    `short_share` is the largest share of its words (pairs of characters where words are not separated by spaces),
    weighted, that one stretch of a document holds; `document` is that document's id. `num_ngrams` is 0 where the
    example is too short to tell.
    """

    id: str
    num_ngrams: Count
    num_found: Count
    short_share: Annotated[float, Field(ge=0, le=1)]
    touched: bool
    document: str = ""


class TokenCounts(Record):
    """What one corpus became under one tokenizer."""

    language: Language
    num_documents: Count
    num_bytes: Count
    num_tokens: Count


class ConversationCounts(Record):
    """What became of the instructions."""

    num_read: Count
    num_conversations: Count
    num_removed: dict[str, int]
    num_rows: Count
    num_response_tokens: Count
    row_tokens: PositiveCount


class TokenizerMeasure(Record):
    """How one tokenizer encodes one language's text; ratios are over the whole text.

    `tokens_per_word` is None where words are not separated by spaces. `premium` is how many tokens it takes for each
    token of the same text in the source language, None where the texts are not parallel. Unused pieces occur nowhere
    in the text; of new ones it is None where it is not known which they are, or there are none. Special tokens and
    single bytes are counted neither as used nor as unused.
    """

    language: Language
    num_tokens: Count
    num_bytes: Count
    tokens_per_character: float
    bytes_per_token: float
    tokens_per_word: float | None
    byte_fallback_share: float
    premium: float | None = None
    num_used_pieces: Count | None = None
    num_unused_pieces: Count | None = None
    num_unused_new_pieces: Count | None = None
