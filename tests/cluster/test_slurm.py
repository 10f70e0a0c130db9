"""Whole studies on a real SLURM of this machine: the artifacts of a local run, whatever happens to nodes and heads.

Not part of `make test`: `make test-cluster`, with Debian's slurmctld, slurmd, slurm-client and munge.
"""

import json
import os
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from loanword.microworld.phrasebook import phrasebooks
from loanword.microworld.write import Size, write_world
from loanword.store import Store
from loanword.store.leases import Holder
from tests import studies
from tests.cluster.slurm import Slurm, missing_programs

STUDY = Path(__file__).parent / "study.toml"
SIZE = Size(scale=1, num_source_documents=150_000, num_target_documents=30_000, num_elsewhere_documents=100)
SECONDS = 1500.0
EXECUTION = """
launcher = "slurm"
[execution]
threads = 1
checkpoint_seconds = 2
[slurm]
cpus = 1
minutes = 30
warning_seconds = 30
poll_seconds = 1
together_seconds = {together}
again = 9
address = "127.0.0.1"
setup = ["export GLOO_SOCKET_IFNAME=lo"]
[slurm.training]
nodes = {nodes}
minutes = {minutes}
"""
LOCAL = ("--workers", "1", "--threads", "1", "--no-report")

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(bool(missing_programs()), reason=f"not installed: {', '.join(missing_programs())}"),
]


@pytest.fixture
def slurm() -> Generator[Slurm]:
    # A path that is short enough for a socket.
    with tempfile.TemporaryDirectory(prefix="slurm-") as name:
        Path(name).chmod(0o755)  # munge's socket is for every user
        cluster = Slurm(Path(name) / "s")
        try:
            yield cluster.up()
        finally:
            cluster.down()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cluster") / "world"
    write_world(1, SIZE, phrasebooks(("en", "zh")), root)
    return root


@pytest.fixture(scope="module")
def local(world: Path) -> Callable[[int], dict[str, str]]:
    """Content digests of a local run in so many processes."""
    known: dict[int, dict[str, str]] = {}

    def contents(processes: int) -> dict[str, str]:
        if processes not in known:
            store = world.parent / f"local-{processes}"
            words = studies.command("run", world, store, *LOCAL, "--processes", str(processes), study=STUDY)
            done = studies.run(words)
            assert done.returncode == 0, done.stderr
            known[processes] = studies.contents(store)
        return known[processes]

    return contents


class Head:
    """`loanword run` on the cluster, as a user has it in a terminal."""

    def __init__(self, slurm: Slurm, words: Sequence[str], log: Path) -> None:
        self.slurm, self.words, self.log = slurm, words, log
        self.start()

    def start(self) -> None:
        environment = {**studies.environment(), **self.slurm.environment}
        environment["PYTHONPATH"] = os.pathsep.join([str(studies.ROOT / "src"), str(studies.ROOT)])
        with self.log.open("a", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.words, env=environment, stdout=log, stderr=log, start_new_session=True)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def ends_well(self, seconds: float = SECONDS) -> None:
        assert self.process.wait(seconds) == 0, self.log.read_text(encoding="utf-8")[-4000:]


@contextmanager
def head(slurm: Slurm, words: Sequence[str], log: Path) -> Generator[Head]:
    running = Head(slurm, words, log)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.kill()


def execution(folder: Path, *, nodes: int = 1, minutes: int = 30, together: float = 5.0) -> Path:
    file = folder / "execution.toml"
    file.write_text(EXECUTION.format(nodes=nodes, minutes=minutes, together=together), encoding="utf-8")
    return file


def on_slurm(world: Path, store: Path, file: Path, study: Path = STUDY) -> list[str]:
    return studies.command("run", world, store, "--no-report", "--execution", str(file), study=study)


def status(world: Path, store: Path) -> dict[str, Any]:
    done = studies.run(studies.command("status", world, store, "--json", study=STUDY))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def at_work(store: Path, stage: str, running: Head, *, done: int = 1) -> Holder:
    """Whoever builds an artifact of a stage, once it is so far; that is told every other second."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for key, holder in Store(store).builders().items():
            far = 0 if holder.progress is None else holder.progress[0]
            if key.startswith(f"{stage}/") and holder.host and far >= done:
                return holder
        assert running.process.poll() is None, f"ended before {stage}: {running.log.read_text()[-4000:]}"
        time.sleep(0.05)
    raise TimeoutError(f"nobody came to {stage}")


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_study_on_slurm_has_the_digests_of_a_local_run(
    slurm: Slurm, world: Path, local: Callable[[int], dict[str, str]], tmp_path: Path, nodes: int
) -> None:
    store = tmp_path / "store"
    with head(slurm, on_slurm(world, store, execution(tmp_path, nodes=nodes)), tmp_path / "head.log") as running:
        running.ends_well()
    assert studies.contents(store) == local(nodes)
    assert not list((store / "building").iterdir())
    assert not slurm.jobs()
    manifests = [json.loads(path.read_text()) for path in store.glob("artifacts/base/*/manifest.json")]
    assert [manifest["provenance"]["execution"]["nodes"] for manifest in manifests] == [nodes]


def test_whatever_happens_the_study_ends_with_the_same_digests(
    slurm: Slurm, world: Path, local: Callable[[int], dict[str, str]], tmp_path: Path
) -> None:
    store, log = tmp_path / "store", tmp_path / "head.log"
    # A minute is the least that SLURM has, and training takes longer: time is up behind half of it.
    words = on_slurm(world, store, execution(tmp_path, nodes=2, minutes=1, together=1.0))
    with head(slurm, words, log) as running:
        _kill_node(slurm, at_work(store, "tokens", running, done=0).host)
        _kill_node(slurm, at_work(store, "base", running, done=20_000).host)
        at_work(store, "trunk", running, done=20_000)
        slurm.stop_controller()
        time.sleep(15)
        slurm.start_controller()
        at_work(store, "pretraining", running, done=0)
        running.kill()
        time.sleep(5)
        running.start()
        at_work(store, "tuning", running, done=0)
        slurm.output("scontrol", "requeue", slurm.jobs()[0])
        _kill_node(slurm, at_work(store, "responses", running, done=0).host)
        urgent = ["sbatch", "--partition=urgent", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 5"]
        at_work(store, "responses", running, done=0)
        assert slurm.output(*urgent)
        running.ends_well()
    expected, told = local(2), status(world, store)
    assert studies.contents(store) == expected
    kinds = Counter(event["kind"] for event in told["events"])
    assert {"time is up", "started again", "taken up"} <= kinds.keys(), kinds
    assert kinds["started again"] + kinds["lost"] >= 4, kinds
    assert told["artifacts"]["finished"] == len(expected)


def test_two_users_build_each_artifact_once(
    slurm: Slurm, world: Path, local: Callable[[int], dict[str, str]], tmp_path: Path
) -> None:
    expected, store = local(1), tmp_path / "store"
    words = on_slurm(world, store, execution(tmp_path))
    with head(slurm, words, tmp_path / "one.log") as one, head(slurm, words, tmp_path / "two.log") as two:
        one.ends_well()
        two.ends_well()
    assert studies.contents(store) == expected
    finished = [
        json.loads(path.read_text())["provenance"]["started"] for path in store.glob("artifacts/*/*/manifest.json")
    ]
    assert len(finished) == len(expected)


def _kill_node(slurm: Slurm, node: str) -> None:
    slurm.kill_node(node)
    time.sleep(3)
    slurm.start_node(node)
