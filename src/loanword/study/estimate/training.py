"""What making a model takes: a base, rows for new pieces, probes, cuts of a trunk, further pretraining, tuning.

FLOPs: 6 for every parameter that a token is multiplied with, attention over a document left out. On disk are weights in
the precision that they are trained in, two numbers of state a trained parameter beside a cut, a line of curve a step.
"""

from dataclasses import replace

from loanword.model.memory import estimate as memory_estimate
from loanword.model.shape import DecoderShape
from loanword.recipe import (
    BaseConfig,
    ExtendedTokenizerConfig,
    InitialisationConfig,
    PretrainingConfig,
    ProbeConfig,
    StepsConfig,
    TrunkConfig,
    TuningConfig,
)
from loanword.store import Job
from loanword.study.estimate.known import Known
from loanword.study.estimate.text import MANIFEST_BYTES, conversation_tokens, tokenizer_bytes
from loanword.study.estimate.value import Estimate

STEP_BYTES, STAGE_BYTES = 138, 5_000
"""Of a step's line in the curve; of manifest and settings beside it."""
FLOAT = 4


def base(known: Known, job: Job) -> Estimate:
    assert isinstance(job.config, BaseConfig)
    train = job.config.train
    if train is None:
        # A published model is referred to; an adapter or a patch makes a checkpoint of its own.
        return Estimate(disk_bytes=MANIFEST_BYTES, kind="base, opened", work=1)
    text = int(train.num_tokens * known.bytes_per_token(job.inputs["tokens"]))
    num_tokens = int(train.num_tokens / (1 - train.acting_also_share))
    return _trained(known, job, train.steps, text, num_tokens)


def trunk(known: Known, job: Job) -> Estimate:
    config = job.config
    assert isinstance(config, TrunkConfig)
    text, num_tokens = known.trained_tokens(config.budget, config.replay, 1 - _decay_share(config.steps), job)
    made = _trained(known, job, config.steps, text, num_tokens)
    shape = known.shape(job)
    if shape is None:
        return made
    memory = memory_estimate(shape, config.steps, config.steps.row_tokens)
    disk_bytes = made.disk_bytes + int(memory.optimizer_bytes)
    if config.steps.lora is not None:  # what is trained beside the base, not the base
        disk_bytes += int(memory.gradients_bytes) - _weights_bytes(shape, config.steps)
    return replace(made, disk_bytes=disk_bytes)


def pretraining(known: Known, job: Job) -> Estimate:
    config = job.config
    assert isinstance(config, PretrainingConfig)
    if not config.budget.amount:
        made = _trained(known, job, config.steps, 0, 0)
        return replace(made, kind="pretraining on nothing", work=made.num_parameters)
    text, num_tokens = known.trained_tokens(config.budget, config.replay, _decay_share(config.steps), job)
    return _trained(known, job, config.steps, text, num_tokens)


def tuning(known: Known, job: Job) -> Estimate:
    config = job.config
    assert isinstance(config, TuningConfig) and config.steps is not None
    num_tokens = config.epochs * conversation_tokens(known, job.inputs["conversations"])
    return _trained(known, job, config.steps, 0, num_tokens)


def initialisation(known: Known, job: Job) -> Estimate:
    config, extension, shape = job.config, job.inputs["tokenizer"].config, known.shape(job.inputs["base"])
    assert isinstance(extension, ExtendedTokenizerConfig) and isinstance(config, InitialisationConfig)
    kind = "initialisation, by text" if config.reads_text else "initialisation"
    if shape is None:
        return Estimate(unknown=_shape_of(job), kind=kind)
    disk_bytes = FLOAT * shape.row_parameters * extension.num_new_pieces + MANIFEST_BYTES
    if not config.reads_text:
        return Estimate(disk_bytes=disk_bytes, kind=kind, work=shape.num_parameters)
    text = known.corpus_bytes(job.inputs["corpus"])
    read = config.sample_bytes if text is None else min(text, config.sample_bytes)
    return Estimate(disk_bytes=disk_bytes, kind=kind, work=read)


def probe(known: Known, job: Job) -> Estimate:
    config = job.config
    assert isinstance(config, ProbeConfig) and config.steps is not None
    made = _trained(known, job, config.steps, 0, config.num_steps * config.steps.batch_tokens)
    shape = known.shape(job)
    if shape is None:
        return replace(made, disk_bytes=0)
    # Either corpus's held-out text is read before and after, in windows that overlap by half.
    read = sum(
        min(config.held_out_bytes, known.bytes_per_document(text) * getattr(text.config, "held_out_documents", 0))
        / known.bytes_per_token_of(job.inputs["tokenizer"], text)
        for text in (job.inputs["watched.source"], job.inputs["watched.target"])
    )
    flops = made.flops + 2 * 2.0 * shape.multiplied_parameters * 2 * read
    return replace(made, flops=flops, disk_bytes=20_000 + STEP_BYTES * config.num_steps)


def _trained(known: Known, job: Job, steps: StepsConfig, text_bytes: int, num_tokens: int) -> Estimate:
    """Training on so many tokens, and the whole model written."""
    shape = known.shape(job)
    if shape is None:
        return Estimate(text_bytes, num_tokens, unknown=_shape_of(job), kind=job.stage)
    curve = STEP_BYTES * num_tokens // steps.batch_tokens
    beside = tokenizer_bytes(shape.num_pieces) + STAGE_BYTES
    return Estimate(
        text_bytes,
        num_tokens,
        flops=6.0 * shape.multiplied_parameters * num_tokens,
        disk_bytes=_weights_bytes(shape, steps) + curve + beside,
        kind=job.stage,
        num_parameters=shape.num_parameters,
        row_tokens=steps.row_tokens,
    )


def _weights_bytes(shape: DecoderShape, steps: StepsConfig) -> int:
    return shape.num_parameters * (2 if steps.precision == "pure-bf16" else FLOAT)


def _shape_of(job: Job) -> str:
    """What is to be known before a model's size is: the base that it comes from."""
    while not isinstance(job.config, BaseConfig):
        job = next(job.inputs[role] for role in ("trunk", "base", "model") if role in job.inputs)
    return f"the shape of {job.config.model or job.config.served}"


def _decay_share(steps: StepsConfig) -> float:
    """Share of a budget's rows that are not the trunk's."""
    return {"warmup-stable-decay": steps.decay_share, "cosine": 1.0, "constant": 0.0}[steps.schedule]


def trunk_saving(job: Job, smaller: list[Job], estimate: Estimate) -> Estimate:
    """What a cut takes when it continues from the next smaller one; its artifact is as large as ever."""
    if not smaller or not isinstance(job.config, TrunkConfig) or not isinstance(smaller[0].config, TrunkConfig):
        return estimate
    rest = 1 - smaller[0].config.budget.amount / job.config.budget.amount
    return replace(
        estimate,
        text_bytes=int(estimate.text_bytes * rest),
        num_tokens=int(estimate.num_tokens * rest),
        flops=estimate.flops * rest,
    )
