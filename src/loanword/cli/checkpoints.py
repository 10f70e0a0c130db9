"""A checkpoint named on the command line, opened as a language model."""

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from loanword.errors import UserError

if TYPE_CHECKING:
    from loanword.model.score import LocalModel


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Which checkpoint, and where it runs."""
    parser.add_argument("model", metavar="MODEL", help="a checkpoint folder, an artifact of a store, or a Hub id")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps (default: cpu)")


def named_folder(name: str) -> Path | None:
    """The folder of a checkpoint as it is named, or inside a named artifact; None for a Hub id.

    Raises:
        UserError: it is neither a folder nor a Hub id.
    """
    from loanword.store.identity import is_hub_id

    folder = Path(name)
    if folder.is_dir():
        inside = folder / "checkpoint"
        return inside if inside.is_dir() and not (folder / "config.json").is_file() else folder
    if not is_hub_id(name):
        raise UserError(
            name, "no such checkpoint", expected="a folder, or a Hub id such as org/name", do="check the path"
        )
    return None


def checkpoint_folder(name: str) -> Path:
    """The folder of a checkpoint: as named, inside a named artifact, or fetched from the Hub.

    Raises:
        UserError: there is none, or it cannot be fetched.
    """
    folder = named_folder(name)
    if folder is not None:
        return folder
    from loanword.model.hub import link_checkpoint

    with tempfile.TemporaryDirectory() as scratch:
        link = Path(scratch) / "checkpoint"
        link_checkpoint(Path(name), name, None, link)
        return link.resolve()


def open_model(name: str, device: str) -> "LocalModel":
    """A checkpoint on a device.

    Raises:
        UserError: no checkpoint, or one that cannot be opened; no such device.
    """
    folder = checkpoint_folder(name)
    from loanword.model.score import open_language_model
    from loanword.records import Execution

    check_device(device)
    return open_language_model(folder, Execution(device=device))


def check_device(device: str, processes: int = 1) -> None:
    """Nothing, where torch can use a device, and has one of its kind for each of some processes.

    Raises:
        UserError: it cannot.
    """
    import torch

    kind, colon, index = device.partition(":")
    counts = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    place = index if colon else "0"
    if kind in counts and place.isdecimal() and int(place) < counts[kind]:
        if kind == "cpu" or processes <= counts[kind]:
            return
        raise UserError(
            f"--processes {processes}",
            "more than there are devices",
            expected=f"at most {counts[kind]}, one a device",
            do="give fewer",
        )
    there = ["cpu", *(f"cuda:{number}" for number in range(counts["cuda"])), *["mps"] * counts["mps"]]
    raise UserError(f"--device {device}", "no such device here", expected=", ".join(there), do="see `loanword doctor`")
