"""Values that touch disk: frozen, strict, and written the same way every time.

A record is parsed at the edge and never checked again. JSON is the one wire form: in strict JSON mode
`true` is not a number, `"no"` stays a string, and a list becomes a tuple.
"""

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loanword.errors import UserError

Count = Annotated[int, Field(ge=0)]
PositiveCount = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
PartName = Annotated[str, Field(pattern=r"^[^/\\\x00-\x1f.][^/\\\x00-\x1f]{0,59}$")]
"""What a study calls one of several parts of a run: with the stage before it, it is the name of a link in the store."""


class SourceFile:
    """Marks a field that names a file or folder outside the store: identity counts its content, never its path."""


SourcePath = Annotated[str, Field(min_length=1), SourceFile()]


class Record(BaseModel):
    """A frozen value with a canonical JSON form; unknown keys and loose types are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def to_json(self) -> str:
        """One line of JSON, keys sorted; equal records give equal lines.

        Raises:
            ValueError: where reading the line back would not give an equal record.
        """
        line = canonical_json(self.model_dump(mode="json"))
        if type(self).model_validate_json(line) != self:
            raise ValueError(f"{type(self).__name__} does not survive JSON: {line[:200]}")
        return line

    @classmethod
    def from_json(cls, line: str | bytes, *, where: object) -> Self:
        """The record that a line of JSON holds.

        Raises:
            UserError: all problems of the line at once, each with its path.
        """
        try:
            return cls.model_validate_json(line)
        except ValidationError as error:
            raise UserError(
                where,
                "; ".join(problems(error)),
                expected=f"a {cls.__name__} with {', '.join(cls.model_fields)}",
                do="mend the line, or build the file again",
            ) from None


R = TypeVar("R", bound=Record)


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces; NaN and infinity raise ValueError."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def problems(error: ValidationError) -> list[str]:
    """Every problem of a failed validation, as `path: message (got value)`."""
    found: list[str] = []
    for detail in error.errors(include_url=False):
        path = ".".join(str(part) for part in detail["loc"]) or "(whole)"
        if detail["type"] == "extra_forbidden":
            found.append(f"{path}: unknown key")
        elif detail["type"] == "missing":
            found.append(f"{path}: missing")
        elif detail["type"] == "value_error":  # a record's own, which names the values that it is about
            found.append(f"{path}: {detail['msg'].removeprefix('Value error, ')}")
        else:
            got = json.dumps(detail.get("input"), ensure_ascii=False, default=str)
            found.append(f"{path}: {detail['msg'][:1].lower()}{detail['msg'][1:]} (got {got[:80]})")
    return found


def write_lines(records: Iterable[Record], path: Path) -> int:
    """Writes one record a line and returns their number; the file appears whole or not at all."""
    count = 0
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        for record in records:
            file.write(record.to_json() + "\n")
            count += 1
    temporary.replace(path)
    return count


def read_lines(kind: type[R], path: Path) -> Iterator[R]:
    """The records of a file that `write_lines` wrote, in order.

    Raises:
        UserError: a line that does not hold such a record, with file and line.
    """
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            yield kind.from_json(line, where=f"{path}:{number}")


def write_json(value: Record | Mapping[str, Any], path: Path) -> None:
    """Writes one value, indented for people; the file appears whole or not at all."""
    plain = value.model_dump(mode="json") if isinstance(value, Record) else value
    text = json.dumps(plain, sort_keys=True, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def read_json(kind: type[R], path: Path) -> R:
    """The record that a file holds."""
    return kind.from_json(path.read_bytes(), where=path)


def file_sha256(path: Path) -> str:
    """Digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# What the stages leave for each other and for the report.


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


class CurvePoint(Record):
    """One optimizer step of a training curve. Times are provenance and stay out."""

    step: Count
    rows: Count
    tokens: Count
    learning_rate: float
    nats_per_token: float
    gradient_norm: float


class SkippedRows(Record):
    """Rows [first_row, last_row) whose gradient is not in the weights, because a step over them went wrong.

    `rolled back`: three steps in a row did, so the weights returned to where they were at `first_row`; every step from
    there on is gone from the curve too.
    """

    first_row: Count
    last_row: Count
    reason: Literal["not finite", "exploding", "rolled back"]


class ProbePoint(Record):
    """Bits per byte of fixed held-out text, after `rows` rows and `tokens` counted predictions of training."""

    rows: Count
    tokens: Count
    language: Language
    bits_per_byte: float


class TrainingSummary(Record):
    """What a training stage has read; for further pretraining, the trunk and the decay together.

    `num_target_bytes` is the text that target tokens stand for; zero for a base and for tuning.
    """

    num_rows: Count
    num_tokens: Count
    num_target_bytes: Count
    num_target_tokens: Count
    num_replay_tokens: Count
    num_steps: Count
    num_parameters: Count
    train_flops: float


class DocumentLikelihood(Record):
    """Negative log-likelihood of one held-out document; special tokens carry no bytes and no nats."""

    id: str
    language: Language
    nats: float
    num_tokens: Count
    num_bytes: Count


class ProbedDocument(Record):
    """Negative log-likelihood of one held-out document before and after the steps of a probe."""

    id: str
    language: Language
    start_nats: Annotated[float, Field(ge=0)]
    nats: Annotated[float, Field(ge=0)]
    num_bytes: PositiveCount


class Decoding(Record):
    """How a response is generated: at most so many tokens, up to the first stop string.

    At temperature 0 every token is the likeliest; else it is drawn from the likeliest tokens that hold `top_p` of the
    probability. Equal seeds give equal responses to a prompt, whatever else is asked beside it. `kept_tokens` of a
    context stay free behind the response, for what is asked after it.
    """

    max_new_tokens: PositiveCount
    kept_tokens: Count = 0
    stop: tuple[str, ...] = ()
    temperature: Annotated[float, Field(ge=0)] = 0.0
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: Count = 0


class ChoiceScore(Record):
    """What a model gave each choice of one question: nats of its ids after the prompt, which were `choice_ids`.

    No likelihoods: the question is longer than the model's context by itself.
    """

    choices: tuple[str, ...]
    log_likelihoods_nats: tuple[float, ...]
    choice_ids: tuple[tuple[int, ...], ...]


class Response(Record):
    """What a model answered to one example: likelihoods of choices, or texts.

    `scores` holds one a part of the example (most have one part), `texts` what was said, call by call: the last is
    what is read. `answers` is what is right, `options` the texts of the options, `points` what the example is worth.
    No `answers`: the label is withheld, or a judge's to give; then the `question` and a `reference` answer are kept.
    """

    id: str
    benchmark: str
    subject: str
    num_shots: Count
    answers: tuple[str, ...]
    options: tuple[str, ...] = ()
    question: str = ""
    reference: str = ""
    points: PositiveFloat = 1.0
    scores: tuple[ChoiceScore, ...] = ()
    texts: tuple[str, ...] = ()
    num_new_tokens: Count = 0
    ended: Literal["scored", "stopped", "cut", "too long"]


class Grade(Record):
    """Our judgement of one response.

    `score` is the share of the example's `points` that it earns; only the whole of them is correct. `margin_nats` is
    how much likelier what was given is than the next choice, the least of an example's parts. `f1` is that of free
    answers.
    """

    id: str
    benchmark: str
    subject: str
    outcome: Literal["correct", "incorrect", "unparsed"]
    score: Annotated[float, Field(ge=0, le=1)]
    points: PositiveFloat = 1.0
    given: str
    answer: str
    num_shots: Count
    margin_nats: float | None = None
    f1: float | None = None


class Execution(Record):
    """Where and how stages run: never part of identity, always part of provenance.

    Training stages run in `processes` processes, one a device, over which parameters are sharded: over all of them
    (full), or inside each machine with copies between machines (hybrid). `activations` says what of a forward pass
    is kept for the backward one, and `compile` whether layers are compiled. None leaves these and the micro-batch to
    an estimate. `peak_flops` is what all devices together do in a second, where a profile says. `server` is the address
    of one that speaks OpenAI's protocol, for bases that are served; `engine` is what answers benchmarks with a
    checkpoint's weights. `commits` says which commit of a Hub repository (`id@revision`) the study was first resolved
    to.
    """

    device: str = "cpu"
    workers: PositiveCount = 1
    threads: PositiveCount = 1
    processes: PositiveCount = 1
    sharding: Literal["full", "hybrid"] = "full"
    data: str = "."
    micro_batch_tokens: PositiveCount | None = None
    activations: Literal["keep", "selective", "recompute"] | None = None
    compile: bool | None = None
    peak_flops: PositiveFloat | None = None
    checkpoint_seconds: PositiveFloat = 60.0
    trackers: tuple[Literal["tensorboard", "wandb", "trackio"], ...] = ()
    commits: tuple[tuple[str, str], ...] = ()
    server: str | None = None
    engine: Literal["transformers", "vllm"] = "transformers"
