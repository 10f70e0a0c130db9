"""What one artifact takes, in amounts that do not depend on a machine."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """What one artifact takes; `unknown` says in words what cannot be known yet, and is empty where all is.

    `kind` names the work for whoever knows speeds: the stage, and what of it takes another time. Work on a model is
    `flops` of a model of `num_parameters` in rows of `row_tokens`, and what it writes `num_written_tokens`, one after
    the other; all other work is `work`, in the unit of its kind. `num_requests` are those to a server that has judges;
    their tokens are read and written there. Of `num_more_requests` it is not known how many are needed: they are about
    responses that switch languages, which are not there yet.
    """

    text_bytes: int = 0
    num_tokens: int = 0
    flops: float = 0.0
    disk_bytes: int = 0
    unknown: str = ""
    num_requests: int = 0
    num_more_requests: int = 0
    kind: str = ""
    work: float = 0.0
    num_parameters: int = 0
    row_tokens: int = 0
    num_written_tokens: int = 0
