"""A training that is killed again and again ends byte for byte as if it had been left alone.

`make test-kill` kills 20 times in 300 steps; LOANWORD_KILLS sets another number.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def check(folder: Path, kills: int, steps: int) -> None:
    seed = time.time_ns() % 10**6  # other moments in every run, told where the test fails
    command = [sys.executable, "-m", "tests.training.killed", *map(str, (folder, seed, kills, steps))]
    paths = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'src'}{os.pathsep}{REPOSITORY}"}
    done = subprocess.run(command, cwd=REPOSITORY, env=paths, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    story = f"seed {seed}: {done.stdout}"
    died = json.loads(done.stdout)
    assert [status for _, _, status in died] == [signal.SIGKILL] * kills, story
    # The first that is killed has nothing to continue; among more there is one that had.
    assert kills == 1 or any(first > 1 for first, _, _ in died), story
    for name in ("model.safetensors", "optimizer.safetensors", "curve.jsonl"):
        disturbed, undisturbed = (folder / which / name for which in ("disturbed", "undisturbed"))
        assert disturbed.read_bytes() == undisturbed.read_bytes(), f"{name} with {story}"


@pytest.mark.kill
def test_a_training_killed_four_times_ends_as_if_left_alone(tmp_path: Path) -> None:
    check(tmp_path, kills=4, steps=120)


@pytest.mark.kill
def test_a_training_killed_twenty_times_ends_as_if_left_alone(tmp_path: Path) -> None:
    check(tmp_path, kills=int(os.environ.get("LOANWORD_KILLS", "20")), steps=300)
