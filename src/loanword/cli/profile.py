"""`loanword profile`: how fast this machine is, measured, for `plan` to make hours of.

Each shape is trained in processes of their own, so that peak memory is theirs too, and in as many at once as a study
has workers: they share caches and memory. Then a small study shows how long each kind of stage takes.
"""

import argparse
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loanword.cli.machine import num_cores
from loanword.errors import UserError

if TYPE_CHECKING:
    from loanword.recipe import ArchitectureConfig, StepsConfig
    from loanword.records import Execution
    from loanword.study.hardware import HardwareProfile, ShapeSpeed

SECONDS_PER_SHAPE = 4.0
SECONDS_PER_CEILING = 1.0
SHAPES = {
    "cpu": {
        "0.5M": (96, 4, 3, 3, 256, 1024, True),
        "3M": (192, 3, 3, 1, 512, 4096, False),
        "7M": (256, 6, 4, 4, 768, 4096, False),
        "20M": (384, 8, 6, 2, 1024, 8192, False),
        "3M-2048": (192, 3, 3, 1, 512, 4096, False),
    },
    "cuda": {
        "160M": (768, 12, 12, 12, 2048, 32_000, False),
        "1B": (2048, 16, 32, 8, 8192, 128_256, True),
        "3B": (3072, 28, 24, 8, 8192, 128_256, True),
        "8B": (4096, 32, 32, 8, 14_336, 128_256, False),
    },
}
"""Width, layers, heads, key-value heads, feed-forward width, pieces, tied; sizes above 1B are those of Llama 3."""
ROWS = {"cpu": (512, 2048, 1024), "cuda": (2048, 16_384, 8192)}
ROWS_OF = {"0.5M": (128, 1024, 1024), "3M-2048": (2048, 8192, 2048)}
"""Tokens of a row, of a step, and at most of a micro-batch: on a device, and of shapes that differ from that."""


@dataclass(frozen=True)
class Trial:
    """One shape to train, and how."""

    name: str
    architecture: "ArchitectureConfig"
    num_pieces: int
    steps: "StepsConfig"
    execution: "Execution"
    estimated_bytes: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `profile`."""
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: cpu)")
    parser.add_argument("--threads", type=int, default=1, help="threads on a CPU (default: 1, as a worker of run has)")
    parser.add_argument("--workers", type=int, help="of a CPU, at work at once (default: as many as run starts)")
    parser.add_argument("--store", type=Path, default=Path("store"), help="the store whose plans use it")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where it is written (default: in the store)")
    parser.add_argument("--shapes", metavar="NAMES", help="sizes, with commas (default: all that fit the device)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="training alone: how long other stages take is then assumed (saves a minute)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Measures, writes the profile and prints it."""
    from loanword.cli.checkpoints import check_device
    from loanword.records import write_json
    from loanword.store import Store
    from loanword.study.hardware import FILE

    check_device(arguments.device)
    kind = arguments.device.partition(":")[0]
    if kind not in SHAPES:
        raise UserError(f"--device {arguments.device}", "no shapes for it", expected="cpu or cuda", do="choose one")
    if arguments.out is None:
        Store(arguments.store).create()
    out = arguments.out or arguments.store / FILE
    _check_writable(out)
    for name in ("threads", "workers"):
        number = getattr(arguments, name)
        if number is not None and number < 1:
            raise UserError(f"--{name} {number}", "not a positive number", do="give 1 or more")
    names = arguments.shapes.split(",") if arguments.shapes else list(SHAPES[kind])
    if unknown := sorted(set(names) - set(SHAPES[kind])):
        raise UserError(
            f"--shapes {','.join(unknown)}", "no such size", expected=", ".join(SHAPES[kind]), do="correct it"
        )
    workers = arguments.workers or (max(1, num_cores() // arguments.threads) if kind == "cpu" else 1)
    profile = _measured(arguments.device, arguments.threads, workers, names)
    if not arguments.quick:
        from loanword.cli.profile_stages import with_stages

        write_json(profile, out)  # what was measured must not be lost with what is measured next
        print("training is measured; a small study now shows how long other stages take", file=sys.stderr)
        profile = with_stages(profile)
    write_json(profile, out)
    _print(profile, out)
    return 0


def _check_writable(out: Path) -> None:
    """Measuring takes minutes, which a file that cannot be written afterwards would lose."""
    if not out.parent.is_dir():
        raise UserError(out.parent, "no such folder", do="make it, or name another file with --out")
    if out.is_dir():
        raise UserError(out, "is a folder", expected="a file", do="name a file with --out")
    try:
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise UserError(out, f"cannot be written: {error.strerror}", do="name another file with --out") from None


def _measured(device: str, threads: int, workers: int, names: list[str]) -> "HardwareProfile":
    from loanword.cli.watching import watched
    from loanword.execution.scheduler import provenance
    from loanword.study.hardware import HardwareProfile

    products: dict[str, float] = {}
    shapes: list[ShapeSpeed] = []
    with watched("profile") as progress:
        ceilings = ("float32", "bf16")
        total = len(ceilings) + len(names)
        for precision in ceilings:
            progress(len(products), total, f"products in {precision}")
            (products[precision],) = _at_once(1, "product_ceiling", threads, device, precision, SECONDS_PER_CEILING)
        for done, trial in enumerate(_trials(device, names), start=len(ceilings)):
            progress(done, total, f"shapes, {trial.name}")
            try:
                speeds = _at_once(
                    workers,
                    "training_speed",
                    threads,
                    trial.architecture,
                    trial.num_pieces,
                    trial.steps,
                    trial.execution,
                    SECONDS_PER_SHAPE,
                )
            except UserError as error:  # what does not fit after all must not cost what was measured
                print(f"{trial.name}: left out: {error}", file=sys.stderr)
                continue
            mean = sum(speed.tokens_per_second for speed in speeds) / workers
            shapes.append(_shape_speed(trial, speeds[0]._replace(tokens_per_second=mean)))
    if not shapes:
        raise UserError(
            f"--device {device}", "no shape could be measured", do="free memory, or name a smaller --shapes"
        )
    known = provenance()
    return HardwareProfile(
        machine=_machine(device, known["machine"]),
        device=device,
        threads=threads,
        workers=workers,
        versions=known["versions"],
        products=products,
        shapes=tuple(shapes),
    )


def _trials(device: str, names: list[str]) -> Iterator[Trial]:
    """Shapes with the first recipe of full training that fits; those that do not fit are left out and said."""
    import psutil

    from loanword.model.memory import USABLE, Place, estimate, fitting
    from loanword.model.shape import architecture_shape
    from loanword.recipe import ArchitectureConfig, StepsConfig
    from loanword.records import Execution

    kind = "cuda" if device.startswith("cuda") else "cpu"
    free = _gpu_bytes(device) if kind == "cuda" else psutil.virtual_memory().available
    for name in names:
        row_tokens, batch_tokens, most = ROWS_OF.get(name, ROWS[kind])
        width, num_layers, num_heads, num_key_value_heads, feed_forward_width, num_pieces, tied = SHAPES[kind][name]
        architecture = ArchitectureConfig(
            width=width,
            num_layers=num_layers,
            num_heads=num_heads,
            num_key_value_heads=num_key_value_heads,
            feed_forward_width=feed_forward_width,
            context_tokens=row_tokens,
            tied_embeddings=tied,
        )
        steps = StepsConfig(
            peak_learning_rate=1e-5,
            row_tokens=row_tokens,
            batch_tokens=batch_tokens,
            precision="float32" if kind == "cpu" else "bf16",
        )
        shape, place = architecture_shape(architecture, num_pieces), Place(kind)
        fits = [
            fit
            for fit in fitting(shape, steps, USABLE * free, place)
            if fit.micro_batch_tokens and fit.steps.lora is None
        ]
        if not fits:
            print(f"{name}: left out: its training does not fit {free / 1e9:.1f} GB", file=sys.stderr)
            continue
        fit = fits[0]
        tokens: int = min(fit.micro_batch_tokens or row_tokens, most)
        execution = Execution(device=device, micro_batch_tokens=tokens, activations=fit.activations)
        estimated = estimate(shape, fit.steps, tokens, fit.activations, place).total_bytes
        yield Trial(name, architecture, num_pieces, fit.steps, execution, estimated)


def _shape_speed(trial: Trial, speed: Any) -> "ShapeSpeed":
    from loanword.model.memory import recipe_name
    from loanword.model.shape import architecture_shape
    from loanword.study.hardware import ShapeSpeed

    return ShapeSpeed(
        name=trial.name,
        num_parameters=architecture_shape(trial.architecture, trial.num_pieces).num_parameters,
        precision=trial.steps.precision,
        recipe=recipe_name(trial.steps),
        activations=trial.execution.activations or "keep",
        row_tokens=trial.steps.row_tokens,
        micro_batch_tokens=trial.execution.micro_batch_tokens or trial.steps.row_tokens,
        estimated_bytes=trial.estimated_bytes,
        **speed._asdict(),
    )


def _at_once(copies: int, function: str, threads: int, *arguments: object) -> list[Any]:
    """What a function of `loanword.training.speed` gives in so many processes that have done nothing else, at once.

    Raises:
        UserError: the function did.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["loanword.training.speed"])
    pipes = [context.Pipe(duplex=False) for _ in range(copies)]
    processes = [context.Process(target=_answer, args=(theirs, function, threads, arguments)) for _, theirs in pipes]
    try:
        for process, (_, theirs) in zip(processes, pipes, strict=True):
            process.start()
            theirs.close()
        answers = [ours.recv() for ours, _ in pipes]
    except EOFError:
        raise RuntimeError(f"{function} died") from None  # its traceback is on stderr
    finally:
        for process in processes:
            if process.pid is not None:
                process.kill()
                process.join()
    if (fault := next((answer for answer in answers if isinstance(answer, UserError)), None)) is not None:
        raise fault
    return answers


def _answer(connection: Connection, function: str, threads: int, arguments: tuple[object, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    import torch

    from loanword.training import speed

    torch.set_num_threads(threads)
    try:
        connection.send(getattr(speed, function)(*arguments))
    except UserError as error:
        connection.send(error)
    except torch.OutOfMemoryError as error:
        connection.send(UserError(function, f"out of memory: {error}", do="end what else runs on the device"))


def _print(profile: "HardwareProfile", out: Path) -> None:
    from loanword.cli.amounts import human, table

    header = ("shape", "recipe", "activations", "tokens/s", "memory", "estimated", "FLOP/s")
    shares = ("MFU", "causal", "whole")
    rows = [
        (
            shape.name,
            shape.recipe,
            shape.activations,
            f"{shape.tokens_per_second:,.0f}",
            human(shape.peak_bytes, "B"),
            human(shape.estimated_bytes, "B"),
            human(shape.flops_per_second),
            *(f"{100 * share:.1f} %" for share in profile.utilisation(shape)),
        )
        for shape in profile.shapes
    ]
    workers = f", {profile.workers} workers at once" if profile.workers > 1 else ""
    print(f"{profile.machine}, {profile.device}, {profile.threads} thread(s){workers}; tokens/s are of one worker")
    table([(*header, *shares), *rows])
    products = ", ".join(f"{human(flops)}FLOP/s in {name}" for name, flops in profile.products.items())
    print(f"Matrix products reach {products}. MFU is a shape's share of that: without attention, with causal attention")
    print("inside documents, and as if every token saw its whole row.")
    if profile.learned:
        print(f"How long {len(profile.learned)} kinds of work take was seen in a small study.")
    print(f"Written to {out}. `loanword plan STUDY --learn` corrects it by what a study took.")


def _gpu_bytes(device: str) -> int:
    import torch

    return torch.cuda.mem_get_info(torch.device(device))[0]


def _machine(device: str, otherwise: str) -> str:
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(torch.device(device))
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.is_file() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)
    return f"{name}, {os.cpu_count()} cores" if name else otherwise
