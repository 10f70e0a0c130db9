"""Amounts of text, shapes of models, and how a training stage takes its optimizer steps."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from loanword.records import Count, PositiveCount, PositiveFloat, Record, Share


class Budget(Record):
    """An amount of target text, the same documents for every vocabulary: exactly one of three measures.

    `tokens` are tokens of the base's tokenizer.
    """

    documents: Count | None = None
    bytes: Count | None = None
    tokens: Count | None = None

    @model_validator(mode="after")
    def _one_measure(self) -> "Budget":
        if sum(value is not None for value in (self.documents, self.bytes, self.tokens)) != 1:
            raise ValueError("give exactly one of documents, bytes, tokens")
        return self

    @property
    def amount(self) -> int:
        """The number, whatever it counts."""
        return self.documents or self.bytes or self.tokens or 0

    @property
    def unit(self) -> str:
        """What the number counts: documents, bytes or tokens."""
        return next(unit for unit in ("documents", "bytes", "tokens") if getattr(self, unit) is not None)


class ArchitectureConfig(Record):
    """Shape of a decoder that the study trains itself."""

    kind: Literal["llama"] = "llama"
    width: PositiveCount
    num_layers: PositiveCount
    num_heads: PositiveCount
    num_key_value_heads: PositiveCount
    feed_forward_width: PositiveCount
    context_tokens: PositiveCount
    tied_embeddings: bool = True
    rope_theta: PositiveFloat = 10_000.0

    @model_validator(mode="after")
    def _divides(self) -> "ArchitectureConfig":
        if self.width % self.num_heads:
            raise ValueError(f"width {self.width} is not a multiple of num_heads {self.num_heads}")
        if self.num_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_heads {self.num_heads} is not a multiple of num_key_value_heads {self.num_key_value_heads}"
            )
        return self


class GroupConfig(Record):
    """How one group of parameters is trained: its share of the learning rate, its own decay, or not at all.

    Without `weight_decay` the group decays as the whole does: backbone matrices by `steps.weight_decay`, nothing else.
    """

    learning_rate_factor: PositiveFloat = 1.0
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    frozen: bool = False


class GroupsConfig(Record):
    """The groups that every parameter, or row of a table, belongs to one of.

    `old_rows` and `new_rows` are rows of the input embeddings, and of the output head where it is tied to them; rows
    of an untied output head are `old_head_rows` and `new_head_rows`. New rows are those of pieces that the run's
    tokenizer adds to the base's. `norms` are the norms and biases; `backbone` is the rest.
    """

    backbone: GroupConfig = GroupConfig()
    norms: GroupConfig = GroupConfig()
    old_rows: GroupConfig = GroupConfig()
    new_rows: GroupConfig = GroupConfig()
    old_head_rows: GroupConfig = GroupConfig()
    new_head_rows: GroupConfig = GroupConfig()


class LoraConfig(Record):
    """Low-rank updates in place of the backbone's matrices, merged into them at the end.

    `targets` are names of linear layers, all of the backbone where none is given. With `embeddings` the input table
    and the output head are trained in full. `four_bit` keeps the frozen matrices in 4 bits (QLoRA).
    """

    rank: PositiveCount = 16
    alpha: PositiveFloat = 32.0
    targets: tuple[str, ...] = ()
    embeddings: bool = True
    four_bit: bool = False


class StepsConfig(Record):
    """How a training stage takes its optimizer steps (AdamW, bias-corrected, decoupled decay).

    The learning rate rises linearly over `warmup_steps` and stays at its peak. By `schedule` it then falls linearly
    to zero over the last `decay_share` of the rows (warmup-stable-decay, the only one whose budgets share a trunk),
    follows a cosine to zero at the end of the budget, or stays (constant).

    In the first `only_new_rows_steps` steps only rows of new pieces are trained. `precision`: float32; bf16 (products
    in bf16, weights and state in float32); pure-bf16 (weights in bf16 too, rounded stochastically); float8 (as bf16,
    products of the backbone in float8 where the hardware has it).
    """

    peak_learning_rate: Annotated[float, Field(gt=0, le=1)]
    row_tokens: PositiveCount = 2048
    batch_tokens: PositiveCount = 16_384
    warmup_steps: Count = 20
    decay_share: Share = 0.2
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    beta1: Share = 0.9
    beta2: Share = 0.95
    clip_norm: PositiveFloat = 1.0
    schedule: Literal["warmup-stable-decay", "cosine", "constant"] = "warmup-stable-decay"
    precision: Literal["bf16", "float32", "pure-bf16", "float8"] = "bf16"
    optimizer_state: Literal["float32", "8-bit"] = "float32"
    groups: GroupsConfig = GroupsConfig()
    only_new_rows_steps: Count = 0
    lora: LoraConfig | None = None

    @model_validator(mode="after")
    def _whole_rows(self) -> "StepsConfig":
        if self.batch_tokens % self.row_tokens:
            raise ValueError(f"batch_tokens {self.batch_tokens} is not a multiple of row_tokens {self.row_tokens}")
        return self

    @property
    def batch_rows(self) -> int:
        """Rows of one optimizer step."""
        return self.batch_tokens // self.row_tokens

    @property
    def tells_new_rows_apart(self) -> bool:
        """Whether rows of new pieces are trained otherwise than those of old ones."""
        plain = GroupConfig()
        alike = self.groups.new_rows == plain and self.groups.new_head_rows == plain
        return bool(self.only_new_rows_steps) or not alike

    def acting(self, *, extends: bool) -> "StepsConfig":
        """These steps with every setting that does not act at its default; `extends`: whether there are new pieces."""
        unused: dict[str, object] = {}
        if self.schedule != "warmup-stable-decay":
            unused["decay_share"] = StepsConfig.model_fields["decay_share"].default
        if not extends:
            plain = {"new_rows": GroupConfig(), "new_head_rows": GroupConfig()}
            unused |= {"only_new_rows_steps": 0, "groups": self.groups.model_copy(update=plain)}
        return self.model_copy(update=unused)
