"""LoRA adapters as peft saves them, read to be merged into the weights that they were trained on.

In: adapter_config.json and adapter_model.safetensors or .bin. A low-rank update is two matrices; any other tensor is
a weight that was trained whole (an embedding table, a bias) and stands in the place of the base's.

Shapes: N outputs, M inputs, R rank; V rows, D width.
"""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from loanword.errors import UserError
from loanword.model.weights import ADAPTER_FILES, check_finite, read_tensors
from loanword.tokenizer.files import read_object

PREFIX = "base_model.model."
BUFFER = "rotary_emb.inv_freq"
"""Ends the name of a buffer that older LLaMA files hold: computed from the config, never trained."""

LOW_RANK = re.compile(r"(?P<layer>.+)\.lora_(?P<side>[AB])(\.default)?\.weight")
KNOWN = (
    "alpha_pattern", "auto_mapping", "base_model_name_or_path", "bias", "eva_config", "exclude_modules",
    "fan_in_fan_out", "inference_mode", "init_lora_weights", "layers_pattern", "layers_to_transform", "lora_alpha",
    "lora_bias", "lora_dropout", "megatron_core", "merge_weights", "modules_to_save", "peft_type", "peft_version",
    "qalora_group_size", "r", "rank_pattern", "revision", "runtime_config", "target_modules", "task_type", "use_rslora",
)  # fmt: skip
"""Settings that are read here, or only decide which tensors there are; any other changes what is computed."""

SAME_BASE = (True, False, None, "gaussian", "orthogonal", "eva")
"""Initialisations that leave the base's weights as they were."""


@dataclass(frozen=True)
class Update:
    """`scale` times B [N, R] times A [R, M], transposed where the layer's weight is stored as [M, N]."""

    a_RM: Tensor
    b_NR: Tensor
    scale: float
    transposed: bool

    def delta(self) -> Tensor:
        """What is added to the weight, in float32."""
        delta_NM = self.scale * (self.b_NR.float() @ self.a_RM.float())
        return delta_NM.T if self.transposed else delta_NM


@dataclass(frozen=True)
class Adapter:
    """An adapter by the weights that it changes: low-rank updates, and weights that take the base's place."""

    folder: Path
    updates: Mapping[str, Update]
    whole: Mapping[str, Tensor]

    def check_targets(self, names: Collection[str]) -> None:
        """Nothing, where a base with weights of these names has all that the adapter changes.

        Raises:
            UserError: a target that does not exist.
        """
        if unknown := sorted((self.updates.keys() | self.whole.keys()) - set(names)):
            raise UserError(
                self.folder,
                f"{len(unknown)} of its targets do not exist in the base, the first is {unknown[0]}",
                expected=f"weights such as {min(names)}",
                do="name the base that this adapter was trained on (base_model_name_or_path in adapter_config.json)",
            )

    def applied(self, name: str, weight: Tensor, *, may_grow: bool) -> Tensor:
        """The weight `name`, given in float32, as this adapter leaves it; with `may_grow` it may get more rows.

        Raises:
            UserError: an adapter for another shape.
        """
        if name in self.whole:
            whole = self.whole[name].float()
            longer = may_grow and whole.shape[1:] == weight.shape[1:] and len(whole) > len(weight)
            if whole.shape != weight.shape and not longer:
                raise self._of_another_model(name, whole, weight)
            weight = whole
        if name in self.updates:
            delta = self.updates[name].delta()
            if delta.shape != weight.shape:
                raise self._of_another_model(name, delta, weight)
            weight = weight + delta
        return weight

    def _of_another_model(self, name: str, ours: Tensor, theirs: Tensor) -> UserError:
        return UserError(
            self.folder,
            f"{name} is {list(ours.shape)} here and {list(theirs.shape)} in the base",
            expected="an adapter of this base; only a table with a row for every piece may be longer",
            do="name the base that this adapter was trained on (base_model_name_or_path in adapter_config.json)",
        )


def read_adapter(folder: Path) -> Adapter:
    """The adapter in a folder.

    Raises:
        UserError: no adapter, not LoRA, one that is more than a sum of low-rank updates, damaged files.
    """
    settings = read_object(folder / "adapter_config.json")
    _check_settings(folder, settings)
    tensors = dict(read_tensors(folder, ADAPTER_FILES))
    check_finite(tensors.items(), folder)
    sides: dict[str, dict[str, Tensor]] = {}
    whole: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        name = key.removeprefix(PREFIX)
        if match := LOW_RANK.fullmatch(name):
            sides.setdefault(match["layer"], {})[match["side"]] = tensor
        elif not name.endswith(BUFFER) and ".original_module." not in name:
            whole[name.replace(".modules_to_save", "").replace(".default", "")] = tensor
    updates = {f"{layer}.weight": _update(folder, layer, pair, settings) for layer, pair in sides.items()}
    return Adapter(folder, updates, whole)


def _check_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    expected = "adapter_config.json and adapter_model.safetensors as peft saves a LoRA adapter"
    if settings.get("peft_type") != "LORA":
        what = f"peft_type is {settings['peft_type']!r}" if settings.get("peft_type") else "no adapter_config.json"
        raise UserError(folder, what, expected=expected, do="name the folder of a LoRA adapter")
    acting = [name for name, value in settings.items() if value and name not in KNOWN]
    if settings.get("init_lora_weights", True) not in SAME_BASE:
        acting.append("init_lora_weights")
    if acting:
        raise UserError(
            folder / "adapter_config.json",
            f"{acting[0]} = {settings[acting[0]]!r}",
            expected="plain LoRA: a sum of the base's weights and low-rank updates",
            do="merge it with peft (merge_and_unload), and name the merged checkpoint as base.model",
        )


def _update(folder: Path, layer: str, pair: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Update:
    if len(pair) < 2 or any(side.ndim != 2 for side in pair.values()) or pair["A"].shape[0] != pair["B"].shape[1]:
        shapes = ", ".join(f"{side} {list(tensor.shape)}" for side, tensor in sorted(pair.items()))
        raise UserError(
            folder,
            f"the update of {layer} is {shapes}",
            expected="two matrices, A [rank, inputs] and B [outputs, rank]",
            do="copy the adapter again, whole",
        )
    rank = pair["A"].shape[0]
    # A pattern names the end of a layer's name, as peft matches it.
    patterns: Mapping[str, float] = settings.get("alpha_pattern") or {}
    alpha = next(
        (value for pattern, value in patterns.items() if re.match(rf"(.*\.)?({pattern})$", layer)),
        settings["lora_alpha"],
    )
    scale = alpha / (math.sqrt(rank) if settings.get("use_rslora") else rank)
    return Update(pair["A"], pair["B"], scale, bool(settings.get("fan_in_fan_out")))
