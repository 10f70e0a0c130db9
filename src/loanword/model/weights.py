"""Weight files, tensor by tensor, as checkpoints, patches and adapters keep them.

In: *.safetensors, or .bin files, which are read with `weights_only=True` and may hold tensors and nothing else.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from loanword.errors import UserError
from loanword.tokenizer.files import read_object

# Where a folder holds the same weights twice, safetensors are read, and names that the Hub's layout fixes go first.
MODEL_FILES = ("model*.safetensors", "*.safetensors", "pytorch_model*.bin", "*.bin")
ADAPTER_FILES = ("adapter_model*.safetensors", "adapter_model*.bin")


def weight_files(folder: Path, patterns: Iterable[str] = MODEL_FILES) -> list[Path]:
    """The files that hold a folder's weights, by name: of the first pattern that finds any, all that its index names.

    Raises:
        UserError: no weights, or a file that the index names is not there.
    """
    for pattern in patterns:
        files = sorted(folder.glob(pattern))
        if not files:
            continue
        for index in sorted(folder.glob(f"{pattern}.index.json")):
            files = [folder / name for name in sorted(set(read_object(index).get("weight_map", {}).values()))]
            missing = [path.name for path in files if path.parent != folder or not path.is_file()]
            if missing:
                raise UserError(
                    index,
                    f"names {missing[0]}, which is not beside it",
                    expected=f"{len(files)} files of weights",
                    do="copy the checkpoint again, whole",
                )
        return files
    raise UserError(folder, "no weights in this folder", expected=", ".join(patterns), do="copy the weights too")


def read_tensors(folder: Path, patterns: Iterable[str] = MODEL_FILES) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a folder's weight files with its name, each once, as it is stored.

    Raises:
        UserError: no weights, a damaged file, a .bin file that holds anything but tensors, a tensor in two files.
    """
    found: dict[str, Path] = {}
    for path in weight_files(folder, patterns):
        for name, tensor in _read_bin(path) if path.suffix == ".bin" else _read_safetensors(path):
            if name in found:
                raise UserError(
                    path,
                    f"{name} is in {found[name].name} too",
                    expected="every tensor in one file",
                    do="leave the files of one checkpoint in the folder",
                )
            found[name] = path
            yield name, tensor


def check_finite(tensors: Iterable[tuple[str, Tensor]], where: object) -> None:
    """Nothing, where every number of every tensor is finite; one pass over them and no copy.

    Raises:
        UserError: the first tensor that holds NaN or an infinity.
    """
    for name, tensor in tensors:
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        # The extremes of a tensor with a NaN are NaN; 8-bit floats know no extremes of their own.
        least, most = torch.aminmax(tensor.detach().float() if tensor.element_size() == 1 else tensor.detach())
        if not (math.isfinite(least) and math.isfinite(most)):
            raise UserError(
                where,
                f"{name} holds {'NaN' if math.isnan(least) else 'an infinity'}",
                expected="finite weights",
                do="copy the checkpoint again; if it stays so, it is broken where it was made",
            )


def _read_safetensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            for name in sorted(file.keys()):
                yield name, file.get_tensor(name)
    except SafetensorError as error:
        raise UserError(
            path, f"damaged weights: {error}", expected="a whole safetensors file", do="copy it again"
        ) from None


def _read_bin(path: Path) -> Iterator[tuple[str, Tensor]]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, OSError) as error:
        said = (str(error) or type(error).__name__).splitlines()[0].partition(". ")[0]  # torch goes on with advice
        raise _not_tensors(path, f"cannot be read as tensors: {said}") from None
    if not isinstance(content, dict):
        raise _not_tensors(path, f"holds a {type(content).__name__}")
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor) or tensor.layout != torch.strided:
            raise _not_tensors(path, f"holds {name!r}, a {type(tensor).__name__}, beside tensors")
    yield from sorted(content.items())


def _not_tensors(path: Path, what: str) -> UserError:
    return UserError(
        path,
        what,
        expected="dense tensors by name and nothing else: a .bin file is a pickle, and code in it is never run",
        do="copy the file again, or convert it to safetensors where you trust its origin",
    )
