"""How well runs align two languages, layer by layer, and whether new pieces cost alignment: hits compared in pairs.

A sentence counts twice, once from each language: it is a hit where its own translation is nearest. Differences are over
the same sentences. Their p-value is that of an exact sign test over the sentences that one of two runs hits more often
(McNemar's test, if a sentence counted once), because the two directions of one sentence are not independent.

The middle layer is the one halfway from the embeddings to the last; the best layer is chosen on the same sentences,
for each run by itself.

Shapes: N sentences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from loanword.records import AlignedLayer
from loanword.report.comparisons import MARGIN_ACCURACY, reference_run
from loanword.report.gather import NEW_PIECES, VOCABULARY, RunRecords
from loanword.report.statistics import (
    Bools,
    Estimate,
    Floats,
    PairedDifference,
    Verdict,
    mcnemar_p_value,
    paired_accuracy,
    paired_shares,
    share_estimate,
    wilson,
    with_verdicts,
)

Place = Literal["middle layer", "best layer"]
Languages = tuple[str, str]
"""Source and target."""

PRETRAINING = "pretraining."


@dataclass(frozen=True)
class Alignment:
    """Every layer of one run in one pair of languages, the embeddings first."""

    layers: tuple[AlignedLayer, ...]

    @property
    def middle(self) -> AlignedLayer:
        """The layer halfway to the last."""
        return self.layers[len(self.layers) // 2]

    @property
    def best(self) -> AlignedLayer:
        """The layer with the most hits, the first of equals."""
        return max(self.layers, key=accuracy)

    def at(self, place: Place) -> AlignedLayer:
        """The layer that is compared."""
        return self.middle if place == "middle layer" else self.best


Alignments = Mapping[tuple[str, Languages], Alignment]
"""By run label and languages."""


@dataclass(frozen=True)
class AlignmentDifference:
    """An arm minus its control at one layer of each; `paired` is None where a side is missing or read other text."""

    languages: Languages
    place: Place
    arm: AlignedLayer | None
    control: AlignedLayer | None
    paired: PairedDifference | None
    adjusted_p: float | None = None
    verdict: Verdict | None = None

    @cached_property
    def is_aligned(self) -> bool:
        """Whether either side is hit more often than by chance: below that there is nothing to gain or lose."""
        return any(side is not None and is_above_chance(side) for side in (self.arm, self.control))

    @property
    def word(self) -> str:
        """The verdict, or why there is none."""
        if self.verdict is None:
            return "missing" if self.arm is None or self.control is None else "not comparable: different sentences"
        return self.verdict.word if self.is_aligned else "neither is above chance"


@dataclass(frozen=True)
class AlignmentComparison:
    """An arm and its control: new pieces against none at the same text, or a run against the untouched base."""

    arm: str
    control: str
    about: Literal["vocabulary", "base"]
    differences: tuple[AlignmentDifference, ...]


def accuracy(layer: AlignedLayer) -> float:
    """Share of hits, both directions together."""
    return (layer.forward_hits.count("1") + layer.backward_hits.count("1")) / (2 * layer.num_sentences)


def accuracy_estimate(layer: AlignedLayer) -> Estimate:
    """Accuracy of both directions together with its interval over sentences."""
    forward_N, backward_N = _hits(layer)
    hits_N = forward_N + backward_N
    if len(set(hits_N.tolist())) == 1:
        # Where all sentences are alike, every resample is too: that is no certainty.
        return replace(wilson(int(hits_N.sum()) // 2, layer.num_sentences), value=accuracy(layer))
    return share_estimate([np.stack([hits_N, np.full_like(hits_N, 2)], axis=1)])


def is_above_chance(layer: AlignedLayer) -> bool:
    """Whether more sentences are hit than if any other were as likely to be nearest; two hits of one count as one."""
    num_hits = layer.forward_hits.count("1") + layer.backward_hits.count("1")
    return wilson(num_hits // 2, layer.num_sentences).low > 1 / layer.num_sentences


def compare_layers(arm: AlignedLayer, control: AlignedLayer) -> PairedDifference | None:
    """Difference in accuracy over the same sentences; None where they are others."""
    if arm.texts != control.texts:
        return None
    ours_N, theirs_N = sum(_hits(arm)), sum(_hits(control))
    gained, lost = int(np.count_nonzero(ours_N > theirs_N)), int(np.count_nonzero(ours_N < theirs_N))
    if not gained and not lost:
        # Nothing to resample; that no sentence differs among so many still leaves room.
        none_N: Bools = np.zeros(arm.num_sentences, dtype=np.bool_)
        return paired_accuracy(none_N, none_N)
    rows_N3 = np.stack([ours_N, theirs_N, np.full_like(ours_N, 2)], axis=1)
    return replace(paired_shares([rows_N3]), p_value=mcnemar_p_value(gained, lost))


def _hits(layer: AlignedLayer) -> tuple[Floats, Floats]:
    forward_N, backward_N = (
        np.array([hit == "1" for hit in hits], dtype=np.float64) for hits in (layer.forward_hits, layer.backward_hits)
    )
    return forward_N, backward_N


def score_alignment(runs: Sequence[RunRecords]) -> Alignments:
    """The layers of every run that has them, by pair of languages."""
    found: dict[tuple[str, Languages], list[AlignedLayer]] = {}
    for run in runs:
        for layer in sorted(run.alignment, key=lambda one: one.layer):
            found.setdefault((run.label, (layer.source, layer.target)), []).append(layer)
    return {key: Alignment(tuple(layers)) for key, layers in found.items()}


def language_pairs(runs: Sequence[RunRecords]) -> list[Languages]:
    """Every pair of languages that a run has alignment of: in the order of the runs' targets, then as measured."""
    found = dict.fromkeys((layer.source, layer.target) for run in runs for layer in run.alignment)
    targets = list(dict.fromkeys(str(run.settings["target"]) for run in runs if "target" in run.settings))
    order = {target: place for place, target in enumerate(targets)}
    return sorted(found, key=lambda pair: order.get(pair[1], len(order)))


def measures(run: RunRecords, languages: Languages) -> bool:
    """Whether a run has alignment of two languages, or may still get it."""
    if run.alignment:
        return any((layer.source, layer.target) == languages for layer in run.alignment)
    return run.plans("alignment") and run.settings.get("target", languages[1]) == languages[1]


def vocabulary_controls(runs: Sequence[RunRecords]) -> list[tuple[RunRecords, RunRecords]]:
    """Every run with new pieces, and the run without that differs from it in nothing else."""
    controls: dict[object, RunRecords] = {}
    for run in runs:
        if not run.settings.get(NEW_PIECES):
            controls.setdefault(_rest(run), run)
    return [
        (run, control)
        for run in runs
        if run.settings.get(NEW_PIECES) and (control := controls.get(_rest(run))) is not None
    ]


def _rest(run: RunRecords) -> object:
    """Seed and settings of a run without those of new pieces, and of further pretraining where it reads no text."""
    silent = VOCABULARY if run.is_pretrained else (*VOCABULARY, PRETRAINING)
    # A setting of zero does not act, and may be absent where the stage is.
    kept = {key: repr(value) for key, value in run.settings.items() if value != 0 and not key.startswith(silent)}
    return run.seed, frozenset(kept.items())


def compare_alignment(runs: Sequence[RunRecords]) -> list[AlignmentComparison]:
    """New pieces against none at the same text, then every run against the untouched base, at both layers.

    p-values are adjusted by Holm over all of them together.
    """
    alignments, base = score_alignment(runs), reference_run(runs)
    pairs: dict[tuple[str, str], tuple[RunRecords, RunRecords, Literal["vocabulary", "base"]]] = {}
    for arm, control in vocabulary_controls(runs):
        pairs[arm.label, control.label] = (arm, control, "vocabulary")
    if base is not None:
        for run in runs:
            if run is not base:
                pairs.setdefault((run.label, base.label), (run, base, "base"))
    shown = language_pairs(runs)
    compared = [
        AlignmentComparison(arm.label, control.label, about, tuple(_differences(arm, control, shown, alignments)))
        for arm, control, about in pairs.values()
    ]
    return _judged([found for found in compared if found.differences])


def _differences(
    arm: RunRecords, control: RunRecords, shown: Sequence[Languages], alignments: Alignments
) -> list[AlignmentDifference]:
    found: list[AlignmentDifference] = []
    for languages in shown:
        if not (measures(arm, languages) and measures(control, languages)):
            continue
        ours, theirs = alignments.get((arm.label, languages)), alignments.get((control.label, languages))
        places: tuple[Place, ...] = ("middle layer", "best layer")
        for place in places:
            one, other = ours and ours.at(place), theirs and theirs.at(place)
            paired = compare_layers(one, other) if one and other else None
            found.append(AlignmentDifference(languages, place, one, other, paired))
    return found


def _judged(comparisons: Sequence[AlignmentComparison]) -> list[AlignmentComparison]:
    told = iter(
        with_verdicts(
            [one for found in comparisons for one in found.differences],
            lower_is_better=lambda _: False,
            margin=lambda _: MARGIN_ACCURACY,
        )
    )
    return [replace(found, differences=tuple(next(told) for _ in found.differences)) for found in comparisons]
