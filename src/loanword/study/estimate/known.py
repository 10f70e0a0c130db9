"""What is known of texts, vocabularies and models before they are built: counted, read, sampled or assumed."""

import json
import sys
from collections.abc import Callable

from loanword.model.shape import DecoderShape, architecture_shape, published_shape, shape_on_hub
from loanword.recipe import (
    BaseConfig,
    Budget,
    CorpusConfig,
    ExtendedTokenizerConfig,
    LearnedTokenizerConfig,
    SourceConfig,
)
from loanword.records import CorpusCounts, TokenCounts, TokenizerMeasure, read_json, read_lines
from loanword.store import Job, Sources, Store
from loanword.study.estimate.benchmarks import Benchmarks
from loanword.study.estimate.published import (
    published_bytes_per_document,
    published_bytes_per_token,
    published_corpus_bytes,
)
from loanword.study.estimate.sampled import (
    Sampled,
    Samples,
    bytes_per_token_of_other,
    bytes_per_token_of_own,
    bytes_per_token_of_published,
)
from loanword.study.judging import Requests
from loanword.writing import writing

BYTES_PER_DOCUMENT = 3_000
NOWHERE = Sampled(unpacked_bytes=0, text_bytes=0, num_documents=None)
"""Of a text that is not on this machine: English, as far as anything is assumed of it."""
FOREIGN = Sampled(0, 0, None, foreign_share=0.8, foreign_bytes=3.0, spaced=False)


class Known:
    """Facts about jobs, each found once. What is `finished` was counted; the rest is told from sources."""

    def __init__(self, store: Store, sources: Sources, finished: set[str]) -> None:
        self.store, self.sources, self.finished = store, sources, finished
        self.samples, self.benchmarks = Samples(sources.root), Benchmarks(sources.root)
        self.requests = Requests(store, self.benchmarks, finished)
        self._shapes: dict[str, DecoderShape | None] = {}
        self._found: dict[tuple[str, str], float] = {}
        self._lines: dict[str, tuple[int, int] | None] = {}

    def shape(self, job: Job) -> DecoderShape | None:
        """Shape of the model that a job makes; None where its config.json is not at hand."""
        if job.key not in self._shapes:
            self._shapes[job.key] = self._shape(job)
        return self._shapes[job.key]

    def num_pieces(self, job: Job) -> int | None:
        """Pieces of the vocabulary that a tokenizer, or a base, holds."""
        if isinstance(job.config, LearnedTokenizerConfig):
            return job.config.num_pieces
        if isinstance(job.config, ExtendedTokenizerConfig):
            before = self.num_pieces(job.inputs["base"])
            return None if before is None else before + job.config.num_new_pieces
        shape = self.shape(job)
        return None if shape is None else shape.num_pieces

    def corpus_bytes(self, job: Job) -> int | None:
        """Text of a corpus; None where its sources are not on this machine."""
        config = job.config
        assert isinstance(config, CorpusConfig)
        if job.key in self.finished:
            return self._counts(job).num_bytes
        sample = self.samples.of(config)
        if sample is None:
            return published_corpus_bytes(config)
        return min(sample.text_bytes, config.limit_bytes or sys.maxsize)

    def num_documents(self, job: Job) -> int | None:
        """Documents of a corpus."""
        num_bytes = self.corpus_bytes(job)
        return None if num_bytes is None else max(1, round(num_bytes / self.bytes_per_document(job)))

    def bytes_per_document(self, job: Job) -> float:
        """Counted where a corpus is there, told from a sample or assumed where it is not."""
        if job.key in self.finished:
            counted = self._counts(job)
            return counted.num_bytes / max(1, counted.num_documents)
        assert isinstance(job.config, SourceConfig)
        sample = self.samples.of(job.config)
        if sample is None or sample.num_documents is None:
            return published_bytes_per_document(job.config) or BYTES_PER_DOCUMENT
        return sample.text_bytes / sample.num_documents

    def bytes_per_token(self, tokens: Job) -> float:
        """Of a corpus with a tokenizer: counted where the tokens are there."""
        return self._once("tokens", tokens.key, lambda: self._bytes_per_token(tokens))

    def bytes_per_token_of(self, tokenizer: Job, text: Job) -> float:
        """Of the text of a corpus, or of instructions, with a tokenizer or the one of a base."""
        return self._once(
            tokenizer.key, text.key, lambda: self._measured(tokenizer, text) or self._told(tokenizer, text)
        )

    def asked_bytes_per_token(self, model: Job, language: str) -> float:
        """Of text in a language that a model is asked: as of the corpus in it, where the run has read one."""
        return self._once(model.key, language, lambda: self._asked_bytes_per_token(model, language))

    def trained_tokens(self, budget: Budget, replay: float, share: float, job: Job) -> tuple[int, int]:
        """Target bytes, and all tokens, of a share of a budget with its replay on top."""
        streams = inputs_of(job, "target")
        read = [self.bytes_per_token(one) for one in streams]
        per_token = sum(read) / len(read)
        documents = [self.bytes_per_document(one.inputs["corpus"]) for one in streams]
        measured = [self.bytes_per_token(one) for one in inputs_of(job, "measure")] or [per_token]
        one = {
            "bytes": 1.0,
            "documents": sum(documents) / len(documents),
            "tokens": sum(measured) / len(measured),
        }[budget.unit]
        text = one * budget.amount * share
        return int(text), int(text / per_token / (1 - replay))

    def lines_of(self, name: str) -> tuple[int, int] | None:
        """Bytes and lines of a file of held-out text below the data root; None where it is not there."""
        if name not in self._lines:
            path = self.sources.root / name
            content = path.read_bytes() if path.is_file() else None
            self._lines[name] = None if content is None else (len(content), content.count(b"\n"))
        return self._lines[name]

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
        if path.is_file():
            return published_shape(json.loads(path.read_text(encoding="utf-8")))
        return shape_on_hub(str(config.model), config.adapter)

    def _counts(self, job: Job) -> CorpusCounts:
        return read_json(CorpusCounts, self.store.folder(job) / "counts.json")

    def _once(self, first: str, second: str, find: Callable[[], float]) -> float:
        if (first, second) not in self._found:
            self._found[first, second] = find()
        return self._found[first, second]

    def _bytes_per_token(self, tokens: Job) -> float:
        if tokens.key in self.finished:
            counted = read_json(TokenCounts, self.store.folder(tokens) / "counts.json")
            return counted.num_bytes / max(1, counted.num_tokens)
        return self.bytes_per_token_of(tokens.inputs["tokenizer"], tokens.inputs["corpus"])

    def _measured(self, tokenizer: Job, text: Job) -> float | None:
        path = self.store.folder(tokenizer) / "measures.jsonl"
        if tokenizer.key not in self.finished or not path.is_file():
            return None
        language = getattr(text.config, "language", None)
        found = (one.bytes_per_token for one in read_lines(TokenizerMeasure, path) if one.language == language)
        return next(found, None)

    def _told(self, tokenizer: Job, text: Job) -> float:
        assert isinstance(text.config, SourceConfig)
        sample, config = self.samples.of(text.config), tokenizer.config
        if sample is None or sample.num_documents is None:
            sample = _anywhere(text.config.language)
        learned_from = {getattr(one.config, "language", "") for one in inputs_of(tokenizer, "corpus")}
        own = getattr(text.config, "language", None) in learned_from
        if isinstance(config, ExtendedTokenizerConfig):
            if own:
                return bytes_per_token_of_own(sample, config.num_new_pieces)
            return self.bytes_per_token_of(tokenizer.inputs["base"], text)
        if isinstance(config, LearnedTokenizerConfig):
            return bytes_per_token_of_own(sample, config.num_pieces) if own else bytes_per_token_of_other(sample)
        counted = published_bytes_per_token(config, text.config.language) if isinstance(config, BaseConfig) else None
        return counted or bytes_per_token_of_published(sample)

    def _asked_bytes_per_token(self, model: Job, language: str) -> float:
        tokenizer = tokenizer_of(model)
        for text in corpora_behind(model):
            if getattr(text.config, "language", None) == language:
                return self.bytes_per_token_of(tokenizer, text)
        if isinstance(tokenizer.config, BaseConfig):
            counted = published_bytes_per_token(tokenizer.config, language)
            return counted or bytes_per_token_of_published(_anywhere(language))
        return bytes_per_token_of_other(_anywhere(language))


def _anywhere(language: str) -> Sampled:
    """What text in a language is taken to be like that is not on this machine."""
    return NOWHERE if writing(language).scripts == ("Latin",) else FOREIGN


def inputs_of(job: Job, role: str) -> list[Job]:
    """The inputs of a role: one without a name, or several with one behind it."""
    return [made for name, made in job.inputs.items() if name == role or name.startswith(f"{role}.")]


def tokenizer_of(model: Job) -> Job:
    """What a model encodes text with: a tokenizer that was made here, or its base."""
    while "tokenizer" not in model.inputs and "model" in model.inputs:
        model = model.inputs["model"]
    return model.inputs.get("tokenizer", model)


def corpora_behind(job: Job) -> list[Job]:
    """Every corpus that a job reads, itself or by what it reads."""
    found: dict[str, Job] = {}
    waiting = [job]
    while waiting:
        one = waiting.pop()
        for made in one.inputs.values():
            if made.stage == "corpus":
                found[made.key] = made
            elif made.key not in found:
                waiting.append(made)
    return list(found.values())
