"""How long the rest of a study takes, by how long similar artifacts took here.

The time of an artifact that is not there is that of finished ones of its stage: in proportion to FLOPs where these are
known of both, their mean elsewhere. A stage of which the store has none finished gives no time, and is counted as not
known.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from loanword.records import read_json
from loanword.store import Job, Manifest, Store
from loanword.store.artifacts import MANIFEST
from loanword.store.leases import Holder
from loanword.study.estimate import Estimator, trunk_saving

NUM_ASKED = 24
"""Finished artifacts of a stage whose times are read, spread over all that are there."""


@dataclass(frozen=True)
class Remaining:
    """What is left of some artifacts.

    `work_seconds` adds up all of them, one after the other; `path_seconds` those of the longest chain in which each
    waits for the one before. `num_at_once` are being built now, and `unknown` counts those by stage of which nothing
    similar was ever built here: no second of theirs is in the others.
    """

    work_seconds: float
    path_seconds: float
    num_at_once: int
    unknown: Mapping[str, int]

    @property
    def seconds(self) -> float:
        """Until all that is known is built, if as many go on to be built at once as are now."""
        return max(self.path_seconds, self.work_seconds / max(1, self.num_at_once))


class Times:
    """Seconds that artifacts of a study take, by what similar ones took in its store."""

    def __init__(
        self, jobs: Mapping[str, Job], store: Store, estimator: Estimator, smaller_cuts: Mapping[str, Sequence[Job]]
    ) -> None:
        self._jobs, self._store, self._estimator, self._smaller_cuts = jobs, store, estimator, smaller_cuts
        self._finished: dict[str, list[str]] = {}
        for key in sorted(estimator.finished):
            self._finished.setdefault(key.partition("/")[0], []).append(key)
        self._known: dict[str, tuple[float, float] | None] = {}

    def seconds(self, job: Job) -> float | None:
        """Of one worker; None where nothing similar was ever built here."""
        if job.stage not in self._known:
            self._known[job.stage] = self._measured(job.stage)
        known = self._known[job.stage]
        if known is None:
            return None
        mean_seconds, seconds_per_flop = known
        flops = self._flops(job)
        return seconds_per_flop * flops if seconds_per_flop and flops else mean_seconds

    def remaining(self, jobs: Iterable[Job], builders: Mapping[str, Holder]) -> Remaining:
        """What is left of jobs that are not finished, given inputs first, of which some are being built."""
        unknown, left, path = Counter[str](), dict[str, float](), dict[str, float]()
        for job in jobs:
            seconds = self._left(job, builders.get(job.key))
            if seconds is None:
                unknown[job.stage] += 1
            left[job.key] = seconds or 0.0
            path[job.key] = left[job.key] + max((path.get(made.key, 0.0) for made in job.inputs.values()), default=0.0)
        num_at_once = sum(key in builders for key in left)
        return Remaining(sum(left.values()), max(path.values(), default=0.0), num_at_once, dict(unknown))

    def _left(self, job: Job, holder: Holder | None) -> float | None:
        """What is counted is known best by whoever counts it; a stage may count several times."""
        if holder is None:
            return self.seconds(job)
        usual = self.seconds(job)
        if usual is None or holder.elapsed_seconds is None:
            return holder.left_seconds
        return max(holder.left_seconds or 0.0, usual - holder.elapsed_seconds, 0.0)

    def _flops(self, job: Job) -> float:
        return trunk_saving(job, list(self._smaller_cuts.get(job.key, ())), self._estimator.of(job)).flops

    def _measured(self, stage: str) -> tuple[float, float] | None:
        """Mean seconds, and seconds per FLOP where FLOPs are known, of artifacts of this study, or else of others."""
        keys = self._finished.get(stage, [])
        keys = [key for key in keys if key in self._jobs] or keys
        some = keys[:: max(1, len(keys) // NUM_ASKED)]
        taken = {key: seconds for key in some if (seconds := self._taken(key)) is not None}
        if not taken:
            return None
        flops = {key: self._flops(self._jobs[key]) for key in taken if key in self._jobs}
        total = sum(flops.values())
        return fmean(taken.values()), sum(taken[key] for key in flops) / total if total else 0.0

    def _taken(self, key: str) -> float | None:
        seconds = read_json(Manifest, self._store.place(key) / MANIFEST).provenance.get("seconds")
        return float(seconds) if isinstance(seconds, int | float) else None
