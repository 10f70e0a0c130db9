"""What is told of artifacts that could not be built: why, and the end of what they wrote."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from loanword.cli import BUG, USAGE
from loanword.cli.opening import Opened
from loanword.errors import UserError
from loanword.store.failures import end_of_log
from loanword.study.study import Study

if TYPE_CHECKING:
    from loanword.execution.scheduler import Failed


def labels_of(study: Study) -> Mapping[str, str]:
    """What people call each artifact of a study: its role, and the first run that has it."""
    return {job.key: f"{role} ({run.label})" for run in reversed(study.runs) for role, job in run.jobs.items()}


def tell_failures(opened: Opened, failed: "Sequence[Failed]") -> int:
    """Tells why artifacts could not be built, with the end of each one's log; the exit code, 0 where there are none."""
    labels = labels_of(opened.study)
    for one in failed:
        print(f"error: {labels.get(one.job.key, one.job.key)}: {one.error}", file=sys.stderr)
        log = opened.store.log(one.job)
        told = str(one.error).partition("in its worker:\n")[2] or str(one.error)
        if lines := end_of_log(log, without=told):
            print(f"  the end of {log}:", *(f"  | {line}" for line in lines), sep="\n", file=sys.stderr)
    if len(failed) > 1:
        print(f"{len(failed)} artifacts could not be built", file=sys.stderr)
    if not failed:
        return 0
    return USAGE if all(isinstance(one.error, UserError) for one in failed) else BUG
