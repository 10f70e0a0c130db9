"""What this machine has to offer: devices, torch, memory, disk, optional libraries, a judge's address.

torch is imported by the check of torch alone.
"""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from loanword.cli.findings import Finding

GIGABYTE = 10**9
LEAST_FREE_BYTES = 2 * GIGABYTE

EXTRAS = {
    "liger_kernel": "a fused loss on a GPU",
    "torchao": "products in float8 on a GPU",
    "bitsandbytes": "QLoRA",
    "fastokens": "byte-level tokenizers several times as fast",
    "sacrebleu": "chrF of translations that loanword translate makes",
    "vllm": "benchmarks with --engine vllm",
    "tensorboard": "training drawn by --tracker tensorboard",
    "wandb": "training drawn by --tracker wandb",
    "trackio": "training drawn by --tracker trackio",
    "lm_eval": "the harness that our scores are tested against",
}


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine_findings(store: Path, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Everything about the machine that does not ask the network."""
    yield from _processor()
    yield from _torch()
    yield _disk(store)
    yield from _extras()
    yield _judge(environment)


def _processor() -> Iterator[Finding]:
    import psutil

    cores = num_cores()
    yield Finding(area="machine", name="CPU", state="ok", found=f"{cores} cores to use, {platform.machine()}")
    memory = psutil.virtual_memory()
    yield Finding(
        area="machine",
        name="memory",
        state="ok",
        found=f"{memory.total / GIGABYTE:.1f} GB, {memory.available / GIGABYTE:.1f} GB free",
    )
    yield Finding(area="machine", name="Python", state="ok", found=platform.python_version())


def _torch() -> Iterator[Finding]:
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a shared library of the build is missing
        do = "install loanword with its dependencies (see README, Install)"
        yield Finding(area="torch", name="torch", state="problem", found=f"cannot be imported: {error}", do=do)
        return
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
    yield Finding(area="torch", name="torch", state="ok", found=f"{torch.__version__}, {build}")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            total_bytes = torch.cuda.mem_get_info(index)[1]
            found = f"{torch.cuda.get_device_name(index)}, {total_bytes / GIGABYTE:.1f} GB"
            yield Finding(area="torch", name=f"cuda:{index}", state="ok", found=found)
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        driver_unused = shutil.which("nvidia-smi") is not None and torch.version.cuda is None
        do = "this machine has an NVIDIA driver: install a CUDA build of torch" if driver_unused else ""
        yield Finding(area="torch", name="CUDA", state="absent", found="no device that torch can use", do=do)
        # oneDNN computes bf16 on any AVX-512 processor; only these do it faster than float32.
        has = torch.cpu.get_capabilities()
        bf16 = any(has.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))
    has_mps = torch.backends.mps.is_available()
    yield Finding(
        area="torch", name="MPS", state="ok" if has_mps else "absent", found="there" if has_mps else "no Apple GPU"
    )
    found = "in hardware" if bf16 else 'emulated: slow; set steps.precision = "float32"'
    yield Finding(area="torch", name="bf16", state="ok" if bf16 else "absent", found=found)


def _disk(store: Path) -> Finding:
    place = next(folder for folder in (store.resolve(), *store.resolve().parents) if folder.exists())
    free_bytes = shutil.disk_usage(place).free
    full = free_bytes < LEAST_FREE_BYTES
    return Finding(
        area="machine",
        name="disk at the store",
        state="problem" if full else "ok",
        found=f"{free_bytes / GIGABYTE:.1f} GB free at {store}",
        do="free some space, or name a roomier place with --store" if full else "",
    )


def _extras() -> Iterator[Finding]:
    distributions = importlib.metadata.packages_distributions()
    for module, purpose in EXTRAS.items():
        if importlib.util.find_spec(module) is None:
            yield Finding(area="optional libraries", name=module, state="absent", found=f"not installed ({purpose})")
        else:
            version = (
                importlib.metadata.version(distributions[module][0]) if module in distributions else "version unknown"
            )
            yield Finding(area="optional libraries", name=module, state="ok", found=f"{version} ({purpose})")


def _judge(environment: Mapping[str, str]) -> Finding:
    address = environment.get("LOANWORD_JUDGE_URL")
    if not address:
        do = "set LOANWORD_JUDGE_URL to an OpenAI-compatible endpoint, if a study asks for judgements"
        return Finding(area="judge", name="LOANWORD_JUDGE_URL", state="absent", found="not set", do=do)
    key = "set" if environment.get("LOANWORD_JUDGE_KEY") else "not set"
    return Finding(
        area="judge",
        name="LOANWORD_JUDGE_URL",
        state="ok",
        found=f"{without_secrets(address)}, LOANWORD_JUDGE_KEY {key}",
    )


def without_secrets(address: str) -> str:
    """An address without the user, password and query that it may carry; of what is no address nothing is shown."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return "no address"
    # Where something else stands than an address, any part of it may be the secret.
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else "no address"
