"""How many requests judges will be asked, before anything is built: what is finished is counted, the rest assumed."""

from pathlib import Path

from loanword.evaluation.benchmarks import openness
from loanword.recipe import BenchmarkConfig, JudgementsConfig
from loanword.records import Response, Switching, read_lines
from loanword.store import Job, Store
from loanword.study.estimate.benchmarks import Benchmarks

JUDGEMENT_TOKENS = (1_080, 120)
"""What one takes, read and written."""


class Requests:
    """The requests of jobs that judge; questions are read once, however many runs ask them and judges judge."""

    def __init__(self, store: Store, benchmarks: Benchmarks, finished: set[str]) -> None:
        self._store = store
        self._benchmarks = benchmarks
        self._finished = finished
        self._open: dict[str, int] = {}

    def of(self, job: Job) -> tuple[int, int]:
        """How many there will be, and how many more there may be, about responses that are not there yet and may switch
        languages.
        """
        assert isinstance(job.config, JudgementsConfig)
        times = job.config.repeats * (2 if "control" in job.inputs else 1)
        switching = job.inputs.get("switching")
        if not job.config.only_switched or switching is None:
            return times * self._num_open(job.inputs["responses"]), 0
        if switching.key in self._finished:
            found = read_lines(Switching, self._store.folder(switching) / "switching.jsonl")
            return times * sum(one.switched for one in found), 0
        return 0, times * self._num_open(job.inputs["responses"])

    def _num_open(self, responses: Job) -> int:
        """Open questions that were asked, or will be."""
        finished = responses.key in self._finished
        known_by = responses.key if finished else responses.config.model_dump_json()
        if known_by not in self._open:
            self._open[known_by] = (
                _num_answered(self._store.folder(responses)) if finished else self._num_asked(responses)
            )
        return self._open[known_by]

    def _num_asked(self, responses: Job) -> int:
        assert isinstance(responses.config, BenchmarkConfig)
        questions = self._benchmarks.questions(responses.config)
        if questions is not None:
            return questions.num_open
        asked = self._benchmarks.asked(responses.config)
        return asked.num_examples if asked is not None and openness(responses.config) == "all" else 0


def _num_answered(folder: Path) -> int:
    return sum(one.asked is not None for one in read_lines(Response, folder / "responses.jsonl"))
