"""What asking a model takes, and what is made of its answers.

FLOPs of reading: 2 for every parameter that a token is multiplied with. What is written is assumed to be half of the
most that may be, a token after the other.
"""

from dataclasses import replace

from loanword.evaluation.benchmarks import benchmark_of
from loanword.model.shape import DecoderShape
from loanword.recipe import (
    AlignmentConfig,
    BaseConfig,
    BenchmarkConfig,
    JudgementsConfig,
    LikelihoodsConfig,
)
from loanword.store import Job
from loanword.study.estimate.benchmarks import Asked
from loanword.study.estimate.known import Known
from loanword.study.estimate.text import MANIFEST_BYTES
from loanword.study.estimate.value import Estimate
from loanword.study.judging import JUDGEMENT_TOKENS

LINE_BYTES = {
    "likelihoods": 86, "responses": 580, "grades": 200, "switching": 180, "judgements": 190, "ratings": 176,
}  # fmt: skip
"""Of the line that each stage writes of a document or an example, counted in finished stores."""
REPLY_BYTES, BYTES_PER_WRITTEN_TOKEN = 360, 2.0
WRITTEN_SHARE = 0.5
BY_A_SERVER = "judgements, by a server"
"""Work that waits for others, and takes no time of a processor."""
OFFICIAL_BYTES = 4_000
"""Of the facts that stand beside responses and grades."""


def likelihoods(known: Known, job: Job) -> Estimate:
    config = job.config
    assert isinstance(config, LikelihoodsConfig)
    read, unknown = _read_lines(known, job, config.texts, config.limit_documents)
    num_bytes, num_tokens, num_lines = read
    disk_bytes = LINE_BYTES["likelihoods"] * num_lines + MANIFEST_BYTES
    return _asked(known, job, "likelihoods", num_bytes, num_tokens, disk_bytes, unknown)


def alignment(known: Known, job: Job) -> Estimate:
    config = job.config
    assert isinstance(config, AlignmentConfig)
    read, unknown = _read_lines(known, job, config.texts, config.limit_sentences)
    return _asked(known, job, "alignment", read[0], read[1], 2 * MANIFEST_BYTES, unknown)


def responses(known: Known, job: Job) -> Estimate:
    config = job.config
    assert isinstance(config, BenchmarkConfig)
    asked = known.benchmarks.asked(config)
    if asked is None:
        return Estimate(unknown=f"the questions of {config.name}", kind=_answering(config))
    language = config.language or benchmark_of(config).language
    per_token = known.asked_bytes_per_token(job.inputs["model"], language)
    num_written = int(WRITTEN_SHARE * asked.num_new_tokens)
    num_tokens = int(asked.num_bytes / per_token) + num_written
    disk_bytes = LINE_BYTES["responses"] * asked.num_examples + OFFICIAL_BYTES + MANIFEST_BYTES
    disk_bytes += int(BYTES_PER_WRITTEN_TOKEN * num_written)
    return _asked(known, job, _answering(config), asked.num_bytes, num_tokens, disk_bytes, "", num_written)


def grades(known: Known, job: Job) -> Estimate:
    return _looked_at(known, job, "grades", OFFICIAL_BYTES)


def switching(known: Known, job: Job) -> Estimate:
    return _looked_at(known, job, "switching", 0)


def ratings(known: Known, job: Job) -> Estimate:
    return _looked_at(known, job, "ratings", 0)


def judgements(known: Known, job: Job) -> Estimate:
    config = job.config
    assert isinstance(config, JudgementsConfig)
    num_asked, num_more = known.requests.of(job)
    disk_bytes = (
        LINE_BYTES["judgements"] + (REPLY_BYTES if config.kind == "model" else 0)
    ) * num_asked + MANIFEST_BYTES
    if config.kind != "model":
        return Estimate(disk_bytes=disk_bytes, kind=f"judgements, by {config.kind}", work=num_asked)
    judge = job.inputs["judge"].config
    assert isinstance(judge, BaseConfig)
    num_tokens = sum(JUDGEMENT_TOKENS) * num_asked
    if judge.served is not None:
        return Estimate(
            num_tokens=num_tokens,
            num_requests=num_asked,
            num_more_requests=num_more,
            disk_bytes=disk_bytes,
            kind=BY_A_SERVER,
            work=num_asked,
        )
    kind = "judgements, by a checkpoint"
    return _work(known.shape(job.inputs["judge"]), f"the shape of {judge.model}", Estimate(
        num_tokens=num_tokens, disk_bytes=disk_bytes, kind=kind, num_written_tokens=JUDGEMENT_TOKENS[1] * num_asked
    ))  # fmt: skip


def _answering(config: BenchmarkConfig) -> str:
    if config.answering != "likelihood":
        return "responses, written"
    return "responses, statements" if config.protocol.startswith("options") else "responses, scored"


def _read_lines(known: Known, job: Job, texts: dict[str, str], limit: int | None) -> tuple[tuple[int, int, int], str]:
    """Bytes, tokens and lines of held-out files, and which of them are not there."""
    model, num_bytes, num_tokens, num_lines = job.inputs["model"], 0, 0.0, 0
    absent: list[str] = []
    for language, name in texts.items():
        found = known.lines_of(name)
        if found is None:
            absent.append(name)
            continue
        share = 1.0 if limit is None else min(1.0, limit / max(1, found[1]))
        num_bytes += int(found[0] * share)
        num_lines += int(found[1] * share)
        num_tokens += found[0] * share / known.asked_bytes_per_token(model, language)
    unknown = f"the size of {', '.join(absent)}" if absent else ""
    return (num_bytes, int(num_tokens), num_lines), unknown


def _asked(
    known: Known,
    job: Job,
    kind: str,
    num_bytes: int,
    num_tokens: int,
    disk_bytes: int,
    unknown: str,
    num_written: int = 0,
) -> Estimate:
    made = Estimate(
        num_bytes, num_tokens, disk_bytes=disk_bytes, unknown=unknown, kind=kind, num_written_tokens=num_written
    )
    model = job.inputs["model"]
    return _work(known.shape(model), f"the shape of the model of {model.key}", made)


def _work(shape: DecoderShape | None, unknown: str, made: Estimate) -> Estimate:
    """An estimate with the FLOPs of its tokens, where the model's shape is known."""
    if shape is None:
        return replace(made, unknown=made.unknown or unknown)
    flops = 2.0 * shape.multiplied_parameters * made.num_tokens
    return replace(made, flops=flops, num_parameters=shape.num_parameters)


def _looked_at(known: Known, job: Job, kind: str, beside_bytes: int) -> Estimate:
    """What is made of responses without a model, one line an example."""
    config = job.inputs["responses"].config
    assert isinstance(config, BenchmarkConfig)
    asked: Asked | None = known.benchmarks.asked(config)
    if asked is None:
        return Estimate(unknown=f"the questions of {config.name}", kind=kind)
    disk_bytes = LINE_BYTES[kind] * asked.num_examples + beside_bytes + MANIFEST_BYTES
    return Estimate(disk_bytes=disk_bytes, kind=kind, work=asked.num_examples)
