"""What a training run tells those who watch it: a line a step, and the same numbers to trackers.

Out, in a folder of logs: `steps.jsonl` (WatchedStep), `probes.jsonl` (ProbePoint), `skipped.jsonl` (SkippedRows). They
hold times, so they are no part of an artifact. A resumed run goes on in the same files, without the steps that it takes
again. Nothing here can end training: what cannot be written is said once.
"""

import json
import math
import resource
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import torch

from loanword.protocols import Say
from loanword.records import Count, CurvePoint, ProbePoint, Record, SkippedRows
from loanword.tokens.rows import Row
from loanword.training.state import Position
from loanword.training.trackers import Tracker

T = TypeVar("T")


class WatchedStep(Record):
    """One optimizer step as it was seen on this machine.

    `seconds` is wall time since the step before; tokens per second are those of whole rows, padding included.
    `peak_memory_bytes` is the largest so far: allocated on the first process's GPU, or resident in its memory.
    FLOP/s are those of the model, not of recomputed activations: with attention as if it were over whole rows and not
    causal, which most figures that are published count; and causal, inside documents, which is what is needed. `mfu`
    is their share of what all devices together can do, None where that is not known.
    """

    step: Count
    rows: Count
    tokens: Count
    nats_per_token: float
    gradient_norm: float
    learning_rates: dict[str, float]
    seconds: float
    tokens_per_second: float
    peak_memory_bytes: Count
    flops_per_second: float
    flops_per_second_causal: float
    mfu: float | None = None
    mfu_causal: float | None = None

    def numbers(self) -> dict[str, float]:
        """The step as trackers draw it, over `step`."""
        plain = self.model_dump(exclude={"step", "learning_rates"}, exclude_none=True)
        return plain | {f"learning_rate/{group}": rate for group, rate in self.learning_rates.items()}


class Watch:
    """Writes what it is told of a stage that goes on at `position`; without a folder and trackers, nothing.

    `flops_per_token(attended_tokens)` counts a token forward and backward, `peak_flops` is what all devices together
    do in a second. Of several processes only the first has a folder and trackers.
    """

    def __init__(
        self,
        folder: Path | None,
        position: Position,
        *,
        flops_per_token: Callable[[float], float],
        device: torch.device,
        say: Say,
        peak_flops: float | None = None,
        trackers: Sequence[Tracker] = (),
    ) -> None:
        self._trackers = list(trackers)
        self._device, self._say = device, say
        self._told: set[str] = set()
        self._peak_flops = peak_flops
        # Linear in what is attended to; counting parameters anew each step is not for free.
        self._flops = flops_per_token(0.0)
        self._attention_flops = flops_per_token(1.0) - self._flops
        self._folder = folder
        if folder is not None:
            self._attempt(str(folder), lambda: _open_logs(folder, position))

    def step(
        self,
        point: CurvePoint,
        rows: Sequence[Row],
        num_rows: int,
        *,
        seconds: float,
        learning_rates: Mapping[str, float],
    ) -> None:
        """Tells of an applied step over `num_rows` rows, of which this process read `rows`."""
        if self._folder is None and not self._trackers:
            return
        num_tokens = num_rows * len(rows[0].ids)
        whole, causal = (
            (self._flops + self._attention_flops * attended) * num_tokens / seconds
            for attended in (len(rows[0].ids), attended_tokens(rows))
        )
        watched = WatchedStep(
            **point.model_dump(exclude={"learning_rate"}),
            learning_rates=dict(learning_rates),
            seconds=seconds,
            tokens_per_second=num_tokens / seconds,
            peak_memory_bytes=peak_memory_bytes(self._device),
            flops_per_second=whole,
            flops_per_second_causal=causal,
            mfu=None if self._peak_flops is None else whole / self._peak_flops,
            mfu_causal=None if self._peak_flops is None else causal / self._peak_flops,
        )
        self._append("steps.jsonl", watched)
        self._track(point.step, watched.numbers())

    def probed(self, points: Sequence[ProbePoint], step: int) -> None:
        """Tells of bits per byte that were measured before `step`."""
        for point in points:
            self._append("probes.jsonl", point)
        if points:
            self._track(step, {f"bits_per_byte/{point.language}": point.bits_per_byte for point in points})

    def skipped(self, rows: SkippedRows) -> None:
        """Tells of rows that were passed over."""
        self._append("skipped.jsonl", rows)

    def close(self) -> None:
        """Leaves the trackers with all they were told."""
        for tracker in self._trackers:
            self._attempt(type(tracker).__name__, tracker.close)

    def _append(self, name: str, record: Record) -> None:
        if self._folder is not None:
            path = self._folder / name
            self._attempt(str(self._folder), lambda: _append(path, record.to_json() + "\n"))

    def _track(self, step: int, numbers: Mapping[str, float]) -> None:
        self._trackers = [
            tracker
            for tracker in self._trackers
            if self._attempt(type(tracker).__name__, lambda tracker=tracker: tracker.log(step, numbers))
        ]

    def _attempt(self, where: str, write: Callable[[], None]) -> bool:
        """Whether writing worked; the first time that it does not somewhere is said."""
        try:
            write()
        except OSError as error:
            if where not in self._told:
                self._told.add(where)
                self._say(f"{where}: cannot be written ({error.strerror or error}); training goes on without its log")
            return False
        return True


def attended_tokens(rows: Sequence[Row]) -> float:
    """Tokens that a token attends to, in the mean over whole rows: those before it in its document, and itself."""
    total = 0
    for row in rows:
        for begin, end in zip(row.starts, (*row.starts[1:], len(row.ids)), strict=True):
            total += (end - begin) * (end - begin + 1) // 2
    return total / sum(len(row.ids) for row in rows)


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory so far: what this process allocated on its GPU, or had resident where it has none."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _open_logs(folder: Path, position: Position) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "steps.jsonl", _lines_until(folder / "steps.jsonl", position.next_row))
    _replace(folder / "probes.jsonl", (point.to_json() for point in position.probes))
    _replace(folder / "skipped.jsonl", (rows.to_json() for rows in position.skipped))


def _lines_until(path: Path, row: int) -> list[str]:
    """The lines of steps that end at a row or before it; what a kill has left of a line is none."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return [line for line in lines if _last_row(line) <= row]


def _last_row(line: str) -> float:
    try:
        return json.loads(line)["rows"]
    except (ValueError, KeyError, TypeError):
        return math.inf


def _replace(path: Path, lines: Iterable[str]) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    part.replace(path)


def _append(path: Path, line: str) -> None:
    """Adds a line whole or not at all."""
    with path.open("ab", buffering=0) as file:
        end, rest = file.tell(), memoryview(line.encode("utf-8"))
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            file.truncate(end)
            raise
