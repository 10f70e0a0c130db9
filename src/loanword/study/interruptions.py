"""How long work takes on nodes that fail now and then, played through: until it is done, and what of it was lost."""

from dataclasses import dataclass

import numpy as np

SECONDS_PER_DAY = 86_400.0
PLAYED = 400
"""Times that a study is played through: the mean is known to a few per cent of its spread."""


@dataclass(frozen=True)
class Played:
    """Means over all times: seconds from beginning to end; of these, seconds whose work was done again."""

    seconds: float
    lost_seconds: float
    failures: float


def played(
    work_seconds: float,
    *,
    interval_seconds: float,
    checkpoint_seconds: float,
    restart_seconds: float,
    seconds_between_failures: float,
    times: int = PLAYED,
    seed: int = 0,
) -> Played:
    """Work that is saved every `interval_seconds` of it, where something fails at random moments, so far apart in the
    mean. A failure costs what was done since the last checkpoint, and a restart, in which it may fail again.
    """
    random = np.random.default_rng(seed)
    seconds, lost, failures = np.zeros(times), np.zeros(times), np.zeros(times)
    num_whole, rest = divmod(work_seconds, interval_seconds)
    pieces = [interval_seconds + checkpoint_seconds] * int(num_whole) + ([rest] if rest else [])
    for place in range(times):
        until_failure = random.exponential(seconds_between_failures)
        for piece in pieces:
            while until_failure < piece:
                seconds[place] += until_failure
                lost[place] += until_failure
                failures[place] += 1
                until_failure = random.exponential(seconds_between_failures)
                while until_failure < restart_seconds:
                    seconds[place] += until_failure
                    failures[place] += 1
                    until_failure = random.exponential(seconds_between_failures)
                seconds[place] += restart_seconds
                until_failure -= restart_seconds
            seconds[place] += piece
            until_failure -= piece
    return Played(float(seconds.mean()), float(lost.mean()), float(failures.mean()))


def best_interval(checkpoint_seconds: float, seconds_between_failures: float) -> float:
    """The interval between checkpoints that loses least, to first order.

    Source: Young, A first order approximation to the optimum checkpoint interval (1974).
    """
    return (2 * checkpoint_seconds * seconds_between_failures) ** 0.5
