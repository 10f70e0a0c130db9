"""What is being built, as a store tells it: by whom, how far, and how training goes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from loanword.store import Store
from loanword.store.artifacts import stem_of
from loanword.store.failures import LOGS
from loanword.store.leases import Holder

READ_BYTES = 8_192
"""Of the end of a log of steps; a line of one takes some hundreds."""


@dataclass(frozen=True)
class Building:
    """One artifact that somebody is building.

    `nats_per_token` is the loss of the last step that was logged, `bits_per_byte` the last measurement by language;
    both only where a model is trained, and the second only where the study watches it.
    """

    key: str
    label: str
    holder: Holder
    nats_per_token: float | None
    bits_per_byte: Mapping[str, float]

    def plain(self) -> dict[str, Any]:
        """The same for machines."""
        done, total, unit = self.holder.progress or (None, None, None)
        return {
            "artifact": self.key,
            "label": self.label,
            "host": self.holder.host,
            "process": self.holder.pid,
            "done": done,
            "total": total,
            "unit": unit,
            "elapsed_seconds": self.holder.elapsed_seconds,
            "left_seconds": self.holder.left_seconds,
            "nats_per_token": self.nats_per_token,
            "bits_per_byte": dict(self.bits_per_byte),
        }

    def line(self) -> str:
        """The same for people."""
        holder = self.holder
        told = [f"{self.label} on {holder.host or 'a machine that did not say'}"]
        if holder.progress is not None:
            done, total, unit = holder.progress
            told.append(f"{done:,} of {total:,} {unit}")
        if holder.elapsed_seconds is not None:
            told.append(f"for {duration(holder.elapsed_seconds)}")
        if holder.left_seconds is not None:
            told.append(f"{duration(holder.left_seconds)} left")
        if self.nats_per_token is not None:
            told.append(f"loss {self.nats_per_token:.3f}")
        told.extend(f"{bits:.3f} bits per byte of {language}" for language, bits in self.bits_per_byte.items())
        return ", ".join(told)


def building(store: Store, builders: Mapping[str, Holder], labels: Mapping[str, str]) -> list[Building]:
    """Everything that is being built of what has a label, longest first."""
    found = [_one(store, key, labels[key], holder) for key, holder in builders.items() if key in labels]
    return sorted(found, key=lambda one: (-(one.holder.elapsed_seconds or 0.0), one.key))


def duration(seconds: float) -> str:
    """A time in its two largest units: 3 h 20 min."""
    whole = round(seconds)
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    for (size, name), (next_size, next_name) in pairwise(units):
        if whole >= size:
            rest = whole % size // next_size
            return f"{whole // size} {name}" + (f" {rest} {next_name}" if rest and next_name != "s" else "")
    return f"{whole} s"


def _one(store: Store, key: str, label: str, holder: Holder) -> Building:
    folder = store.root / LOGS / stem_of(key)
    steps, probes = _last_lines(folder / "steps.jsonl"), _last_lines(folder / "probes.jsonl")
    loss = steps[-1].get("nats_per_token") if steps else None
    return Building(key, label, holder, loss, {point["language"]: point["bits_per_byte"] for point in probes})


def _last_lines(path: Path) -> list[dict[str, Any]]:
    """The objects at the end of a log that somebody may be writing at this moment."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - READ_BYTES))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    read: list[dict[str, Any]] = []
    for line in lines:
        try:
            read.append(cast("dict[str, Any]", json.loads(line)))
        except ValueError:
            continue  # the beginning of what was read, or the end of what is written
    return read
