"""Seconds of an artifact on a machine: what was learned of its kind of work, or else what is usual."""

from collections.abc import Iterable
from dataclasses import dataclass

from loanword.study.estimate import Estimate
from loanword.study.hardware import READ_SHARE, WRITTEN_AT_ONCE, HardwareProfile, Learned

USUAL: dict[str, tuple[float, float]] = {
    "base": (0.1, 1.1),
    "trunk": (0.1, 1.1),
    "pretraining": (0.2, 1.1),
    "tuning": (0.1, 1.0),
    "probe": (0.3, 1.0),
    "likelihoods": (0.08, 0.8),
    "alignment": (0.08, 0.6),
    "responses, scored": (0.2, 0.9),
    "responses, statements": (0.15, 0.8),
    "responses, written": (0.04, 3.7),
    "judgements, by a checkpoint": (0.1, 3.7),
    "base, opened": (0.01, 0.0),
    "pretraining on nothing": (0.1, 1e-7),
    "initialisation": (0.1, 9e-9),
    "initialisation, by text": (0.1, 3.3e-7),
    "corpus": (0.5, 4e-8),
    "corpus, filtered": (1.0, 5e-7),
    "instructions": (0.02, 1.5e-7),
    "tokenizer, learned": (0.2, 9e-8),
    "tokenizer, extended": (0.5, 2.8e-7),
    "tokens": (0.1, 6.4e-8),
    "conversations": (0.04, 9e-5),
    "overlap": (0.5, 1e-7),
    "grades": (0.003, 3.5e-5),
    "switching": (0.4, 3e-3),
    "judgements, by rules": (0.02, 8e-5),
    "judgements, by people": (0.02, 8e-5),
    "ratings": (0.02, 5e-5),
}
"""Seconds of an artifact, and of each unit of its work: bytes of text, parameters, conversations or examples; of work
on a model, how many times as long it takes as training does for the same FLOPs. As two finished studies took on two
cores of a server with AVX-512 (docs/planning.md); what a server takes to judge, nobody can say."""


@dataclass(frozen=True)
class Took:
    """A finished artifact: its kind of work, how much of it there was, and the seconds that it took."""

    kind: str
    work: float
    seconds: float


def work_of(profile: HardwareProfile, estimate: Estimate, *, parallel: float = 1.0) -> float:
    """An artifact's work in the unit of its kind: on a model, seconds of its FLOPs at the speed of training.

    `parallel`: times the threads, or devices, of one worker.
    """
    if not estimate.flops:
        return estimate.work
    rate = profile.flops_per_second(estimate.num_parameters, estimate.row_tokens)
    return estimate.flops / rate / parallel


def seconds_of(profile: HardwareProfile, estimate: Estimate, *, parallel: float = 1.0) -> float | None:
    """What an artifact takes; None where that cannot be known, or nobody has seen such work."""
    if estimate.unknown:
        return None
    if profile.memory_bytes_per_second and estimate.num_written_tokens:
        return _assumed_writing(profile, estimate)
    learned, usual = profile.learned.get(estimate.kind), USUAL.get(estimate.kind)
    if learned is None and usual is None:
        return None
    fixed, slope = learned.line(usual) if learned is not None else usual or (0.0, 0.0)
    return fixed + slope * work_of(profile, estimate, parallel=parallel)


def learned_from(profile: HardwareProfile, took: Iterable[Took]) -> HardwareProfile:
    """The profile with what finished artifacts took."""
    by_kind: dict[str, list[tuple[float, float]]] = {}
    for one in took:
        by_kind.setdefault(one.kind, []).append((one.work, one.seconds))
    new = {kind: Learned.of(pairs).after(profile.learned.get(kind)) for kind, pairs in by_kind.items()}
    return profile.model_copy(update={"learned": {**profile.learned, **new}})


def _assumed_writing(profile: HardwareProfile, estimate: Estimate) -> float:
    """Reading the question at the speed of training, then all weights once for every token of a batch."""
    share_written = estimate.num_written_tokens / max(1, estimate.num_tokens)
    reading = (1 - share_written) * work_of(profile, estimate)
    weights_bytes = 2.0 * estimate.num_parameters
    writing = estimate.num_written_tokens / WRITTEN_AT_ONCE * weights_bytes
    return reading + writing / (READ_SHARE * profile.memory_bytes_per_second)
