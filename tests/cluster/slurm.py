"""A SLURM of this machine: one controller, and nodes that are daemons of it. Set up and torn down by whoever tests.

`python -m tests.cluster.slurm up FOLDER` starts one for trying things by hand (`export SLURM_CONF=FOLDER/slurm.conf`),
and `down FOLDER` ends it. Debian's packages: slurmctld slurmd slurm-client munge. Everything lies in the folder.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
NODES = ("n1", "n2")
CONTROLLER_PORT, NODE_PORT = 16_917, 17_101
START_SECONDS, STOP_SECONDS = 30.0, 20.0

# Nodes without cgroups, as a machine without systemd needs; short intervals, so that a requeued job starts in seconds.
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdSpoolDir={folder}/spool-%n
SlurmdLogFile={folder}/slurmd-%n.log
PlugStackConfig={folder}/plugstack.conf
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
PropagateResourceLimits=NONE
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=10
KillWait=20
MinJobAge=60
JobRequeue=1
MailProg=/bin/true
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=2:00:00 DefaultTime=30 State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=urgent Nodes=ALL MaxTime=2:00:00 State=UP PriorityTier=10
"""


class Slurm:
    """A running controller and two nodes of `cpus` processors each."""

    def __init__(self, folder: Path, cpus: int = 2) -> None:
        self.folder, self._cpus = folder, cpus

    @property
    def environment(self) -> dict[str, str]:
        """What commands need to speak to it."""
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def up(self) -> "Slurm":
        """Starts all of it."""
        for name in ("munge", "state", *(f"spool-{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "plugstack.conf").touch()
        self._write_configuration()
        self._start_munge()
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        _wait(lambda: self.output("sinfo", "--noheader", "--states=idle", "--format=%D").strip() == str(len(NODES)))
        return self

    def down(self) -> None:
        """Ends all of it, and every process of its jobs."""
        pids = [self._pid(path) for path in (*self.folder.glob("*.pid"), self.folder / "munge" / "pid")]
        for process in self._processes():
            process.kill()
        for pid in filter(None, pids):
            _end(pid)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_controller(self) -> None:
        """Starts the controller, with what it had saved."""
        subprocess.run(["slurmctld", "-f", self.folder / "slurm.conf"], check=True, env=self.environment)
        _wait(lambda: "UP" in self.output("scontrol", "ping"))

    def stop_controller(self) -> None:
        """Ends the controller; jobs go on."""
        pid = self._pid(self.folder / "slurmctld.pid")
        assert pid is not None
        _end(pid)

    def start_node(self, node: str) -> None:
        """Starts a node."""
        subprocess.run(["slurmd", "-f", self.folder / "slurm.conf", "-N", node], check=True, env=self.environment)

    def kill_node(self, node: str) -> None:
        """Kills a node with all that runs on it, as losing its power would."""
        pid = self._pid(self.folder / f"slurmd-{node}.pid")
        processes = self._processes(node)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        for process in processes:
            process.kill()

    def output(self, *command: str) -> str:
        """What a command writes; nothing where it fails."""
        return subprocess.run(command, capture_output=True, text=True, env=self.environment, check=False).stdout

    def jobs(self, state: str = "RUNNING") -> list[str]:
        """Numbers of jobs in a state."""
        return self.output("squeue", "--noheader", f"--states={state}", "--format=%A").split()

    def _write_configuration(self) -> None:
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={socket.gethostname().split('.')[0]} NodeAddr=127.0.0.1 "
            f"Port={NODE_PORT + place} CPUs={self._cpus} Sockets=1 CoresPerSocket={self._cpus} ThreadsPerCore=1 "
            "RealMemory=4000 State=UNKNOWN"
            for place, node in enumerate(NODES)
        )
        (self.folder / "slurm.conf").write_text(
            CONFIGURATION.format(
                host=socket.gethostname().split(".")[0],
                controller_port=CONTROLLER_PORT,
                user=getpass.getuser(),
                folder=self.folder,
                nodes=nodes,
            )
        )

    def _start_munge(self) -> None:
        munge = self.folder / "munge"
        munge.chmod(0o755)
        key = munge / "key"
        key.touch(0o600)
        key.write_bytes(os.urandom(128))
        places = {"key-file": key, "socket": munge / "socket", "pid-file": munge / "pid", "log-file": munge / "log"}
        options = [f"--{name}={place}" for name, place in {**places, "seed-file": munge / "seed"}.items()]
        subprocess.run(["munged", *options, "--num-threads=2"], check=True)

    def _processes(self, node: str | None = None) -> list[psutil.Process]:
        """Processes of jobs, on one node or all, and those that hold them there."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            try:
                there = _belongs(process.environ(), self.folder, node)
                parent = process.parent() if there else None
            except psutil.Error:
                continue
            if there:
                found.append(process)
            if parent is not None and parent.name().startswith("slurmstepd"):
                found.append(parent)
        return found

    @staticmethod
    def _pid(path: Path) -> int | None:
        try:
            return int(path.read_text())
        except (FileNotFoundError, ValueError):
            return None


def missing_programs() -> list[str]:
    """What is not installed of what a cluster needs."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


def _belongs(environment: Mapping[str, str], folder: Path, node: str | None) -> bool:
    mine = environment.get("SLURM_CONF") == str(folder / "slurm.conf") and "SLURMD_NODENAME" in environment
    return mine and node in (None, environment.get("SLURMD_NODENAME"))


def _end(pid: int) -> None:
    try:
        process = psutil.Process(pid)
        process.terminate()
        process.wait(STOP_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _wait(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + START_SECONDS
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError("SLURM did not start; its logs lie in its folder")
        time.sleep(0.2)


if __name__ == "__main__":
    wish, place = sys.argv[1], Slurm(Path(sys.argv[2]).resolve())
    place.up() if wish == "up" else place.down()
