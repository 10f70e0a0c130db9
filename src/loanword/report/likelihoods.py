"""Bits per byte and perplexity of held-out text, by language and run, resampled so that runs can be compared."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from loanword.report.gather import Likelihoods, RunRecords
from loanword.report.seed_statistics import (
    difference_over_seeds,
    mean_over_seeds,
    resampled_over_seeds,
    seed_pairs,
)
from loanword.report.statistics import (
    Estimate,
    Floats,
    PairedDifference,
    bits_per_byte,
    bootstrap_estimate,
    paired_bootstrap,
    perplexity,
    resampled_sums,
)


@dataclass(frozen=True)
class LanguageScore:
    """One language under one run: ratios of sums over documents, intervals over documents.

    `documents` are the ids and bytes that were read; scores of the same documents were resampled alike. Of an arm with
    several `seeds` it is the mean over them, intervals over seeds and documents.
    """

    documents: tuple[tuple[str, float], ...]
    bits_per_byte: Estimate
    perplexity: Estimate
    tokens_per_byte: float
    num_tokens: int
    num_bytes: int
    resampled_bits_per_byte_R: Floats
    seeds: Mapping[int, "LanguageScore"] = field(default_factory=dict[int, "LanguageScore"])

    @property
    def num_documents(self) -> int:
        return len(self.documents)


Scores = Mapping[tuple[str, str], LanguageScore]
"""By run label and language."""


def score_languages(runs: Sequence[RunRecords]) -> Scores:
    """The score of every run in every language that it has likelihoods of."""
    scores: dict[tuple[str, str], LanguageScore] = {}
    for language in languages_of(runs):
        alike: dict[tuple[tuple[str, float], ...], dict[str, Likelihoods]] = {}
        for run in runs:
            if (read := run.likelihoods.get(language)) is not None and read.ids:
                documents = tuple(zip(read.ids, read.num_bytes.tolist(), strict=True))
                alike.setdefault(documents, {})[run.label] = read
        for documents, by_run in alike.items():
            scores |= {(label, language): score for label, score in _score_alike(documents, by_run).items()}
    return scores


def languages_of(runs: Sequence[RunRecords]) -> list[str]:
    """Every language with likelihoods: target languages first, then source, then any other."""
    found = {language for run in runs for language in run.likelihoods}
    asked = [str(run.settings[key]) for key in ("target", "source") for run in runs if key in run.settings]
    ordered = dict.fromkeys([*asked, *sorted(found)])
    return [language for language in ordered if language in found]


def _score_alike(
    documents: tuple[tuple[str, float], ...], by_run: Mapping[str, Likelihoods]
) -> dict[str, LanguageScore]:
    reads = list(by_run.values())
    num_runs = len(reads)
    columns_NK = np.stack(
        [reads[0].num_bytes, *(read.nats for read in reads), *(read.num_tokens for read in reads)], axis=1
    )
    sums_RK = resampled_sums(columns_NK)
    num_bytes, num_bytes_R = float(columns_NK[:, 0].sum()), sums_RK[:, 0]
    scores: dict[str, LanguageScore] = {}
    for place, (label, read) in enumerate(by_run.items(), start=1):
        nats, num_tokens = float(read.nats.sum()), float(read.num_tokens.sum())
        nats_R, num_tokens_R = sums_RK[:, place], sums_RK[:, place + num_runs]
        bits_R = nats_R / (np.log(2) * num_bytes_R)
        scores[label] = LanguageScore(
            documents=documents,
            bits_per_byte=bootstrap_estimate(bits_per_byte(nats, num_bytes), bits_R),
            perplexity=bootstrap_estimate(
                perplexity(nats, num_tokens), np.exp(np.minimum(nats_R / num_tokens_R, 700.0))
            ),
            tokens_per_byte=num_tokens / num_bytes,
            num_tokens=int(num_tokens),
            num_bytes=int(num_bytes),
            resampled_bits_per_byte_R=bits_R,
        )
    return scores


def language_over_seeds(by_seed: Mapping[int, LanguageScore]) -> LanguageScore | None:
    """The mean of one arm's scores over its seeds; None where they did not read the same documents.

    Perplexity is the geometric mean; its interval is that of bits per byte, at these tokens per byte.
    """
    first, *others = by_seed.values()
    if any(one.documents != first.documents for one in others):
        return None
    if not others:
        return replace(first, seeds=by_seed)
    values = {seed: (one.bits_per_byte.value, one.resampled_bits_per_byte_R) for seed, one in by_seed.items()}
    bits = mean_over_seeds([value for value, _ in values.values()], np.stack([drawn for _, drawn in values.values()]))
    tokens_per_byte = float(np.mean([one.tokens_per_byte for one in by_seed.values()]))
    low, middle, high = (
        perplexity(value * math.log(2), tokens_per_byte) for value in (bits.low, bits.value, bits.high)
    )
    return replace(
        first,
        bits_per_byte=bits,
        perplexity=Estimate(middle, low, high),
        tokens_per_byte=tokens_per_byte,
        resampled_bits_per_byte_R=resampled_over_seeds(values),
        seeds=by_seed,
    )


def interpolated(before: LanguageScore, after: LanguageScore, share: float) -> LanguageScore:
    """The score that lies so far between two of the same documents, seed by seed."""

    def between(one: Floats | float, other: Floats | float) -> Floats | float:
        return one * (1 - share) + other * share

    bits = float(between(before.bits_per_byte.value, after.bits_per_byte.value))
    return replace(
        after,
        bits_per_byte=Estimate(bits, bits, bits),
        resampled_bits_per_byte_R=np.asarray(
            between(before.resampled_bits_per_byte_R, after.resampled_bits_per_byte_R)
        ),
        seeds={
            seed: interpolated(before.seeds[seed], one, share)
            for seed, one in after.seeds.items()
            if seed in before.seeds
        },
    )


def compare_languages(arm: LanguageScore, control: LanguageScore) -> PairedDifference | None:
    """Difference in bits per byte over the same documents and seeds, None where the documents are not the same."""
    pairs = seed_pairs(arm, control)
    if not pairs or any(one.documents != arm.documents for pair in pairs for one in pair):
        return None
    if len(pairs) > 1:
        differences = [one.bits_per_byte.value - other.bits_per_byte.value for one, other in pairs]
        resampled_SR = np.stack(
            [one.resampled_bits_per_byte_R - other.resampled_bits_per_byte_R for one, other in pairs]
        )
        return difference_over_seeds(differences, resampled_SR, arm.num_documents)
    ((arm, control),) = pairs
    return paired_bootstrap(
        arm.bits_per_byte.value,
        control.bits_per_byte.value,
        arm.resampled_bits_per_byte_R,
        control.resampled_bits_per_byte_R,
        arm.num_documents,
    )
