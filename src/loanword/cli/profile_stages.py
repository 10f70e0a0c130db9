"""How long each kind of stage takes on this machine: a small study of an invented world, run as any study is."""

import argparse
import tempfile
from importlib import resources
from pathlib import Path

from loanword.cli import run as study_run
from loanword.cli.opening import Opened, open_study
from loanword.microworld.phrasebook import phrasebooks
from loanword.microworld.write import Size, write_world
from loanword.study.estimate import Estimator
from loanword.study.hardware import HardwareProfile
from loanword.study.plan import smaller_cuts
from loanword.study.reality import finished_artifacts, took
from loanword.study.speeds import learned_from

STUDY = resources.files("loanword.study") / "calibration.toml"
SIZE = Size(scale=1, num_source_documents=30_000, num_target_documents=15_000, num_elsewhere_documents=100)


def with_stages(profile: HardwareProfile, *, smoke: bool = False) -> HardwareProfile:
    """The profile with what every kind of stage took, built by as many workers as it has; `smoke`: at 1/1000."""
    with tempfile.TemporaryDirectory(prefix="loanword-profile-") as name:
        folder = Path(name)
        write_world(1, SIZE, phrasebooks(("en", "zh")), folder / "world")
        file = folder / "calibration.toml"
        file.write_bytes(STUDY.read_bytes())
        arguments = _arguments(profile, file, folder, smoke)
        ended, _ = study_run.run_study(arguments)
        if ended:
            raise KeyboardInterrupt
        return learned(profile, open_study(arguments, smoke=smoke))


def learned(profile: HardwareProfile, opened: Opened) -> HardwareProfile:
    """The profile with what the finished artifacts of a study took."""
    jobs = [job for job in opened.study.jobs.values() if job.key in opened.finished]
    known = Estimator(opened.store, opened.sources, opened.finished)
    cuts = smaller_cuts(opened.study.jobs.values(), opened.stages.STAGES)
    finished = {one.key: one for one in finished_artifacts(opened.store, jobs)}
    return learned_from(profile, took(profile, finished, jobs, known.of, cuts))


def _arguments(profile: HardwareProfile, file: Path, folder: Path, smoke: bool) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    study_run.add_arguments(parser)
    words = [str(file), "--data", str(folder / "world"), "--store", str(folder / "store"), "--no-report"]
    words += ["--device", profile.device, "--workers", str(profile.workers), "--threads", str(profile.threads)]
    return parser.parse_args([*words, *(["--smoke"] if smoke else [])])
