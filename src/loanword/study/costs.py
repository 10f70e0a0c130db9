"""What a whole study takes: amounts by stage, time on a machine, what sharing saves; distinct artifacts count once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loanword.protocols import Stage
from loanword.store import Job, Sources, Store
from loanword.study.estimate import Estimate, Estimator, trunk_saving
from loanword.study.hardware import SECONDS_PER_HOUR, HardwareProfile
from loanword.study.plan import missing, results, smaller_cuts
from loanword.study.schedule import Schedule, schedule
from loanword.study.speeds import seconds_of
from loanword.study.study import Study

TOGETHER = 0.9
"""Share of its speed that a device keeps in data-parallel training on one machine; assumed."""
MODEL_STAGES = ("trunk", "pretraining")


@dataclass(frozen=True)
class StageLine:
    """One stage in a plan: its distinct artifacts, and what those still to build take.

    `seconds` are those of one worker, or one device; None without a profile. `unknown` is what amounts and seconds
    leave out, in words.
    """

    stage: str
    artifacts: int
    finished: int
    to_build: int
    text_bytes: int
    num_tokens: int
    flops: float
    disk_bytes: int
    unknown: tuple[str, ...]
    seconds: float | None = None
    num_requests: int = 0
    num_more_requests: int = 0

    @property
    def hours(self) -> float | None:
        """Hours of one worker, or one device."""
        return None if self.seconds is None else self.seconds / SECONDS_PER_HOUR


@dataclass(frozen=True)
class Time:
    """What is still to build takes on `devices` workers, or GPUs: a schedule, and how the devices share the work.

    `device_seconds` are those in which devices work; `together`: each training stage runs on all of them at once.
    """

    schedule: Schedule
    devices: int
    together: bool
    device_seconds: float


@dataclass(frozen=True)
class Shared:
    """Tokens, FLOPs and seconds of training, or of everything: each run by itself, and equal work once."""

    separate_tokens: int
    shared_tokens: int
    separate_flops: float
    shared_flops: float
    separate_seconds: float | None
    shared_seconds: float | None


class Costs:
    """What a study takes on a machine; without one, everything but time."""

    def __init__(
        self,
        study: Study,
        store: Store,
        sources: Sources,
        finished: set[str],
        stages: Mapping[str, Stage],
        profile: HardwareProfile | None = None,
    ) -> None:
        self.study, self.profile, self.stages, self.finished = study, profile, stages, finished
        self.jobs = study.jobs
        self.estimator = Estimator(store, sources, finished)
        self.smaller = smaller_cuts(self.jobs.values(), stages)
        self.to_build = missing(results(study), finished)
        self._taken: dict[str, Estimate] = {}
        self._seconds: dict[tuple[str, float, float], float | None] = {}

    def estimate(self, job: Job) -> Estimate:
        """What building a job takes, a cut going on from the next smaller one."""
        if job.key not in self._taken:
            self._taken[job.key] = trunk_saving(job, self.smaller.get(job.key, []), self.estimator.of(job))
        return self._taken[job.key]

    def seconds(self, job: Job, estimate: Estimate, *, parallel: float = 1.0) -> float | None:
        """Seconds of an estimate on the machine; a stage that takes the whole machine has `parallel` workers."""
        assert self.profile is not None
        asked = (job.key, estimate.flops, parallel)
        if asked not in self._seconds:
            self._seconds[asked] = seconds_of(self.profile, estimate, parallel=parallel)
        return self._seconds[asked]

    def lines(self) -> list[StageLine]:
        """Stages in order, with what is there and what is to build."""
        building = {job.key for job in self.to_build}
        of_stage: dict[str, list[Job]] = {}
        for job in self.jobs.values():
            of_stage.setdefault(job.stage, []).append(job)
        return [
            self._line(stage, jobs, [job for job in jobs if job.key in building]) for stage, jobs in of_stage.items()
        ]

    def time(self, devices: int) -> Time:
        """The shorter of two ways to use several devices: side by side on different jobs, or together on each training.

        On a processor workers go side by side, and only stages that take the whole machine have all of it.
        """
        side = self._time(devices, together=False)
        assert self.profile is not None
        if devices == 1 or self.profile.device == "cpu":
            return side
        together = self._time(devices, together=True)
        return min(side, together, key=lambda time: time.schedule.seconds)

    def trunk_sharing(self) -> Shared:
        """Further pretraining: every distinct model from the start, and cuts of a trunk that go on from each other."""
        cuts = [job for job in self.jobs.values() if job.stage == "pretraining"]
        separate = [one for job in cuts for one in (job, job.inputs.get("trunk")) if one is not None]
        return self._shared(separate, [job for job in self.jobs.values() if job.stage in MODEL_STAGES])

    def sharing(self) -> Shared:
        """Everything: each run by itself, and equal work of different runs once."""
        separate = [job for run in self.study.runs for job in {job.key: job for job in run.jobs.values()}.values()]
        return self._shared(separate, list(self.jobs.values()))

    def _line(self, stage: str, jobs: Sequence[Job], building: Sequence[Job]) -> StageLine:
        taken = [self.estimate(job) for job in building]
        unknown = [one.unknown for one in taken if one.unknown]
        seconds = None
        if self.profile is not None:
            each = [self.seconds(job, one) for job, one in zip(building, taken, strict=True)]
            seconds = sum(one for one in each if one is not None)
            unknown += [
                f"how long {one.kind} takes" for one, known in zip(taken, each, strict=True)
                if known is None and not one.unknown
            ]  # fmt: skip
        return StageLine(
            stage=stage,
            artifacts=len(jobs),
            finished=sum(job.key in self.finished for job in jobs),
            to_build=len(building),
            text_bytes=sum(one.text_bytes for one in taken),
            num_tokens=sum(one.num_tokens for one in taken),
            flops=sum(one.flops for one in taken),
            disk_bytes=sum(one.disk_bytes for one in taken),
            unknown=tuple(dict.fromkeys(unknown)),
            seconds=seconds,
            num_requests=sum(one.num_requests for one in taken),
            num_more_requests=sum(one.num_more_requests for one in taken),
        )

    def _time(self, devices: int, *, together: bool) -> Time:
        assert self.profile is not None
        on_cpu = self.profile.device == "cpu"
        workers = 1 if together else devices
        taken: dict[str, float] = {}
        busy = 0.0
        for job in self.to_build:
            stage, estimate = self.stages[job.stage], self.estimate(job)
            trains = stage.trains is not None and stage.trains(job.config)
            spread = devices * TOGETHER if together and trains else 1.0
            if stage.whole_machine and on_cpu:
                spread = float(devices)
            taken[job.key] = self.seconds(job, estimate, parallel=spread) or 0.0
            busy += taken[job.key] * (devices if spread > 1 else 1)
        stages = self.stages if on_cpu or together else self.one_worker_stages()
        return Time(schedule(self.to_build, taken, stages, self.smaller, workers), devices, together, busy)

    def one_worker_stages(self) -> Mapping[str, Stage]:
        """The stages as several schedulers see them that have one worker each: none waits for a whole machine."""
        return {name: _one_worker(one) for name, one in self.stages.items()}

    def _shared(self, separate: Sequence[Job], distinct: Sequence[Job]) -> Shared:
        apart = [(job, self.estimator.of(job)) for job in separate]
        once = [(job, self.estimate(job)) for job in distinct]
        return Shared(
            separate_tokens=sum(one.num_tokens for _, one in apart if one.flops),
            shared_tokens=sum(one.num_tokens for _, one in once if one.flops),
            separate_flops=sum(one.flops for _, one in apart),
            shared_flops=sum(one.flops for _, one in once),
            separate_seconds=None if self.profile is None else self._sum(apart),
            shared_seconds=None if self.profile is None else self._sum(once),
        )

    def _sum(self, taken: Sequence[tuple[Job, Estimate]]) -> float:
        return sum(self.seconds(job, estimate) or 0.0 for job, estimate in taken)


def _one_worker(stage: Stage) -> Stage:
    return Stage(stage.run, stage.version, trains=stage.trains, model_input=stage.model_input, position=stage.position)


def in_total(lines: Sequence[StageLine]) -> StageLine:
    """All stages together; text is of each stage by itself, and has no sum."""
    timed = [line.seconds for line in lines if line.seconds is not None]
    return StageLine(
        stage="in total",
        artifacts=sum(line.artifacts for line in lines),
        finished=sum(line.finished for line in lines),
        to_build=sum(line.to_build for line in lines),
        text_bytes=0,
        num_tokens=sum(line.num_tokens for line in lines),
        flops=sum(line.flops for line in lines),
        disk_bytes=sum(line.disk_bytes for line in lines),
        unknown=tuple(dict.fromkeys(what for line in lines for what in line.unknown)),
        seconds=sum(timed) if timed else None,
        num_requests=sum(line.num_requests for line in lines),
        num_more_requests=sum(line.num_more_requests for line in lines),
    )
