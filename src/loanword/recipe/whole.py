"""A recipe: one config a stage, and a seed."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from loanword.recipe.asking import BenchmarkConfig, GradesConfig, LikelihoodsConfig, ResponsesConfig
from loanword.recipe.judging import AGAINST, OF_COHERENCE, AlignmentConfig, JudgeConfig, SwitchingConfig
from loanword.recipe.making import (
    BaseConfig,
    ConversationsConfig,
    ExtendedTokenizerConfig,
    InitialisationConfig,
    PretrainingConfig,
    ProbeConfig,
    TokensConfig,
    TuningConfig,
)
from loanword.recipe.steps import StepsConfig
from loanword.recipe.text import CorpusConfig, InstructionsConfig, OverlapConfig, SourceConfig
from loanword.records import Count, Language, PartName, Record

_LANGUAGE = TypeAdapter[str](Language)


class Recipe(Record):
    """Everything that decides what one run produces.

    Corpora and instructions are called by the language that they are in, or by any name where `language` says it.
    """

    seed: Count = 0
    source: Language = "en"
    target: Language
    base: BaseConfig
    corpus: dict[PartName, CorpusConfig] = Field(default_factory=dict)
    tokenizer: ExtendedTokenizerConfig = ExtendedTokenizerConfig()
    initialisation: InitialisationConfig = InitialisationConfig()
    probe: ProbeConfig = ProbeConfig()
    tokens: TokensConfig = TokensConfig()
    pretraining: PretrainingConfig | None = None
    instructions: dict[PartName, InstructionsConfig] = Field(default_factory=dict)
    conversations: ConversationsConfig = ConversationsConfig()
    tuning: TuningConfig = TuningConfig()
    likelihoods: LikelihoodsConfig = LikelihoodsConfig()
    benchmarks: dict[PartName, BenchmarkConfig] = Field(default_factory=dict)
    responses: ResponsesConfig = ResponsesConfig()
    grades: GradesConfig = GradesConfig()
    judges: dict[PartName, JudgeConfig] = Field(default_factory=lambda: {"rules": JudgeConfig(rules=True)})
    switching: SwitchingConfig = SwitchingConfig()
    alignment: AlignmentConfig = AlignmentConfig()
    overlap: OverlapConfig = OverlapConfig()

    @model_validator(mode="after")
    def _whole(self) -> "Recipe":
        missing = [f"corpus.{name}: missing" for name in self.corpora if name not in self.corpus]
        missing += [*_nameless("corpus", self.corpus), *_nameless("instructions", self.instructions)]
        unknown = [name for name in self.responses.benchmarks if name not in self.benchmarks]
        missing += [f"responses.benchmarks: {name!r} is not described under benchmarks" for name in unknown]
        missing += self._misnamed_judges()
        if self.tuning.num_conversations:
            if self.tuning.steps is None:
                missing.append("tuning.steps: missing")
            elif self.tuning.steps.row_tokens != self.conversations.row_tokens:
                missing.append("tuning.steps.row_tokens: must equal conversations.row_tokens")
            unread = [name for name in self.conversations.shares if name not in self.instructions]
            missing += [f"instructions.{name}: missing, and conversations.shares names it" for name in unread]
            if not self.instructions:
                missing.append("instructions: missing; name files under instructions.LANGUAGE")
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
        if self.base.served is not None and (self._changes_base or self.likelihoods.texts or self.alignment.texts):
            missing.append("base.served: a served model can answer benchmarks, but neither be trained nor read text")
        if missing:
            raise ValueError("; ".join(missing))
        return self

    def _misnamed_judges(self) -> Iterator[str]:
        for name, judge in self.judges.items():
            if name.endswith(OF_COHERENCE) or AGAINST in f"{name}.":
                kept = f"{OF_COHERENCE!r} or {AGAINST!r}"
                yield f"judges.{name}: the name holds {kept}, which stand behind names of judges"
            if judge.coherence and not self.switching.measure:
                yield f"judges.{name}.coherence: nobody looks for switches: switching.measure is false"
            for other in judge.of:
                if other not in self.judges:
                    yield f"judges.{name}.of: {other!r} is not described under judges"
                elif self.judges[other].of:
                    yield f"judges.{name}.of: {other!r} is a panel itself"
                elif self.judges[other].rules:
                    yield f"judges.{name}.of: {other!r} goes by rules, whose numbers mean something else"
                elif self.judges[other].rubric != judge.rubric:
                    yield f"judges.{name}.of: {other!r} has another rubric ({self.judges[other].rubric})"
            unknown = [of for of in judge.benchmarks if of not in self.benchmarks]
            yield from (f"judges.{name}.benchmarks: {of!r} is not described under benchmarks" for of in unknown)

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
        shares, source_shares = self.pretraining.shares, self.pretraining.source_shares
        changes: dict[str, object] = {"steps": self.pretraining.steps.acting(extends=self.tokenizer.num_new_pieces > 0)}
        if len(shares) < 2:
            changes["shares"] = {}
        if len(source_shares) < 2 or not self.pretraining.replay:
            changes["source_shares"] = {}
        if len(shares) < 2 and "source_shares" in changes:
            changes |= {"weigh": "as-written", "temperature": 1.0}
        return self.pretraining.model_copy(update=changes)

    @property
    def acting_tokenizer(self) -> ExtendedTokenizerConfig:
        """The extension of this run without settings that do not act, and with the shares of what it learns from."""
        shares = self.tokenizer.shares or (self.pretraining.shares if self.pretraining is not None else {})
        return self.tokenizer.model_copy(update={"shares": shares if len(shares) > 1 else {}}).acting

    @property
    def target_corpora(self) -> list[str]:
        """The corpora of target text in order of their names; without any, the one that is called as the target."""
        return sorted(self.pretraining.shares if self.pretraining is not None else ()) or [self.target]

    @property
    def vocabulary_corpora(self) -> list[str]:
        """The corpora that new pieces are learned from, in order of their names."""
        return sorted(self.tokenizer.shares) or self.target_corpora

    @property
    def source_corpus(self) -> str:
        """The corpus that a base is trained on, and that shows what new pieces do to source text."""
        return self.source if self.source in self.corpus else self.source_corpora[0]

    @property
    def source_corpora(self) -> list[str]:
        """The corpora of replay in order of their names; without any, the one that is called as the source."""
        return sorted(self.pretraining.source_shares if self.pretraining is not None else ()) or [self.source]

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
    def corpora(self) -> list[str]:
        """Which of `corpus` act in this run, those of the source first; those of `base.train.also` are others."""
        extends = self.tokenizer.num_new_pieces > 0
        pretraining = self.acting_pretraining
        replays = pretraining is not None and pretraining.replay > 0
        watches = pretraining is not None and pretraining.watch is not None
        named: list[str] = []
        if self.base.train is not None or extends or watches:
            named.append(self.source_corpus)
        if replays:
            named += self.source_corpora
        if extends:
            named += self.vocabulary_corpora
        if pretraining is not None or extends:
            named += self.target_corpora
        return list(dict.fromkeys(named))

    @property
    def tuned_on(self) -> list[str]:
        """Which of `instructions` act in this run, in order of their names."""
        return sorted(self.conversations.shares or self.instructions) if self.tuning.num_conversations else []


Source = TypeVar("Source", bound=SourceConfig)


def in_language(name: str, config: Source) -> Source:
    """A corpus, or instructions, with the language that they are in: the one that is said, or else their name."""
    return config.model_copy(update={"language": name}) if config.language == "und" else config


def _nameless(section: str, configs: Mapping[str, SourceConfig]) -> Iterator[str]:
    for name, config in configs.items():
        try:
            _LANGUAGE.validate_python(in_language(name, config).language)
        except ValidationError:
            yield f"{section}.{name}.language: missing, and {name!r} is no language's code"
