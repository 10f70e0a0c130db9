"""Execution files: strict, and told apart by what a job is for."""

import re
from pathlib import Path

import pytest

from loanword.errors import UserError
from loanword.execution.settings import Asked, Slurm, kind_of, read_settings
from loanword.recipe import PretrainingConfig
from loanword.stages import STAGES
from loanword.store import Naming, Sources
from loanword.study.file import cells, read_study
from loanword.wiring import wire
from tests.studies import ROOT


def written(folder: Path, text: str) -> Path:
    file = folder / "execution.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_execution_file_of_the_documents_can_be_read(tmp_path: Path) -> None:
    document = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    settings = read_settings(written(tmp_path, re.findall(r"```toml\n(.*?)```", document, re.DOTALL)[0]))
    assert settings.slurm.asked("training").nodes == 4
    assert settings.slurm.asked("text").partition == "cpu"
    assert settings.slurm.asked("model").partition == "gpu"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('launcher = "pbs"', "launcher"),
        ("[slurm]\npartitions = 3", "slurm.partitions: unknown key"),
        ("[slurm.training]\nnodes = 0", "slurm.training.nodes"),
        ('[slurm]\npartition = "a\\nb"', "slurm.partition"),
        ("[execution]\nprocesses = 1.5\ndevices = 2", "execution.processes"),
        ("launcher = ", "not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        read_settings(written(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such execution file"):
        read_settings(tmp_path / "none.toml")


def test_what_a_kind_of_job_says_counts_before_what_all_say() -> None:
    slurm = Slurm(
        partition="gpu",
        cpus=4,
        sbatch={"mail-type": "FAIL", "exclusive": True},
        training=Asked(cpus=16, nodes=2, sbatch={"exclusive": False}),
    )
    asked = slurm.asked("training")
    assert (asked.partition, asked.cpus, asked.nodes) == ("gpu", 16, 2)
    assert asked.sbatch == {"mail-type": "FAIL", "exclusive": False}
    assert slurm.asked("text") == Asked(partition="gpu", cpus=4, sbatch={"mail-type": "FAIL", "exclusive": True})


def test_every_stage_is_asked_for_as_what_it_is() -> None:
    naming = Naming(Sources(Path(), provisional=True), {name: stage.version for name, stage in STAGES.items()})
    study = ROOT / "studies" / "real-small.toml"
    jobs = {
        job.stage: kind_of(job, STAGES[job.stage])
        for cell in cells(read_study(study), study)
        for job in wire(cell.recipe, naming.job).values()
        if not (isinstance(job.config, PretrainingConfig) and not job.config.budget.amount)
    }
    assert {stage for stage, kind in jobs.items() if kind == "training"} == {"base", "trunk", "pretraining", "tuning"}
    assert {stage for stage, kind in jobs.items() if kind == "text"} >= {"corpus", "tokenizer", "tokens", "grades"}
    assert {jobs["probe"], jobs["responses"], jobs["likelihoods"]} == {"model"}
