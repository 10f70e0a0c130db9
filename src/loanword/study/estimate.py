"""What a study will take before anything is built: text, tokens, FLOPs and disk of every artifact.

An estimate uses what is known (sizes of source files, shapes of models, counts of finished artifacts) and, where
nothing is, the assumptions below, which the plan prints. FLOPs: 6 per parameter and token in training, 2 in
evaluation, input embeddings counted only where they are the output head too, attention over a document left out.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath

from loanword.corpus.sources import local_files
from loanword.model.shape import DecoderShape, architecture_shape, published_shape
from loanword.recipe import (
    BaseConfig,
    BenchmarkConfig,
    Budget,
    CorpusConfig,
    ExtendedTokenizerConfig,
    InstructionsConfig,
    JudgementsConfig,
    LearnedTokenizerConfig,
    LikelihoodsConfig,
    PretrainingConfig,
    ProbeConfig,
    SourceConfig,
    StepsConfig,
    TrunkConfig,
    TuningConfig,
)
from loanword.records import CorpusCounts, TokenCounts, read_json
from loanword.store import Job, Sources, Store
from loanword.study.judging import JUDGEMENT_TOKENS, Requests

COMPRESSION = {".gz": 2.7, ".zst": 3.0, ".parquet": 2.5}
BYTES_PER_TOKEN = {"source": 3.6, "original": 1.2, "extended": 4.0}
BYTES_PER_DOCUMENT = 3_000
TOKENS_PER_CONVERSATION = 250
ASSUMPTIONS = (
    "bytes per token until counted: source text 3.6, target text 1.2 with the base's pieces and 4.0 with new ones; "
    "250 tokens a conversation; 1,080 tokens read and 120 written a judgement; compressed text unpacks 2.5 to 3 times"
)


@dataclass(frozen=True)
class Estimate:
    """What one artifact takes; `unknown` where a model's shape cannot be known yet.

    `num_requests` are those to a server that has judges; their tokens are read and written there. Of `num_more` it is
    not known how many are needed: they are about responses that switch languages, which are not there yet.
    """

    text_bytes: int = 0
    num_tokens: int = 0
    flops: float = 0.0
    disk_bytes: int = 0
    unknown: bool = False
    num_requests: int = 0
    num_more_requests: int = 0


class Estimator:
    """Estimates by job, each made once."""

    def __init__(self, store: Store, sources: Sources, finished: set[str]) -> None:
        self.store = store
        self.sources = sources
        self.finished = finished
        self._made: dict[str, Estimate] = {}
        self._shapes: dict[str, DecoderShape | None] = {}
        self.requests = Requests(store, sources, finished)

    def of(self, job: Job) -> Estimate:
        """What a job takes."""
        if job.key not in self._made:
            estimate = ESTIMATES.get(job.stage)
            self._made[job.key] = estimate(self, job) if estimate else Estimate()
        return self._made[job.key]

    def shape(self, job: Job) -> DecoderShape | None:
        """Shape of the model that a job makes; None where its config.json is not at hand."""
        if job.key not in self._shapes:
            self._shapes[job.key] = self._shape(job)
        return self._shapes[job.key]

    def _shape(self, job: Job) -> DecoderShape | None:
        if isinstance(job.config, BaseConfig):
            return self._base_shape(job, job.config)
        inputs = [job.inputs[role] for role in ("trunk", "base", "model") if role in job.inputs]
        shape = self.shape(inputs[0]) if inputs else None
        made = job.inputs.get("tokenizer")
        if shape is None or made is None or not isinstance(made.config, ExtendedTokenizerConfig):
            return shape
        if job.inputs.get("trunk") is not None:
            return shape  # the trunk has the new rows already
        return shape.extended(made.config.num_new_pieces)

    def _base_shape(self, job: Job, config: BaseConfig) -> DecoderShape | None:
        if config.train is not None:
            return architecture_shape(config.train.architecture, config.train.tokenizer.num_pieces)
        # What an adapter or a patch adds to the vocabulary is known once the base is made.
        made = job.key in self.finished
        folder = self.store.folder(job) / "checkpoint" if made else self.sources.root / str(config.model)
        path = folder / "config.json"
        return published_shape(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None

    def bytes_per_token(self, tokens: Job) -> float:
        """Counted where the tokens are there, assumed where they are not."""
        if tokens.key in self.finished:
            counted = read_json(TokenCounts, self.store.folder(tokens) / "counts.json")
            return counted.num_bytes / max(1, counted.num_tokens)
        made = tokens.inputs["tokenizer"]
        same = tokens.inputs["corpus"].key in {one.key for one in _named(made, "corpus")}
        if isinstance(made.config, LearnedTokenizerConfig):
            return BYTES_PER_TOKEN["source" if same else "original"]
        if isinstance(made.config, ExtendedTokenizerConfig):
            return BYTES_PER_TOKEN["extended" if same else "source"]
        return BYTES_PER_TOKEN["source"]

    def unpacked_bytes(self, config: SourceConfig) -> int:
        """Text of the files on this machine, assumed from their sizes."""
        files = [file for name in config.files for file in local_files(self.sources.root / name)]
        return int(sum(file.num_bytes * COMPRESSION.get(PurePath(file.name).suffix, 1.0) for file in files))

    def trained_tokens(self, budget: Budget, replay: float, share: float, job: Job) -> tuple[int, int]:
        """Target bytes, and all tokens, of a share of a budget with its replay on top."""
        read = [self.bytes_per_token(one) for one in _named(job, "target")]
        per_token = sum(read) / len(read)
        text = {"bytes": 1.0, "documents": BYTES_PER_DOCUMENT, "tokens": per_token}[budget.unit] * budget.amount * share
        return int(text), int(text / per_token / (1 - replay))


def _named(job: Job, role: str) -> list[Job]:
    """The inputs of a role: one without a name, or several with one behind it."""
    return [made for name, made in job.inputs.items() if name == role or name.startswith(f"{role}.")]


def _corpus(estimator: Estimator, job: Job) -> Estimate:
    assert isinstance(job.config, CorpusConfig)
    if job.key in estimator.finished:
        num_bytes = read_json(CorpusCounts, estimator.store.folder(job) / "counts.json").num_bytes
    else:
        if job.config.hub:  # whose size nobody has asked for yet
            return Estimate(unknown=True)
        num_bytes = min(estimator.unpacked_bytes(job.config), job.config.limit_bytes or sys.maxsize)
    return Estimate(text_bytes=num_bytes, disk_bytes=num_bytes)


def _instructions(estimator: Estimator, job: Job) -> Estimate:
    assert isinstance(job.config, InstructionsConfig)
    if job.config.hub:
        return Estimate(unknown=True)
    num_bytes = estimator.unpacked_bytes(job.config)
    return Estimate(text_bytes=num_bytes, disk_bytes=num_bytes)


def _tokens(estimator: Estimator, job: Job) -> Estimate:
    text = estimator.of(job.inputs["corpus"]).text_bytes
    num_tokens = int(text / estimator.bytes_per_token(job))
    return Estimate(text_bytes=text, num_tokens=num_tokens, disk_bytes=2 * num_tokens)


def _training(estimator: Estimator, job: Job, text_bytes: int, num_tokens: int, disk_factor: int) -> Estimate:
    shape = estimator.shape(job)
    if shape is None:
        return Estimate(text_bytes, num_tokens, unknown=True)
    flops = 6.0 * shape.multiplied_parameters * num_tokens
    return Estimate(text_bytes, num_tokens, flops, 4 * disk_factor * shape.num_parameters)


def _base(estimator: Estimator, job: Job) -> Estimate:
    assert isinstance(job.config, BaseConfig)
    if job.config.train is None:
        return Estimate()
    train = job.config.train
    text = int(train.num_tokens * estimator.bytes_per_token(job.inputs["tokens"]))
    num_tokens = int(train.num_tokens / (1 - train.acting_also_share))
    return _training(estimator, job, text, num_tokens, 1)


def _trunk(estimator: Estimator, job: Job) -> Estimate:
    assert isinstance(job.config, TrunkConfig)
    share = 1 - _decay_share(job.config.steps)
    text, num_tokens = estimator.trained_tokens(job.config.budget, job.config.replay, share, job)
    return _training(estimator, job, text, num_tokens, 3)


def _pretraining(estimator: Estimator, job: Job) -> Estimate:
    assert isinstance(job.config, PretrainingConfig)
    if not job.config.budget.amount:
        return _training(estimator, job, 0, 0, 1)
    share = _decay_share(job.config.steps)
    text, num_tokens = estimator.trained_tokens(job.config.budget, job.config.replay, share, job)
    return _training(estimator, job, text, num_tokens, 1)


def _initialisation(estimator: Estimator, job: Job) -> Estimate:
    extension, shape = job.inputs["tokenizer"].config, estimator.shape(job.inputs["base"])
    assert isinstance(extension, ExtendedTokenizerConfig)
    if shape is None:
        return Estimate(unknown=True)
    return Estimate(disk_bytes=4 * shape.row_parameters * extension.num_new_pieces)


def _probe(estimator: Estimator, job: Job) -> Estimate:
    assert isinstance(job.config, ProbeConfig) and job.config.steps is not None
    return _training(estimator, job, 0, job.config.num_steps * job.config.steps.batch_tokens, 0)


def _decay_share(steps: StepsConfig) -> float:
    """Share of a budget's rows that are not the trunk's."""
    return {"warmup-stable-decay": steps.decay_share, "cosine": 1.0, "constant": 0.0}[steps.schedule]


def _tuning(estimator: Estimator, job: Job) -> Estimate:
    assert isinstance(job.config, TuningConfig)
    num_tokens = job.config.num_conversations * job.config.epochs * TOKENS_PER_CONVERSATION
    return _training(estimator, job, 0, num_tokens, 1)


def _likelihoods(estimator: Estimator, job: Job) -> Estimate:
    assert isinstance(job.config, LikelihoodsConfig)
    text = sum((estimator.sources.root / name).stat().st_size for name in job.config.texts.values())
    return _evaluation(estimator, job, text)


def _responses(estimator: Estimator, job: Job) -> Estimate:
    assert isinstance(job.config, BenchmarkConfig)
    if job.config.folder is None:  # a data set on the Hub, whose size nobody has asked for yet
        return Estimate(unknown=True)
    whole = estimator.sources.root / job.config.folder
    asked = whole / job.config.split if (whole / job.config.split).is_dir() else whole
    files = [asked] if asked.is_file() else [path for path in asked.rglob("*") if path.is_file()]
    return _evaluation(estimator, job, sum(path.stat().st_size for path in files))


def _judgements(estimator: Estimator, job: Job) -> Estimate:
    assert isinstance(job.config, JudgementsConfig)
    if job.config.kind != "model":
        return Estimate()
    judge = job.inputs["judge"].config
    assert isinstance(judge, BaseConfig)
    num_asked, num_more = estimator.requests.of(job)
    num_tokens = sum(JUDGEMENT_TOKENS) * num_asked
    if judge.served is None:
        return Estimate(num_tokens=num_tokens)
    return Estimate(num_tokens=num_tokens, num_requests=num_asked, num_more_requests=num_more)


def _evaluation(estimator: Estimator, job: Job, text_bytes: int) -> Estimate:
    num_tokens = int(text_bytes / BYTES_PER_TOKEN["original"])
    shape = estimator.shape(job.inputs["model"])
    flops = 2.0 * shape.multiplied_parameters * num_tokens if shape else 0.0
    return Estimate(text_bytes, num_tokens, flops, text_bytes // 4, unknown=shape is None)


ESTIMATES: dict[str, Callable[[Estimator, Job], Estimate]] = {
    "corpus": _corpus,
    "instructions": _instructions,
    "tokens": _tokens,
    "base": _base,
    "initialisation": _initialisation,
    "probe": _probe,
    "trunk": _trunk,
    "pretraining": _pretraining,
    "tuning": _tuning,
    "likelihoods": _likelihoods,
    "responses": _responses,
    "judgements": _judgements,
}


def trunk_saving(job: Job, smaller: list[Job], estimate: Estimate) -> Estimate:
    """What a cut takes when it continues from the next smaller one."""
    if not smaller or not isinstance(job.config, TrunkConfig) or not isinstance(smaller[0].config, TrunkConfig):
        return estimate
    rest = 1 - smaller[0].config.budget.amount / job.config.budget.amount
    return Estimate(
        int(estimate.text_bytes * rest),
        int(estimate.num_tokens * rest),
        estimate.flops * rest,
        estimate.disk_bytes,
        estimate.unknown,
    )
