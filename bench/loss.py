"""Peak memory of the loss at a vocabulary of 128k pieces, against plain cross-entropy.

Every measurement is a process of its own, on one thread: it takes the loss of the same float32 hidden states, and its
gradients for these and for the output head. What counts is resident memory at its peak above what it was just before.
The arms' losses and gradients must agree before they are compared.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from loanword.training.kernels import plain_cross_entropy
from loanword.training.loss import Head, linear_cross_entropy

GOAL = 2.0
NUM_PIECES = 131_072
NUM_TOKENS = 1024
ARMS: dict[str, Callable[[Tensor, Head, Tensor], Tensor]] = {
    "plain cross-entropy": plain_cross_entropy,
    "loanword": linear_cross_entropy,
}


def run(quick: bool) -> dict[str, Any]:
    """Plain cross-entropy's peak over ours, medians of interleaved rounds."""
    width, num_rounds = (64, 1) if quick else (256, 3)
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{number}.safetensors" for number, name in enumerate(ARMS)}
        rounds = [{name: _in_a_process(name, width, file) for name, file in files.items()} for _ in range(num_rounds)]
        plain, ours = (load_file(file) for file in files.values())
    for name, tensor in ours.items():
        torch.testing.assert_close(
            tensor, plain[name], rtol=1e-4, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}"
        )
    peak = {name: statistics.median(each[name]["peak_bytes"] for each in rounds) for name in ARMS}
    seconds = {name: statistics.median(each[name]["cpu_seconds"] for each in rounds) for name in ARMS}
    return {
        "name": "loss",
        "ratio": peak["plain cross-entropy"] / peak["loanword"],
        "goal": GOAL,
        "rows": [
            {
                "arm": name,
                "pieces": NUM_PIECES,
                "tokens": NUM_TOKENS,
                "width": width,
                "peak MB": peak[name] / 1e6,
                "CPU-seconds": seconds[name],
            }
            for name in ARMS
        ],
    }


def _in_a_process(name: str, width: int, file: Path) -> dict[str, float]:
    answer = subprocess.run(
        [sys.executable, "-m", "bench.loss", name, str(width), str(file)], check=True, capture_output=True, text=True
    )
    return json.loads(answer.stdout)


def measure(name: str, width: int, file: Path) -> dict[str, float]:
    """Peak and time of one arm; its loss and gradients are left in `file`."""
    torch.set_num_threads(1)
    random = torch.Generator().manual_seed(0)
    # What is loaded and prepared at the first call is no memory of the loss.
    _loss_and_gradients(name, torch.randn(4, width, generator=random), torch.randn(64, width, generator=random))
    hidden_ND = torch.randn(NUM_TOKENS, width, generator=random)
    head_VD = torch.randn(NUM_PIECES, width, generator=random) / width**0.5
    before_bytes = psutil.Process().memory_info().rss
    started = time.process_time()
    results = _loss_and_gradients(name, hidden_ND, head_VD)
    measured = {"cpu_seconds": time.process_time() - started, "peak_bytes": float(_peak_bytes() - before_bytes)}
    save_file(results, file)
    return measured


def _loss_and_gradients(name: str, hidden_ND: Tensor, head_VD: Tensor) -> dict[str, Tensor]:
    labels_N = torch.arange(len(hidden_ND)) * 7 % len(head_VD)
    nats = ARMS[name](hidden_ND.requires_grad_(), Head(head_VD.requires_grad_()), labels_N) / len(labels_N)
    nats.backward()
    assert hidden_ND.grad is not None and head_VD.grad is not None
    return {"loss": nats.detach(), "gradient of hidden states": hidden_ND.grad, "gradient of the head": head_VD.grad}


def _peak_bytes() -> int:
    """The most memory that this process has had resident."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Linux counts for `ru_maxrss` what the parent had when it made this process.
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
