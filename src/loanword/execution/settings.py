"""An execution file: where and how a study runs, apart from what it is. Nothing of it is in any artifact's name.

In: TOML. `launcher` says what runs tasks; [execution] sets what the flags of `run` set, which overrule it; [slurm] is
how jobs are asked for, and [slurm.training], [slurm.model], [slurm.text] what is otherwise for stages that train, that
ask a model, and that do neither.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from loanword.protocols import Stage
from loanword.records import PositiveCount, PositiveFloat, Record, read_toml
from loanword.store import Job

Kind = Literal["training", "model", "text"]
Name = Annotated[str, Field(min_length=1, pattern=r"^[^\n\x00]+$")]


class Asked(Record):
    """What one job asks of SLURM; None where that is not said. `sbatch` holds any other option, without its dashes."""

    partition: Name | None = None
    account: Name | None = None
    qos: Name | None = None
    constraint: Name | None = None
    nodes: PositiveCount | None = None
    cpus: PositiveCount | None = None
    gpus_per_node: PositiveCount | None = None
    memory_gb: PositiveFloat | None = None
    minutes: PositiveCount | None = None
    sbatch: dict[Name, str | int | bool] = Field(default_factory=dict[str, str | int | bool])

    def over(self, other: "Asked") -> "Asked":
        """This, and what it does not say as the other says it."""
        said = {name: value for name in Asked.model_fields if (value := getattr(self, name)) not in (None, {})}
        said["sbatch"] = {**other.sbatch, **self.sbatch}
        return Asked(**{**{name: getattr(other, name) for name in Asked.model_fields}, **said})


class Slurm(Asked):
    """How jobs are asked for.

    `setup` are lines of shell before the program; `container` and `mounts` go to srun (enroot and pyxis); `python` is
    the interpreter on the nodes, this one by default. A job is told `warning_seconds` before its time is up, and then
    writes a checkpoint and queues again. Small artifacts are put together into jobs of about `together_seconds`. At
    most `at_once` are in the queue; one that is lost is submitted again `again` times. The queue is looked at every
    `poll_seconds`. Processes of several nodes meet at `address`, by default the name of the first one.
    """

    setup: tuple[str, ...] = ()
    container: Name | None = None
    mounts: tuple[Name, ...] = ()
    python: Name | None = None
    warning_seconds: PositiveCount = 120
    together_seconds: Annotated[float, Field(ge=0)] = 600.0
    at_once: PositiveCount = 64
    again: Annotated[int, Field(ge=0)] = 3
    poll_seconds: PositiveFloat = 10.0
    address: Name | None = None
    training: Asked = Asked()
    model: Asked = Asked()
    text: Asked = Asked()

    def asked(self, kind: Kind) -> Asked:
        """What a job of a kind asks for."""
        own: Asked = getattr(self, kind)
        return own.over(self)


class Flags(Record):
    """What the flags of `run` say, where they do not."""

    device: Name | None = None
    workers: PositiveCount | None = None
    threads: PositiveCount | None = None
    processes: PositiveCount | None = None
    sharding: Literal["full", "hybrid"] = "full"
    micro_batch_tokens: PositiveCount | None = None
    activations: Literal["keep", "selective", "recompute"] | None = None
    compile: bool | None = None
    checkpoint_seconds: PositiveFloat | None = None


class Settings(Record):
    """A whole execution file."""

    launcher: Literal["local", "slurm"] = "local"
    execution: Flags = Flags()
    slurm: Slurm = Slurm()


def read_settings(path: Path) -> Settings:
    """The settings of an execution file.

    Raises:
        UserError: it is not there, not TOML, or not an execution file; all problems at once.
    """
    return read_toml(Settings, path, what="execution file", where_told="docs/cluster.md")


def kind_of(job: Job, stage: Stage) -> Kind:
    """Which of the three kinds a job is."""
    if stage.trains is not None and stage.trains(job.config):
        return "training"
    return "model" if stage.on_device or stage.model_input is not None else "text"
