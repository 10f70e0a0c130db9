"""How long each kind of stage takes on this machine: a small study of an invented world, run as any study is."""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from loanword.cli.opening import add_study_arguments, open_study
from loanword.cli.plan_against import learned
from loanword.errors import UserError
from loanword.interruption import REQUEUE
from loanword.microworld.phrasebook import phrasebooks
from loanword.microworld.write import Size, write_world
from loanword.study.hardware import HardwareProfile

STUDY = resources.files("loanword.study") / "calibration.toml"
SIZE = Size(scale=1, num_source_documents=30_000, num_target_documents=15_000, num_elsewhere_documents=100)


def with_stages(profile: HardwareProfile) -> HardwareProfile:
    """The profile with what every kind of stage took, built by as many workers as it has."""
    with tempfile.TemporaryDirectory(prefix="loanword-profile-") as name:
        folder = Path(name)
        write_world(1, SIZE, phrasebooks(("en", "zh")), folder / "world")
        file = folder / "calibration.toml"
        file.write_bytes(STUDY.read_bytes())
        words = [str(file), "--data", str(folder / "world"), "--store", str(folder / "store")]
        _run(profile, words)
        parser = argparse.ArgumentParser()
        add_study_arguments(parser)
        return learned(profile, open_study(parser.parse_args(words)))


def _run(profile: HardwareProfile, words: Sequence[str]) -> None:
    """Runs the study in a process of its own, as whoever runs one does: ours has a server of workers that trained.

    Raises:
        UserError: it could not be built; it has said why.
    """
    how = ["--no-report", "--device", profile.device]
    how += ["--workers", str(profile.workers), "--threads", str(profile.threads)]
    command = [sys.executable, "-m", "loanword.cli", "run", *words, *how]
    ended = subprocess.run(command, check=False).returncode
    if ended == REQUEUE:
        raise KeyboardInterrupt
    if ended:
        raise UserError(
            "loanword profile", "the small study could not be built", do="mend that, or give --quick to leave it out"
        )
