"""What stands in a store of jobs that a scheduler of a cluster has, or had: for whoever takes them up, and for people.

In: `jobs/ID/submission.json`.
"""

from collections.abc import Iterator
from pathlib import Path

from loanword.records import Record, read_json

JOBS, SUBMISSION = "jobs", "submission.json"


class Submission(Record):
    """Artifacts that were asked for together: their keys, the job (none until it has a number), by whom, when."""

    keys: tuple[str, ...]
    job: str
    name: str
    user: str
    host: str
    time: float


def submissions(root: Path) -> Iterator[tuple[Path, Submission]]:
    """Every submission whose artifacts are not all known to be there, and its folder."""
    for path in (root / JOBS).glob(f"*/{SUBMISSION}"):
        try:
            yield path.parent, read_json(Submission, path)
        except FileNotFoundError:
            continue  # somebody has just seen its job end
