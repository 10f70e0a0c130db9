"""What training leaves: its curve, what was skipped and watched on the way, and what was read."""

from typing import Literal

from loanword.records.record import Count, Language, Record


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
