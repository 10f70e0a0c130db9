"""How responses are judged, looked through for other languages, and how a model's own vectors are compared."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from loanword.recipe.making import BaseConfig
from loanword.records import Count, Language, PartName, PositiveCount, Record, SourcePath

RubricName = Literal["llm-eval-0-3", "llm-eval-1-3", "points", "coherence", "rules"]
"""Items and scale: those of LLM-Eval as in arXiv 2401.01055 (0-3) or as published (1-3), an examination's points,
whether a response that switches languages hangs together, and what rules can see."""

OF_COHERENCE = " (coherence)"
"""Behind a judge's name where it says whether responses that switch languages hang together."""
AGAINST = ".against."
"""Between a judge's name and a control's where it compares two runs."""

_FOR_MODELS = frozenset({"repeats", "pairwise", "coherence", "chat", "max_new_tokens", "temperature", "seed"})
_ACTING: Mapping[str, frozenset[str]] = {
    "rules": frozenset(),
    "model": _FOR_MODELS | {"rubric"},
    "of": frozenset({"rubric", "combine"}),
    "ratings": frozenset({"rubric"}),
}
"""By what a judge is, the settings that say how it judges."""


class JudgeConfig(Record):
    """Who rates the responses to open questions: exactly one of rules, a model, a panel of other judges, or people.

    `rules` reads accepted answers and properties in the question file. `model` is named as a base is: one that a server
    has, a Hub id, or a folder. A panel (`of`) takes the `combine` of its judges' scores, item by item. `ratings` is a
    file of what people gave. `benchmarks` are those it judges, all open ones where none is named. `repeats` asks a
    model again, to see whether it agrees with itself. `pairwise` also compares an arm's responses with its control's,
    in both orders; `coherence` also asks whether responses that switch languages hang together. A setting that does
    not act is refused.
    """

    rules: bool = False
    model: BaseConfig | None = None
    of: tuple[PartName, ...] = ()
    ratings: SourcePath | None = None
    rubric: Literal["llm-eval-0-3", "llm-eval-1-3"] = "llm-eval-0-3"
    benchmarks: tuple[str, ...] = ()
    combine: Literal["mean", "median"] = "mean"
    repeats: PositiveCount = 1
    pairwise: bool = False
    coherence: bool = False
    chat: bool = True
    max_new_tokens: PositiveCount = 512
    temperature: Annotated[float, Field(ge=0)] = 0.0
    seed: Count = 0

    @model_validator(mode="after")
    def _one_kind(self) -> "JudgeConfig":
        kinds = [self.rules, self.model is not None, bool(self.of), self.ratings is not None]
        if sum(kinds) != 1:
            raise ValueError("give exactly one of rules = true, model, of (judges of a panel), ratings (a file)")
        kind = next(name for name in _ACTING if getattr(self, name))
        fields = JudgeConfig.model_fields
        given = {name for name in fields if getattr(self, name) != fields[name].default}
        if idle := sorted(given - _ACTING[kind] - {kind, "benchmarks"}):
            raise ValueError(f"{', '.join(idle)}: nothing that acts on a judge by {kind}; leave it out")
        if self.of and (len(self.of) < 2 or len(set(self.of)) < len(self.of)):
            raise ValueError("of: a panel is of two judges or more, each named once")
        if self.model is not None and self.model.train is not None:
            raise ValueError("model: a judge is not trained here; name a served model, a Hub id or a folder")
        if self.model is not None and self.model.served is None and self.repeats > 1 and not self.temperature:
            raise ValueError("repeats: at temperature 0 a checkpoint says the same again; give a temperature")
        return self


class JudgementsConfig(Record):
    """What one judge is asked about one benchmark's responses; `only_switched` leaves out those that do not switch."""

    kind: Literal["rules", "model", "people"]
    rubric: RubricName
    ratings: SourcePath | None = None
    repeats: PositiveCount = 1
    only_switched: bool = False
    chat: bool = True
    max_new_tokens: PositiveCount = 512
    temperature: Annotated[float, Field(ge=0)] = 0.0
    seed: Count = 0
    prompt_version: Literal[1] = 1


class RatingsConfig(Record):
    """How raw judgements become numbers; `combine` where they are those of several judges."""

    combine: Literal["mean", "median"] | None = None
    rating_version: Literal[1] = 1


class SwitchingConfig(Record):
    """What counts as leaving a language, in responses that are generated; `measure` = false looks at none.

    A word in the language's own script counts where another language than the expected one is at least `min_posterior`
    likely for it, or where it and its neighbour are, together. `known` are words that count as the language's own:
    loans, names, terms. `languages` are looked for, word by word, beside the expected one: a run's source and target,
    where none is named. Clauses of others, and other scripts, are found without being named.
    """

    measure: bool = True
    languages: tuple[Language, ...] = ()
    min_posterior: Annotated[float, Field(gt=0.5, le=1)] = 0.8
    known: tuple[str, ...] = ()
    detection_version: Literal[1] = 1


class MeasuredSwitchingConfig(Record):
    """Which language responses are to be in, and what counts as leaving it."""

    language: Language
    switching: SwitchingConfig


class AlignmentConfig(Record):
    """Parallel text by language (line by line the same), of which a model's vectors are compared layer by layer.

    A sentence's vector is the mean over its tokens, or that of its last one. Pairs are those of the `source` with each
    other language.
    """

    texts: dict[Language, SourcePath] = Field(default_factory=dict[Language, SourcePath])
    source: Language = "en"
    limit_sentences: PositiveCount | None = None
    pooling: Literal["mean", "last"] = "mean"

    @model_validator(mode="after")
    def _pairs(self) -> "AlignmentConfig":
        if self.texts and (self.source not in self.texts or len(self.texts) < 2):
            raise ValueError(f"texts: give one in {self.source!r} (source) and one in another language at least")
        return self
