"""Candidates for new rows: ordered by what they reach, and compared with the best on the same documents."""

import math
from dataclasses import replace

import numpy as np
import pytest

from loanword.records import ProbedDocument
from loanword.report.gather import Artifact, RunRecords, read_runs
from loanword.report.initialisers import probe_tables, rank_candidates


@pytest.fixture(scope="module")
def runs(study) -> list[RunRecords]:
    return [run for run in read_runs(study.runs) if not run.missing()]


def probed(start: float, end: float, seed: int, language: str = "zh") -> tuple[ProbedDocument, ...]:
    """Documents of one language with that many bits per byte before and after, give or take."""
    shared, own = np.random.default_rng(1), np.random.default_rng(seed)
    sizes, hard = shared.integers(50, 200, 80), shared.normal(1, 0.2, 80)
    return tuple(
        ProbedDocument(
            id=f"d{place}",
            language=language,
            start_nats=float(start * factor * size * math.log(2)),
            nats=float(end * factor * size * math.log(2) + abs(own.normal(0, 0.5))),
            num_bytes=int(size),
        )
        for place, (size, factor) in enumerate(zip(sizes, hard, strict=True))
    )


PROBES = {
    "random": probed(6.0, 2.4, 5) + probed(1.0, 1.0, 5, "en"),
    "focus": probed(3.0, 2.6, 6) + probed(1.0, 1.1, 6, "en"),
    "mean": probed(4.0, 2.2, 7) + probed(1.0, 1.2, 7, "en"),
}


def test_candidates_are_ordered_by_what_they_reach_and_not_by_where_they_start():
    ranked = rank_candidates(PROBES, "zh")
    assert [(one.name, one.rank, one.start_rank) for one in ranked] == [
        ("mean", 1, 2),
        ("random", 2, 3),
        ("focus", 3, 1),
    ]
    assert [one.name for one in rank_candidates(PROBES, "en")] == ["random", "focus", "mean"]


def test_a_candidates_distance_to_the_best_is_paired_over_documents():
    best, second, _ = rank_candidates(PROBES, "zh")
    ours, theirs = ([one for one in PROBES[name] if one.language == "zh"] for name in ("random", "mean"))
    num_bytes = sum(one.num_bytes for one in ours)
    expected = sum(a.nats - b.nats for a, b in zip(ours, theirs, strict=True)) / num_bytes / math.log(2)
    assert best.to_best is best.p_value is None
    assert second.to_best is not None
    difference = second.to_best
    assert difference.value == pytest.approx(expected)
    # Documents that are hard are hard under both: far narrower than either's own interval.
    assert difference.high - difference.low < 0.5 * (best.bits_per_byte.high - best.bits_per_byte.low)
    assert difference.low < expected < difference.high


def test_a_probe_is_shown_once_however_many_runs_share_it(runs, tmp_path):
    manifest = runs[0].artifacts["base"].manifest
    artifacts = {f"probe.{name}": Artifact(f"probe.{name}", tmp_path / name, manifest) for name in PROBES}
    artifacts |= {"probe.gaussian": None}
    probing = [replace(run, probes=PROBES, artifacts={**run.artifacts, **artifacts}) for run in runs[:3]]
    (table,) = probe_tables(probing)
    rows = table.to_json()["rows"]
    assert [row["candidate"] for row in rows if row["group"] == "Chinese"] == ["mean", "random", "focus", "gaussian"]
    assert rows[3]["bits_per_byte"] == {"state": "missing"}
    assert rows[0]["to_best"] == {"state": "not planned"}
    assert rows[0]["start_bits_per_byte"]["value"] == pytest.approx(4.0, abs=0.2)
