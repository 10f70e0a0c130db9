#!/usr/bin/env python3
"""SLURM's commands, by the name that comes first: every job is a process of this machine, started at once.

State lies in $PRETENDED_SLURM: `NUMBER` holds a job's state, and behind it the process group where it runs.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PLACE = Path(os.environ["PRETENDED_SLURM"])


def state(number: str) -> list[str]:
    return (PLACE / number).read_text().split()


def sbatch(script: str) -> None:
    number = str(1 + len(list(PLACE.iterdir())))
    flags = [line.split()[1] for line in Path(script).read_text().splitlines() if line.startswith("#SBATCH")]
    after = next((flag.partition("afterok:")[2].strip("'") for flag in flags if "afterok:" in flag), "")
    (PLACE / number).write_text("PENDING")
    # Whoever submits reads until nobody holds our output any more.
    quiet, words = subprocess.DEVNULL, [sys.executable, __file__, "run", number, script, after]
    subprocess.Popen(words, start_new_session=True, stdin=quiet, stdout=quiet, stderr=quiet)
    sys.stdout.write(f"Submitted batch job {number}\n")


def run(number: str, script: str, after: str) -> None:
    while waiting := [other for other in after.split(":") if other and state(other)[0] != "COMPLETED"]:
        if any(state(other)[0] == "FAILED" for other in waiting) or state(number)[0] == "FAILED":
            (PLACE / number).write_text("FAILED")
            return
        time.sleep(0.05)
    (PLACE / number).write_text(f"RUNNING {os.getpgid(0)}")
    environment = {**os.environ, "SLURM_JOB_ID": number, "SLURM_PROCID": "0"}
    ended = subprocess.run(["bash", script], env=environment, check=False).returncode
    (PLACE / number).write_text("FAILED" if ended else "COMPLETED")


def srun(*words: str) -> None:
    rest = list(words)
    while rest[0].startswith("-"):
        option = rest.pop(0)
        if option in ("--output", "--error"):
            target = rest.pop(0).replace("%j", os.environ["SLURM_JOB_ID"]).replace("%t", "0")
            log = os.open(target, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
            os.dup2(log, 1)
            os.dup2(log, 2)
    os.execvp(rest[0], rest)


def squeue(*words: str) -> None:
    asked = next(word.partition("=")[2] for word in words if word.startswith("--jobs=")).split(",")
    for number in asked:
        if (found := state(number)[0]) in ("PENDING", "RUNNING"):
            sys.stdout.write(f"{number}|{found}|None\n")


def scancel(*words: str) -> None:
    number = words[-1]
    found = state(number)
    if found[0] == "RUNNING" and "--state=PENDING" not in words:
        os.killpg(int(found[1]), signal.SIGTERM if "--signal=TERM" in words else signal.SIGKILL)
    if found[0] == "PENDING" or words == (number,):
        (PLACE / number).write_text("FAILED")


def scontrol(*words: str) -> None:
    raise SystemExit("nothing is pretended of it")


COMMANDS = {"sbatch": sbatch, "run": run, "srun": srun, "squeue": squeue, "scancel": scancel, "scontrol": scontrol}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*sys.argv[2:])
