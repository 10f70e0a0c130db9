"""A training stage in several processes of this machine: torchrun starts them, each calls the stage's function.

`run_in_processes` is called by the worker that holds the artifact's lease; `python -m loanword.execution.ranks FILE` is
what torchrun starts, and reads from the environment what torchrun sets. All processes fill the same folder; what the
first one says on its standard output, as lines of JSON, reaches the worker.

In: FILE, a JSON object: stage, stages module, config, inputs, out, seed, execution.
"""

import errno
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from loanword.errors import UserError
from loanword.protocols import Stage, Work
from loanword.records import Execution, Record, write_json
from loanword.store.disk import is_full

OUT_OF_MEMORY, ORPHANED = 72, 76
MARK = "loanword-rank "
"""Lines of standard output that are ours begin with this; libraries may print others."""


def run_in_processes(stage: str, config: Record, work: Work, stages_module: str) -> None:
    """Runs a stage in `work.execution.processes` processes of this machine, and returns when all have ended.

    A process that runs out of memory ends them all; they start anew with half the micro-batch, from the last
    checkpoint. SIGTERM is passed on, and ends this process as the stage would have ended it.

    Raises:
        UserError: as the stage raises it in the first process.
        OSError: the disk was full in one of them.
    """
    execution = work.execution

    def resize(micro_batch_tokens: int) -> None:
        nonlocal execution
        execution = execution.model_copy(update={"micro_batch_tokens": micro_batch_tokens})
        work.resize(micro_batch_tokens)

    heard = replace(work, resize=resize)
    while True:
        task = work.scratch / "task.json"
        write_json(_task(stage, config, work, stages_module, execution), task)
        code = _launch(execution.processes, task, heard)
        if code != OUT_OF_MEMORY or execution.micro_batch_tokens is None:
            break
        resize(execution.micro_batch_tokens // 2)
        work.say(f"out of memory: going on with a micro-batch of {execution.micro_batch_tokens:,} tokens")
    if code:
        raise SystemExit(code)


def _task(stage: str, config: Record, work: Work, stages_module: str, execution: Execution) -> dict[str, Any]:
    return {
        "stage": stage,
        "stages": stages_module,
        "kind": [type(config).__module__, type(config).__name__],
        "config": config.model_dump(mode="json"),
        "inputs": {role: str(folder) for role, folder in work.inputs.items()},
        "out": str(work.out),
        "seed": work.seed,
        "logs": None if work.logs is None else str(work.logs),
        "execution": execution.model_dump(mode="json"),
    }


def torchrun_command(processes: int, task: Path) -> list[str]:
    """What starts the processes of one machine, which find each other by a port of torchrun's choice."""
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [*run, "--no-python", sys.executable, "-m", "loanword.execution.ranks", str(task)]


def _launch(processes: int, task: Path, work: Work) -> int:
    """The exit code of the first process, or of torchrun where that one said nothing."""
    log = work.scratch / "ranks.log"
    ended: int | None = None
    with log.open("w", encoding="utf-8") as errors:
        command = torchrun_command(processes, task)
        # Nothing is ever written to their standard input: its end tells them that this process is gone.
        running = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8"
        )
        before = signal.signal(signal.SIGTERM, lambda number, frame: running.terminate())
        try:
            assert running.stdout is not None
            for line in running.stdout:
                said = _heard(line, work)
                ended = ended if said is None else said
            code = running.wait()
        finally:
            signal.signal(signal.SIGTERM, before)
            running.kill()
            running.wait()
            sys.stderr.write(log.read_text(encoding="utf-8", errors="replace"))  # to the log of the artifact
    if ended is not None:
        return ended
    if code:
        raise RuntimeError(f"torchrun ended with {code}:\n{log.read_text(encoding='utf-8', errors='replace')[-4000:]}")
    return 0


def _heard(line: str, work: Work) -> int | None:
    """Passes on what a process said; the exit code where it said that it ends."""
    if not line.startswith(MARK):
        return None
    kind, *said = json.loads(line.removeprefix(MARK))
    if kind == "progress":
        work.progress(*said)
    elif kind == "say":
        work.say(*said)
    elif kind == "resize":
        work.resize(*said)
    elif kind == "refused":
        raise UserError(said[0], said[1], expected=said[2], do=said[3])
    elif kind == "full":
        raise OSError(errno.ENOSPC, *said)
    return said[0] if kind == "ended" else None


def main() -> None:
    """One of the processes: joins the others, calls the stage, and says how it ended."""
    import torch
    import torch.distributed as dist

    task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    execution = Execution.model_validate_json(json.dumps(task["execution"]))
    local, first = int(os.environ["LOCAL_RANK"]), os.environ["RANK"] == "0"
    threading.Thread(target=_end_with_worker, daemon=True).start()
    torch.set_num_threads(execution.threads)
    if execution.device.startswith("cuda"):
        torch.cuda.set_device(local)
        execution = execution.model_copy(update={"device": f"cuda:{local}"})
    # Numbers on the host go over gloo, also beside a GPU: counts, flags, and the metadata of checkpoints.
    dist.init_process_group("cpu:gloo,cuda:nccl" if execution.device.startswith("cuda") else "gloo")
    try:
        _run(task, execution, first)
        _tell(first, "ended", 0)
    except UserError as error:
        _tell(first, "refused", str(error.where), error.what, error.expected, error.do)
        raise SystemExit(2) from None
    except (OSError, SafetensorError) as error:
        if is_full(error):
            _tell(True, "full", str(error))
        raise
    except torch.OutOfMemoryError:
        _tell(True, "ended", OUT_OF_MEMORY)
        raise SystemExit(OUT_OF_MEMORY) from None
    except SystemExit as stopped:
        _tell(first, "ended", stopped.code)
        raise
    dist.destroy_process_group()


def _end_with_worker() -> None:
    os.read(0, 1)
    os._exit(ORPHANED)


def _run(task: Mapping[str, Any], execution: Execution, first: bool) -> None:
    stage: Stage = importlib.import_module(task["stages"]).STAGES[task["stage"]]
    module, name = task["kind"]
    config: Record = getattr(importlib.import_module(module), name).model_validate_json(json.dumps(task["config"]))
    work = Work(
        {role: Path(folder) for role, folder in task["inputs"].items()},
        Path(task["out"]),
        task["seed"],
        execution,
        progress=lambda done, total, unit: _tell(first, "progress", done, total, unit),
        say=lambda sentence: _tell(first, "say", sentence),
        resize=lambda micro_batch_tokens: _tell(first, "resize", micro_batch_tokens),
        logs=Path(task["logs"]) if task["logs"] and first else None,
    )
    stage.run(config, work)


def _tell(first: bool, *said: Any) -> None:
    if first:
        print(MARK + json.dumps(said), flush=True)  # noqa: T201 - the worker reads it


if __name__ == "__main__":
    main()
