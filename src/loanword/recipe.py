"""Everything that decides what one run produces: one config a stage, and a seed.

These records are the sections of a study file, and the configs of the stages that they name. Where a stage
needs less than its section holds, or more than one section, its config is made of the parts that act, so
that a setting that changes nothing names nothing.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from loanword.records import (
    Count,
    Language,
    PositiveCount,
    PositiveFloat,
    Record,
    Share,
    SourcePath,
)


class CheckpointSource:
    """Marks a field that names a checkpoint: a folder by content, or a Hub id by commit."""


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


class CorpusConfig(Record):
    """Source files of one language, and what of them is kept. Order and held-out split follow `split_seed`."""

    language: Language = "und"
    files: tuple[SourcePath, ...] = Field(min_length=1)
    text_field: str = "text"
    limit_bytes: PositiveCount | None = None
    held_out_documents: Count = 100
    min_characters: Count = 1
    broken_lines: Literal["fatal", "quarantine"] = "fatal"
    split_seed: Count = 0


class LearnedTokenizerConfig(Record):
    """A tokenizer learned from nothing: SentencePiece BPE with byte fallback."""

    num_pieces: Annotated[int, Field(ge=300)]
    sample_bytes: PositiveCount = 10_000_000


class ExtendedTokenizerConfig(Record):
    """Pieces added to the base's tokenizer by continued BPE on target text; no base id moves."""

    num_new_pieces: Count = 0
    sample_bytes: PositiveCount = 10_000_000
    gate_bytes: PositiveCount = 5_000_000
    initialisation: Literal["mean"] = "mean"


class TrainedBaseConfig(Record):
    """A base that the study trains from its source corpus."""

    architecture: ArchitectureConfig
    tokenizer: LearnedTokenizerConfig
    num_tokens: PositiveCount
    steps: StepsConfig


class BaseConfig(Record):
    """Where the base comes from: a checkpoint (`model`, a folder or a Hub id), or training here (`train`).

    A checkpoint may need what others published for it, each a folder or a Hub id (`id`, or `id@revision`). `patch`:
    tensors added to those of `original_weights` (else of `model`). `adapter`: LoRA adapters in peft's layout, one or
    several, merged in order; tables that come with one replace the base's. `tokenizer` replaces the base's tokenizer;
    without it the last adapter or the patch that has a tokenizer of its own gives it.
    """

    model: Annotated[str, CheckpointSource()] | None = None
    revision: str | None = None
    patch: Annotated[str, CheckpointSource()] | None = None
    original_weights: Annotated[str, CheckpointSource()] | None = None
    adapter: tuple[Annotated[str, CheckpointSource()], ...] = ()
    tokenizer: Annotated[str, CheckpointSource()] | None = None
    train: TrainedBaseConfig | None = None

    @field_validator("adapter", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value  # type: ignore[arg-type]

    @model_validator(mode="after")
    def _one_origin(self) -> "BaseConfig":
        if (self.model is None) == (self.train is None):
            raise ValueError("give either model (a folder or a Hub id) or train (an architecture and a budget)")
        parts = ("revision", "patch", "original_weights", "adapter", "tokenizer")
        if self.model is None and (given := [name for name in parts if getattr(self, name)]):
            raise ValueError(f"{' and '.join(given)} {'goes' if len(given) == 1 else 'go'} with model")
        if self.original_weights is not None and self.patch is None:
            raise ValueError("original_weights goes with patch")
        return self

    @property
    def parts(self) -> tuple[str, ...]:
        """What is put to the model, as the study names it."""
        named = (self.patch, self.original_weights, *self.adapter, self.tokenizer)
        return tuple(name for name in named if name is not None)


class TokensConfig(Record):
    """How documents become ids: each one is BOS, its ids, EOS. Rows are cut when they are read."""


class WatchConfig(Record):
    """Bits per byte of held-out text along the way: of the target, and of the source as an alarm for retention.

    The texts are the first `probe_bytes` of either corpus's held-out split, the same in every run. The alarm goes off
    where source bits per byte rise more than `retention_budget_bits` above what they were at the start.
    """

    every_tokens: PositiveCount
    probe_bytes: PositiveCount = 200_000
    retention_budget_bits: PositiveFloat | None = None
    alarm: Literal["warn", "stop"] = "warn"


class PretrainingConfig(Record):
    """Further pretraining: target text up to `budget`, source text on top as `replay` share of all rows."""

    budget: Budget = Budget(bytes=0)
    replay: Share = 0.0
    allow_epochs: bool = False
    watch: WatchConfig | None = None
    steps: StepsConfig


class TrunkConfig(Record):
    """The constant-rate trajectory up to where the decay towards `budget` leaves it."""

    budget: Budget
    replay: Share
    allow_epochs: bool
    watch: WatchConfig | None
    steps: StepsConfig


class ConversationsConfig(Record):
    """Instruction data; subsets are nested, so 1,000 are the start of 5,000 are the start of the whole."""

    files: tuple[SourcePath, ...] = ()
    num_conversations: Count | None = None
    row_tokens: PositiveCount = 2048
    template: Literal["alpaca"] = "alpaca"


class TuningConfig(Record):
    """Instruction tuning on response tokens."""

    num_conversations: Count = 0
    epochs: PositiveCount = 1
    steps: StepsConfig | None = None


class LikelihoodsConfig(Record):
    """Held-out text by language, one document a line (.txt) or a record (.jsonl), and how windows slide."""

    texts: dict[Language, SourcePath] = Field(default_factory=dict)
    window_tokens: PositiveCount = 2048
    stride_tokens: PositiveCount = 1024
    limit_documents: PositiveCount | None = None

    @model_validator(mode="after")
    def _stride_fits(self) -> "LikelihoodsConfig":
        if self.stride_tokens > self.window_tokens:
            raise ValueError(f"stride_tokens {self.stride_tokens} is larger than window_tokens {self.window_tokens}")
        return self


class BenchmarkConfig(Record):
    """One benchmark as it lies on disk and as it is asked; `limit_examples` counts per subject."""

    name: str = ""
    folder: SourcePath
    split: Literal["val", "test", "dev"] = "val"
    subjects: tuple[str, ...] = ()
    limit_examples: PositiveCount | None = None
    num_shots: Count = 5
    protocol: Literal["official"] = "official"
    choice_ids: Literal["in-context", "isolated"] = "in-context"
    prompt_version: Literal[1] = 1


class ResponsesConfig(Record):
    """Which of the recipe's benchmarks this run answers."""

    benchmarks: tuple[str, ...] = ()


class GradesConfig(Record):
    """How responses are judged."""

    grading_version: Literal[1] = 1


class Recipe(Record):
    """Everything that decides what one run produces."""

    seed: Count = 0
    source: Language = "en"
    target: Language
    base: BaseConfig
    corpus: dict[Language, CorpusConfig] = Field(default_factory=dict)
    tokenizer: ExtendedTokenizerConfig = ExtendedTokenizerConfig()
    tokens: TokensConfig = TokensConfig()
    pretraining: PretrainingConfig | None = None
    conversations: ConversationsConfig = ConversationsConfig()
    tuning: TuningConfig = TuningConfig()
    likelihoods: LikelihoodsConfig = LikelihoodsConfig()
    benchmarks: dict[str, BenchmarkConfig] = Field(default_factory=dict)
    responses: ResponsesConfig = ResponsesConfig()
    grades: GradesConfig = GradesConfig()

    @model_validator(mode="after")
    def _whole(self) -> "Recipe":
        missing = [f"corpus.{language}: missing" for language in self.languages if language not in self.corpus]
        unknown = [name for name in self.responses.benchmarks if name not in self.benchmarks]
        missing += [f"responses.benchmarks: {name!r} is not described under benchmarks" for name in unknown]
        if self.tuning.num_conversations:
            if self.tuning.steps is None:
                missing.append("tuning.steps: missing")
            elif self.tuning.steps.row_tokens != self.conversations.row_tokens:
                missing.append("tuning.steps.row_tokens: must equal conversations.row_tokens")
            if not self.conversations.files:
                missing.append("conversations.files: missing")
        for path, steps in (("tuning.steps", self.tuning.steps), ("base.train.steps", self._base_steps)):
            if steps is not None and steps.tells_new_rows_apart:
                told = "only_new_rows_steps, groups.new_rows and groups.new_head_rows act in further pretraining alone"
                missing.append(f"{path}: {told}")
        if self._base_steps is not None and self._base_steps.lora is not None:
            missing.append("base.train.steps.lora: a base is trained whole")
        if missing:
            raise ValueError("; ".join(missing))
        return self

    @property
    def _base_steps(self) -> StepsConfig | None:
        return None if self.base.train is None else self.base.train.steps

    @property
    def acting_pretraining(self) -> PretrainingConfig | None:
        """The further pretraining of this run without settings that do not act; None where there is none."""
        if self.pretraining is None or not self.pretraining.budget.amount:
            return None
        steps = self.pretraining.steps.acting(extends=self.tokenizer.num_new_pieces > 0)
        return self.pretraining.model_copy(update={"steps": steps})

    @property
    def languages(self) -> list[str]:
        """Languages whose corpora act in this run, the source first."""
        extends = self.tokenizer.num_new_pieces > 0
        pretraining = self.acting_pretraining
        pretrains = pretraining is not None
        reads_source = pretrains and (pretraining.replay > 0 or pretraining.watch is not None)
        trains_base = self.base.train is not None
        needed = {self.source: trains_base or extends or reads_source, self.target: extends or pretrains}
        return [language for language, acts in needed.items() if acts]
