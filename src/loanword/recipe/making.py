"""What a run's model is made of: text, tokenizer, base, further pretraining, instruction tuning."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from loanword.recipe.steps import ArchitectureConfig, Budget, StepsConfig
from loanword.recipe.text import CorpusConfig, at_defaults
from loanword.records import Count, Language, PartName, PositiveCount, PositiveFloat, Record, Share, SourcePath


class CheckpointSource:
    """Marks a field that names a checkpoint: a folder by content, or a Hub id by commit."""


class LearnedTokenizerConfig(Record):
    """A tokenizer learned from nothing: SentencePiece BPE with byte fallback."""

    num_pieces: Annotated[int, Field(ge=300)]
    sample_bytes: PositiveCount = 10_000_000


class ExtendedTokenizerConfig(Record):
    """Pieces added to the base's tokenizer; no base id moves.

    `continued-bpe` goes on with the base's merges on target text, and leaves out those that would fire in the first
    `gate_bytes` of source text; where held-out source words still change beyond a share of `max_source_change`, the
    stage fails. `append` is the recipe of Chinese-LLaMA, which others are compared with: pieces of a SentencePiece
    model (`pieces_from`, else one that is learned on the target text) stand behind the base's with score 0, whatever
    that does to source text. `shares` are those of several target corpora in the text that is learned from; without
    them, as in further pretraining.
    """

    num_new_pieces: Count = 0
    shares: dict[PartName, PositiveFloat] = Field(default_factory=dict)
    method: Literal["continued-bpe", "append"] = "continued-bpe"
    pieces_from: SourcePath | None = None
    sample_bytes: PositiveCount = 10_000_000
    gate_bytes: PositiveCount = 20_000_000
    max_source_change: Share = 0.0005

    @model_validator(mode="after")
    def _appended_pieces(self) -> "ExtendedTokenizerConfig":
        if self.pieces_from is not None and self.method != "append":
            raise ValueError(f'pieces_from goes with method = "append" (got {self.method!r})')
        return self

    @property
    def acting(self) -> "ExtendedTokenizerConfig":
        """These settings with every one that does not act at its default."""
        unused: set[str] = set()
        if self.method == "append":
            unused |= {"gate_bytes", "max_source_change"}
        if self.pieces_from is not None:
            unused.add("sample_bytes")
        return at_defaults(self, unused)


Initialiser = Literal[
    "random", "mean-of-all", "gaussian", "mean-of-constituents", "frequency-weighted", "norm-corrected", "focus"
]
"""Ways to give a new piece its row (docs/numbers.md defines each)."""


class InitialisationConfig(Record):
    """What rows of new pieces start from: in the input table, and in the output head where it is not tied to it.

    Some look at the first `sample_bytes` of target text. Rows that no piece has fill the tables up to a multiple of
    `pad_to_multiple_of`.
    """

    input: Initialiser = "mean-of-constituents"
    output: Initialiser = "mean-of-constituents"
    sample_bytes: PositiveCount = 10_000_000
    pad_to_multiple_of: PositiveCount = 1

    @property
    def draws(self) -> bool:
        """Whether rows depend on a seed."""
        return not {"random", "gaussian"}.isdisjoint((self.input, self.output))

    @property
    def reads_text(self) -> bool:
        """Whether rows depend on target text."""
        return not {"frequency-weighted", "focus"}.isdisjoint((self.input, self.output))

    @property
    def acting(self) -> "InitialisationConfig":
        """These settings with every one that does not act at its default."""
        return self if self.reads_text else at_defaults(self, ["sample_bytes"])


class ProbeConfig(Record):
    """Candidates for `initialisation`, each trained for `num_steps` steps on the same rows and then measured.

    The rows are the first of target text, with `replay` of source text, at `steps` (without them, at those of
    `pretraining`), warmed up and then at a constant rate. Measured is the first `held_out_bytes` of either corpus's
    held-out split, by document, before and after.
    """

    candidates: dict[PartName, InitialisationConfig] = Field(default_factory=dict)
    num_steps: PositiveCount = 50
    held_out_bytes: PositiveCount = 200_000
    replay: Share = 0.0
    steps: StepsConfig | None = None


class TrainedBaseConfig(Record):
    """A base that the study trains from its source corpus, and from text of other languages where `also` names any.

    `num_tokens` counts source text. Other languages come on top as `also_share` of all rows, so that there are
    num_tokens / (1 - also_share) tokens in all; they take turns row by row, and each begins again at its end. The
    tokenizer is learned from source text alone: bases that differ in `also` share it, and so differ in one factor.
    """

    architecture: ArchitectureConfig
    tokenizer: LearnedTokenizerConfig
    num_tokens: PositiveCount
    steps: StepsConfig
    also: dict[Language, CorpusConfig] = Field(default_factory=dict)
    also_share: Share = 0.08

    @model_validator(mode="after")
    def _share_of_what_is_named(self) -> "TrainedBaseConfig":
        if self.also and not self.also_share:
            raise ValueError(
                f"also_share must be above 0 where also names languages (got {self.also_share}); "
                "a base of source text alone has no also"
            )
        return self

    @property
    def acting_also_share(self) -> float:
        """Share of all rows that are of other languages: 0 where none is named."""
        return self.also_share if self.also else 0.0

    @property
    def acting(self) -> "TrainedBaseConfig":
        """This base with every setting that does not act at its default, and each of `also` in its language."""
        also = {language: text.model_copy(update={"language": language}).acting for language, text in self.also.items()}
        share = self.also_share if self.also else TrainedBaseConfig.model_fields["also_share"].default
        steps = self.steps.acting(extends=False)
        return self.model_copy(update={"steps": steps, "also": also, "also_share": share})


class BaseConfig(Record):
    """Where the base comes from: a checkpoint (`model`, a folder or a Hub id), or training here (`train`).

    `served` is a model by the name under which the Execution's server has it: it can be asked, and nothing else.

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
    served: Annotated[str, Field(min_length=1)] | None = None

    @field_validator("adapter", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value  # type: ignore[arg-type]

    @model_validator(mode="after")
    def _one_origin(self) -> "BaseConfig":
        if sum(origin is not None for origin in (self.model, self.train, self.served)) != 1:
            raise ValueError(
                "give either model (a folder or a Hub id) or train (an architecture and a budget), or served (a name)"
            )
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
    """Further pretraining: target text up to `budget`, source text on top as `replay` share of all rows.

    `shares` names corpora that the target text is drawn from with their weights in text, `source_shares` those of
    replay; without them it is the one corpus that is called as the target, or the source. Weights are raised to
    1 / `temperature`: at 1 they are as written, above it they come closer to each other. `weigh` = "size" takes the
    size of a corpus as its weight, times the one that is written.
    """

    budget: Budget = Budget(bytes=0)
    replay: Share = 0.0
    shares: dict[PartName, PositiveFloat] = Field(default_factory=dict)
    source_shares: dict[PartName, PositiveFloat] = Field(default_factory=dict)
    weigh: Literal["as-written", "size"] = "as-written"
    temperature: PositiveFloat = 1.0
    allow_epochs: bool = False
    watch: WatchConfig | None = None
    steps: StepsConfig


class TrunkConfig(Record):
    """The constant-rate trajectory up to where the decay towards `budget` leaves it."""

    budget: Budget
    replay: Share
    shares: dict[PartName, PositiveFloat]
    source_shares: dict[PartName, PositiveFloat]
    weigh: Literal["as-written", "size"]
    temperature: PositiveFloat
    allow_epochs: bool
    watch: WatchConfig | None
    steps: StepsConfig


class ConversationsConfig(Record):
    """Instructions as rows; subsets are nested, so 1,000 are the start of 5,000 are the start of the whole.

    `shares` names sources of `instructions` with their weights in conversations; without it all have the same. The
    template is one of ours, or the one that the base comes with (model).
    """

    shares: dict[PartName, PositiveFloat] = Field(default_factory=dict)
    num_conversations: Count | None = None
    row_tokens: PositiveCount = 2048
    template: Literal["alpaca", "llama-2", "chatml", "model"] = "alpaca"


class TuningConfig(Record):
    """Instruction tuning on response tokens."""

    num_conversations: Count = 0
    epochs: PositiveCount = 1
    steps: StepsConfig | None = None
