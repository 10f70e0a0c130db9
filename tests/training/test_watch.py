"""Those who watch a run see every step once, in numbers with their units, and nothing they do can end it."""

import resource
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from loanword.errors import UserError
from loanword.protocols import quiet
from loanword.records import CurvePoint, ProbePoint, SkippedRows, read_lines
from loanword.tokens.rows import Row
from loanword.training.state import Position
from loanword.training.trackers import check_trackers, open_trackers
from loanword.training.watch import Watch, WatchedStep, attended_tokens, peak_memory_bytes

CPU = torch.device("cpu")
ZEROS = np.zeros(8, dtype=np.int64)
TWO_ROWS = [Row(ZEROS, ZEROS, (0,)), Row(ZEROS, ZEROS, (0, 4))]
RATES = {"backbone": 1e-4, "new_rows": 1e-3}
PROBED = ProbePoint(rows=4, tokens=60, language="en", bits_per_byte=1.5)
SKIPPED = SkippedRows(first_row=4, last_row=6, reason="exploding")


def watch(folder: Path | None, position: Position | None = None, **settings) -> Watch:
    given = {"flops_per_token": lambda attended: 600.0 + 24 * attended, "device": CPU, "say": quiet} | settings
    return Watch(folder, position or Position(0), **given)


def tell(watched: Watch, step: int, seconds: float = 0.5) -> CurvePoint:
    point = CurvePoint(
        step=step, rows=2 * step + 2, tokens=15, learning_rate=1.0, nats_per_token=1 / 3, gradient_norm=0.1
    )
    watched.step(point, TWO_ROWS, len(TWO_ROWS), seconds=seconds, learning_rates=RATES)
    return point


def lines(folder: Path) -> list[WatchedStep]:
    return list(read_lines(WatchedStep, folder / "steps.jsonl"))


def steps(folder: Path) -> list[int]:
    return [line.step for line in lines(folder)]


class Noted:
    """A tracker at the boundary."""

    def __init__(self, *, full: bool = False) -> None:
        self.heard: list[tuple[int, Mapping[str, float]]] = []
        self.full = full

    def log(self, step: int, numbers: Mapping[str, float], /) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.heard.append((step, numbers))

    def close(self) -> None:
        self.heard.append((-1, {}))


def test_a_line_tells_a_step_in_numbers_that_can_be_checked_by_hand(tmp_path: Path) -> None:
    tell(watch(tmp_path, peak_flops=1e6), 7)
    (line,) = lines(tmp_path)
    # 16 tokens in half a second. Attended: 8 of whole rows; of documents 8 tokens of 4.5 and 8 of 2.5.
    assert (line.step, line.rows, line.nats_per_token, line.learning_rates) == (7, 16, 1 / 3, RATES)
    assert line.tokens_per_second == 32.0
    assert line.flops_per_second == pytest.approx(32 * (600 + 24 * 8))
    assert line.flops_per_second_causal == pytest.approx(32 * (600 + 24 * 3.5))
    assert (line.mfu, line.mfu_causal) == pytest.approx((32 * 792 / 1e6, 32 * 684 / 1e6))


def test_a_step_that_processes_share_is_counted_whole(tmp_path: Path) -> None:
    watched = watch(tmp_path)
    point = CurvePoint(step=0, rows=6, tokens=45, learning_rate=1.0, nats_per_token=1.0, gradient_norm=0.1)
    watched.step(point, TWO_ROWS, 6, seconds=0.5, learning_rates=RATES)
    assert lines(tmp_path)[0].tokens_per_second == 96.0


def test_without_a_peak_there_is_no_share_of_it(tmp_path: Path) -> None:
    tell(watch(tmp_path), 0)
    assert (lines(tmp_path)[0].mfu, lines(tmp_path)[0].mfu_causal) == (None, None)


def test_a_token_attends_inside_its_document() -> None:
    assert attended_tokens(TWO_ROWS[:1]) == 4.5
    assert attended_tokens(TWO_ROWS[1:]) == 2.5


def test_peak_memory_is_resident_memory_in_bytes_on_a_cpu() -> None:
    taken = np.ones(40_000_000, dtype=np.uint8)
    with Path("/proc/self/status").open(encoding="ascii") as file:
        resident = next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) * 1024
    assert taken.nbytes < peak_memory_bytes(CPU) == pytest.approx(resident, rel=0.05)


def test_a_resumed_run_has_every_step_once(tmp_path: Path) -> None:
    first = watch(tmp_path)
    for step in range(5):
        tell(first, step)
    first.probed([PROBED, PROBED], 3)
    first.skipped(SKIPPED)
    with (tmp_path / "steps.jsonl").open("a") as file:
        file.write('{"rows": 12, "st')  # torn by a kill
    again = watch(tmp_path, Position(6, probes=[PROBED], skipped=[SKIPPED]))
    assert steps(tmp_path) == [0, 1, 2]
    tell(again, 3)
    assert steps(tmp_path) == [0, 1, 2, 3]
    assert list(read_lines(ProbePoint, tmp_path / "probes.jsonl")) == [PROBED]
    assert list(read_lines(SkippedRows, tmp_path / "skipped.jsonl")) == [SKIPPED]


def test_a_run_from_its_start_begins_its_log_anew(tmp_path: Path) -> None:
    tell(watch(tmp_path), 3)
    watch(tmp_path)
    assert steps(tmp_path) == []


def test_a_full_disk_is_said_once_and_tears_no_line(tmp_path: Path) -> None:
    said: list[str] = []
    watched = watch(tmp_path, say=said.append)
    tell(watched, 0)
    size = (tmp_path / "steps.jsonl").stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, limits[1]))  # the next line fits in part
    try:
        tell(watched, 1)
        tell(watched, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    tell(watched, 3)
    assert steps(tmp_path) == [0, 3]
    assert len(said) == 1
    assert "training goes on" in said[0]


def test_logs_that_cannot_be_opened_stop_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    said: list[str] = []
    watched = watch(tmp_path / "logs", say=said.append)
    tell(watched, 0)
    assert len(said) == 1


def test_a_process_without_folder_and_trackers_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    watched = watch(None)
    tell(watched, 0)
    watched.probed([PROBED], 0)
    watched.skipped(SKIPPED)
    watched.close()
    assert list(tmp_path.iterdir()) == []


def test_a_tracker_draws_numbers_by_name_over_steps() -> None:
    noted = Noted()
    watched = watch(None, trackers=[noted])
    tell(watched, 7)
    watched.probed([PROBED], 8)
    watched.close()
    (step, numbers), probed, closed = noted.heard
    assert (step, numbers["learning_rate/new_rows"], numbers["nats_per_token"]) == (7, 1e-3, 1 / 3)
    assert "mfu" not in numbers and "learning_rates" not in numbers
    assert (probed, closed) == ((8, {"bits_per_byte/en": 1.5}), (-1, {}))


def test_a_tracker_that_fails_is_left_and_the_others_go_on() -> None:
    said: list[str] = []
    noted = Noted()
    watched = watch(None, trackers=[Noted(full=True), noted], say=said.append)
    tell(watched, 0)
    tell(watched, 1)
    assert [step for step, _ in noted.heard] == [0, 1]
    assert len(said) == 1 and "No space left on device" in said[0]


def test_tensorboard_reads_what_was_told_and_hides_what_a_resumed_run_takes_again(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for first, last in ((0, 4), (2, 5)):
        trackers = open_trackers(["tensorboard"], tmp_path, run="trunk-1", first_step=first, settings={})
        watched = watch(None, trackers=trackers)
        for step in range(first, last):
            tell(watched, step, seconds=first + 1)
        watched.close()
    read = EventAccumulator(str(tmp_path)).Reload()
    seen = [(event.step, event.value) for event in read.Scalars("tokens_per_second")]
    assert seen == [(0, 16.0), (1, 16.0)] + [(step, pytest.approx(16 / 3)) for step in (2, 3, 4)]


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "trackio"])
def test_a_tracker_that_is_not_installed_is_named_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=rf"tracker {name} - (?s:.*)pip install 'loanword\[{name}\]'"):
        check_trackers([name])


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_run_is_opened_to_go_on_under_its_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = _package(name, monkeypatch)
    (tracker,) = open_trackers([name], tmp_path, run="trunk-1", first_step=0, settings={"seed": 3})
    tracker.log(4, {"mfu": 0.4})
    tracker.close()
    opened = package.calls[0][1]
    assert (opened["name"], opened["resume"], opened["config"]) == ("trunk-1", "allow", {"seed": 3})
    assert package.calls[1:] == [(({"mfu": 0.4},), {"step": 4}), ((), {})]


def test_a_server_that_lets_nobody_in_is_a_user_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _package("wandb", monkeypatch, refuses=True)
    with pytest.raises(UserError, match=r"tracker wandb - no key(?s:.*)WANDB_MODE=offline"):
        open_trackers(["wandb"], tmp_path, run="trunk-1", first_step=0, settings={})


def _package(name: str, monkeypatch: pytest.MonkeyPatch, *, refuses: bool = False) -> Any:
    """A package that takes note of what is asked of it."""
    package: Any = types.ModuleType(name)
    package.__spec__ = types.SimpleNamespace()
    package.calls, package.Error = [], type("Error", (Exception,), {})

    def note(*given, **named):
        package.calls.append((given, named))
        return types.SimpleNamespace(log=note, finish=note)

    def init(**named):
        if refuses:
            raise package.Error("no key")
        return note(**named)

    package.init = init
    monkeypatch.setitem(sys.modules, name, package)
    return package
