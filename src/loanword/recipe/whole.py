"""A recipe: one config a stage, and a seed."""

from pydantic import Field, model_validator

from loanword.recipe.asking import BenchmarkConfig, GradesConfig, LikelihoodsConfig, ResponsesConfig
from loanword.recipe.making import (
    BaseConfig,
    ConversationsConfig,
    CorpusConfig,
    ExtendedTokenizerConfig,
    InitialisationConfig,
    PretrainingConfig,
    ProbeConfig,
    TokensConfig,
    TuningConfig,
)
from loanword.recipe.steps import StepsConfig
from loanword.records import Count, Language, PartName, Record


class Recipe(Record):
    """Everything that decides what one run produces."""

    seed: Count = 0
    source: Language = "en"
    target: Language
    base: BaseConfig
    corpus: dict[Language, CorpusConfig] = Field(default_factory=dict)
    tokenizer: ExtendedTokenizerConfig = ExtendedTokenizerConfig()
    initialisation: InitialisationConfig = InitialisationConfig()
    probe: ProbeConfig = ProbeConfig()
    tokens: TokensConfig = TokensConfig()
    pretraining: PretrainingConfig | None = None
    conversations: ConversationsConfig = ConversationsConfig()
    tuning: TuningConfig = TuningConfig()
    likelihoods: LikelihoodsConfig = LikelihoodsConfig()
    benchmarks: dict[PartName, BenchmarkConfig] = Field(default_factory=dict)
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
        probe_steps = self._probe_steps
        if self.probe.candidates and probe_steps is None:
            missing.append("probe.steps: missing, and no pretraining.steps to take")
        elif self.probe.candidates and probe_steps and probe_steps.warmup_steps >= self.probe.num_steps:
            told = f"must be more than the {probe_steps.warmup_steps:,} warm-up steps of its steps"
            missing.append(f"probe.num_steps: {told} (got {self.probe.num_steps:,})")
        for path, steps in (("tuning.steps", self.tuning.steps), ("base.train.steps", self._base_steps)):
            if steps is not None and steps.tells_new_rows_apart:
                told = "only_new_rows_steps, groups.new_rows and groups.new_head_rows act in further pretraining alone"
                missing.append(f"{path}: {told}")
        if self._base_steps is not None and self._base_steps.lora is not None:
            missing.append("base.train.steps.lora: a base is trained whole")
        if self.base.train is not None and self.source in self.base.train.also:
            told = "is the source language, which the base reads by num_tokens; name other languages"
            missing.append(f"base.train.also.{self.source}: {told}")
        if self.base.served is not None and (self._changes_base or self.likelihoods.texts):
            missing.append("base.served: a served model can answer benchmarks, but neither be trained nor read text")
        if missing:
            raise ValueError("; ".join(missing))
        return self

    @property
    def _changes_base(self) -> bool:
        return bool(self.tokenizer.num_new_pieces or self.acting_pretraining or self.tuning.num_conversations)

    @property
    def _base_steps(self) -> StepsConfig | None:
        return None if self.base.train is None else self.base.train.steps

    @property
    def acting_base(self) -> BaseConfig:
        """The base of this run without settings that do not act."""
        train = self.base.train
        return self.base if train is None else self.base.model_copy(update={"train": train.acting})

    @property
    def acting_pretraining(self) -> PretrainingConfig | None:
        """The further pretraining of this run without settings that do not act; None where there is none."""
        if self.pretraining is None or not self.pretraining.budget.amount:
            return None
        steps = self.pretraining.steps.acting(extends=self.tokenizer.num_new_pieces > 0)
        return self.pretraining.model_copy(update={"steps": steps})

    @property
    def _probe_steps(self) -> StepsConfig | None:
        return self.probe.steps or (None if self.pretraining is None else self.pretraining.steps)

    def _acting_rows(self, config: InitialisationConfig) -> InitialisationConfig:
        """An initialisation without settings that do not act: a head that is tied has no rows of its own."""
        train = self.base.train
        tied = train is not None and train.architecture.tied_embeddings
        return (config.model_copy(update={"output": config.input}) if tied else config).acting

    @property
    def acting_initialisation(self) -> InitialisationConfig:
        """How this run's new rows start, without settings that do not act."""
        return self._acting_rows(self.initialisation)

    @property
    def acting_probe(self) -> ProbeConfig | None:
        """The probe of this run without settings that do not act; None where there is nothing to probe."""
        if not (self.tokenizer.num_new_pieces and self.probe.candidates):
            return None
        steps = self._probe_steps
        assert steps is not None
        probed = steps.model_copy(update={"schedule": "constant"}).acting(extends=True)
        candidates = {name: self._acting_rows(self.probe.candidates[name]) for name in sorted(self.probe.candidates)}
        return self.probe.model_copy(update={"candidates": candidates, "steps": probed})

    @property
    def languages(self) -> list[str]:
        """Languages whose `corpus` acts in this run, the source first; those of `base.train.also` are others."""
        extends = self.tokenizer.num_new_pieces > 0
        pretraining = self.acting_pretraining
        pretrains = pretraining is not None
        reads_source = pretrains and (pretraining.replay > 0 or pretraining.watch is not None)
        trains_base = self.base.train is not None
        needed = {self.source: trains_base or extends or reads_source, self.target: extends or pretrains}
        return [language for language, acts in needed.items() if acts]
