"""Everything that decides what one run produces: one config a stage, and a seed.

These records are the sections of a study file, and the configs of the stages that they name. Where a stage
needs less than its section holds, or more than one section, its config is made of the parts that act, so
that a setting that changes nothing names nothing.
"""

from loanword.recipe.asking import (
    FIELD,
    Answering,
    BenchmarkConfig,
    ChoiceIds,
    DecodingConfig,
    DescriptionConfig,
    GradesConfig,
    LikelihoodsConfig,
    Precision,
    ResponsesConfig,
    Split,
    template_fields,
)
from loanword.recipe.making import (
    BaseConfig,
    CheckpointSource,
    ConversationsConfig,
    CorpusConfig,
    ExtendedTokenizerConfig,
    InitialisationConfig,
    Initialiser,
    LearnedTokenizerConfig,
    PretrainingConfig,
    ProbeConfig,
    TokensConfig,
    TrainedBaseConfig,
    TrunkConfig,
    TuningConfig,
    WatchConfig,
)
from loanword.recipe.steps import (
    ArchitectureConfig,
    Budget,
    GroupConfig,
    GroupsConfig,
    LoraConfig,
    StepsConfig,
)
from loanword.recipe.whole import (
    Recipe,
)

__all__ = [
    "FIELD",
    "Answering",
    "ArchitectureConfig",
    "BaseConfig",
    "BenchmarkConfig",
    "Budget",
    "CheckpointSource",
    "ChoiceIds",
    "ConversationsConfig",
    "CorpusConfig",
    "DecodingConfig",
    "DescriptionConfig",
    "ExtendedTokenizerConfig",
    "GradesConfig",
    "GroupConfig",
    "GroupsConfig",
    "InitialisationConfig",
    "Initialiser",
    "LearnedTokenizerConfig",
    "LikelihoodsConfig",
    "LoraConfig",
    "Precision",
    "PretrainingConfig",
    "ProbeConfig",
    "Recipe",
    "ResponsesConfig",
    "Split",
    "StepsConfig",
    "TokensConfig",
    "TrainedBaseConfig",
    "TrunkConfig",
    "TuningConfig",
    "WatchConfig",
    "template_fields",
]
