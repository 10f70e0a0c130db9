"""A study killed at random moments and continued has the content of one that was left alone.

Not part of `make test`: `make test-kill` kills five times, LOANWORD_KILLS sets another number.
"""

import os
import random
import time
from pathlib import Path

import pytest

from tests import studies


@pytest.mark.kill
def test_a_killed_study_continues_to_the_same_content(shared_data: Path, tmp_path: Path) -> None:
    num_kills, seed = int(os.environ.get("LOANWORD_KILLS", "5")), random.randrange(2**32)
    draw = random.Random(seed)
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    began = time.monotonic()
    done = studies.run(studies.command("run", shared_data, undisturbed, "--no-report"))
    assert done.returncode == 0, done.stderr
    seconds = time.monotonic() - began

    words = studies.command("run", shared_data, killed, "--no-report", "--checkpoint-seconds", "1")
    # Each run gets far enough to have begun, the first one not far enough to have ended: it gets at most 0.6 of the
    # time, for a second run finds warm caches.
    moments = [draw.uniform(3.0, max(6.0, 1.2 * seconds / (num_kills + 1))) for _ in range(num_kills)]
    hits = [studies.killed_after(words, moment) for moment in moments]
    story = (
        f"seed {seed}: {seconds:.0f} s undisturbed; killed {hits} after {[round(moment, 1) for moment in moments]} s"
    )
    assert any(hits), story
    done = studies.run(words)
    assert done.returncode == 0, done.stderr
    assert studies.contents(killed) == studies.contents(undisturbed), story
    assert not list((killed / "building").iterdir())
