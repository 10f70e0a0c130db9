"""What a study will take before anything is built: text, tokens, FLOPs, disk and work of every artifact.

An estimate uses what is known (sizes and beginnings of source files, questions of benchmarks, shapes of models, counts
of finished artifacts) and, where nothing is, the assumptions below, which the plan prints. Nothing here depends on a
machine: what speeds make of it, `study.speeds` says.
"""

from collections.abc import Callable

from loanword.model.shape import DecoderShape
from loanword.store import Job, Sources, Store
from loanword.study.estimate import asking, text, training
from loanword.study.estimate.known import Known
from loanword.study.estimate.training import trunk_saving
from loanword.study.estimate.value import Estimate

__all__ = ["ASSUMPTIONS", "ESTIMATES", "Estimate", "Estimator", "trunk_saving"]

ASSUMPTIONS = (
    "source files are as their first megabyte, and tokens as vocabularies of such sizes make of such scripts, until "
    "counted; published sets have their published number of questions, of 300 bytes, until they are at hand; "
    "responses are half of the most that may be written; 1,080 tokens read and 120 written a judgement; "
    "attention over documents takes no FLOPs"
)
ESTIMATES: dict[str, Callable[[Known, Job], Estimate]] = {
    "corpus": text.corpus,
    "instructions": text.instructions,
    "tokenizer": text.tokenizer,
    "tokens": text.tokens,
    "conversations": text.conversations,
    "overlap": text.overlap,
    "base": training.base,
    "initialisation": training.initialisation,
    "probe": training.probe,
    "trunk": training.trunk,
    "pretraining": training.pretraining,
    "tuning": training.tuning,
    "likelihoods": asking.likelihoods,
    "alignment": asking.alignment,
    "responses": asking.responses,
    "grades": asking.grades,
    "judgements": asking.judgements,
    "ratings": asking.ratings,
    "switching": asking.switching,
}


class Estimator:
    """Estimates by job, each made once."""

    def __init__(self, store: Store, sources: Sources, finished: set[str]) -> None:
        self.finished = finished
        self._known = Known(store, sources, finished)
        self._made: dict[str, Estimate] = {}

    def of(self, job: Job) -> Estimate:
        """What a job takes; a stage of somebody's own takes nobody knows what."""
        if job.key not in self._made:
            estimate = ESTIMATES.get(job.stage)
            self._made[job.key] = (
                Estimate(unknown=f"what the stage {job.stage} takes", kind=job.stage)
                if estimate is None
                else estimate(self._known, job)
            )
        return self._made[job.key]

    def shape(self, job: Job) -> DecoderShape | None:
        """Shape of the model that a job makes; None where its config.json is not at hand."""
        return self._known.shape(job)
