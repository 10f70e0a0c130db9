"""The model of communication: limits that follow from it, and published speeds on more and more GPUs."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loanword.model.shape import KNOWN, DecoderShape
from loanword.recipe import StepsConfig
from loanword.study.communication import Cluster, step_time
from loanword.study.interruptions import best_interval, played

PIECES = 50_368
ERROR = 0.04
"""How far the model is from what was published; the largest was 3.6 %."""


def mpt(width: int, layers: int) -> DecoderShape:
    """The models of llm-foundry's table: as many heads as fit 128 numbers each, four times as wide inside, tied."""
    heads = width // 128
    return DecoderShape(width, layers, heads, heads, 128, 4 * width, PIECES, tied=True, gated=False)


# GPUs and tokens a second of each, per GPU; rows of so many tokens, so many of them a GPU at once.
# torchtitan: benchmarks/llama3_h100_202412_torchtitan.md, tables 1 and 3, with torch.compile.
# llm-foundry: scripts/train/benchmarking/README.md, H100 80GB BF16, rows of one micro-batch and one accumulation.
PUBLISHED = {
    "torchtitan 8B": (KNOWN["LLaMA 8B"], 8192, 2, 1, {8: 6_667, 128: 6_514}),
    "llm-foundry 1B": (mpt(2048, 24), 2048, 20, 1, {16: 46_037, 32: 45_130, 64: 44_402}),
    "llm-foundry 3B": (mpt(2560, 32), 2048, 6, 3, {32: 23_021, 64: 22_525}),
    "llm-foundry 13B": (mpt(5120, 40), 2048, 2, 1, {8: 4_792, 16: 4_767, 32: 4_811, 64: 4_800}),
}


def steps(row_tokens: int, rows: int) -> StepsConfig:
    return StepsConfig(peak_learning_rate=1e-4, row_tokens=row_tokens, batch_tokens=row_tokens * rows, precision="bf16")


def tokens_a_gpu(
    shape: DecoderShape,
    row_tokens: int,
    rows: int,
    passes: int,
    gpus: int,
    flops: float,
    cluster: Cluster | None = None,
) -> float:
    made = step_time(
        cluster or Cluster(),
        shape,
        steps(row_tokens, rows * passes * gpus),
        gpus // 8,
        "full",
        flops_per_second=flops,
        micro_batch_tokens=rows * row_tokens,
    )
    return made.tokens_per_second / gpus


@pytest.mark.parametrize("name", PUBLISHED)
def test_speed_on_more_gpus_is_as_published_once_that_on_the_fewest_is_known(name: str) -> None:
    shape, row_tokens, rows, passes, published = PUBLISHED[name]
    fewest = min(published)
    low, high = 1e13, 1e15
    for _ in range(60):
        flops = math.sqrt(low * high)
        too_slow = tokens_a_gpu(shape, row_tokens, rows, passes, fewest, flops) < published[fewest]
        low, high = (flops, high) if too_slow else (low, flops)
    for gpus, speed in published.items():
        assert tokens_a_gpu(shape, row_tokens, rows, passes, gpus, low) == pytest.approx(speed, rel=ERROR)


@given(st.sampled_from([1, 2, 4, 8, 16, 32, 64]), st.sampled_from(["full", "hybrid"]))
def test_communication_never_makes_a_step_faster_than_computing_alone(nodes: int, sharding: str) -> None:
    made = step_time(
        Cluster(),
        KNOWN["LLaMA 7B"],
        steps(2048, 1024),
        nodes,
        sharding,  # pyright: ignore[reportArgumentType]
        flops_per_second=4e14,
        micro_batch_tokens=4096,
    )
    assert made.seconds >= made.computing
    assert made.exposed <= made.communication + 1e-9
    assert made.tokens_per_second <= 8 * nodes * 4e14 / (6 * KNOWN["LLaMA 7B"].multiplied_parameters) * 1.001


def test_with_fewer_rows_than_gpus_more_gpus_are_no_faster() -> None:
    slow, fast = (
        step_time(
            Cluster(), KNOWN["LLaMA 7B"], steps(2048, 16), nodes, "full",
            flops_per_second=4e14, micro_batch_tokens=4096,
        ).tokens_per_second
        for nodes in (2, 8)
    )  # fmt: skip
    assert fast <= slow


def test_links_that_wait_long_between_nodes_are_for_hybrid_sharding() -> None:
    # Of bytes both send as many: twice in half precision and once in float32, or a sum in float32 that goes both ways.
    cluster = Cluster(between_bytes_per_second=1e12, between_seconds=5e-3)

    def speed(sharding: str) -> float:
        return step_time(
            cluster, KNOWN["LLaMA 7B"], steps(2048, 512), 8, sharding,  # pyright: ignore[reportArgumentType]
            flops_per_second=4e14, micro_batch_tokens=16_384,
        ).tokens_per_second  # fmt: skip

    assert speed("hybrid") > 1.2 * speed("full")


def test_a_gather_takes_what_a_ring_takes() -> None:
    cluster = Cluster(
        gpus_per_node=2, inside_bytes_per_second=1e9, inside_seconds=1e-9, between_seconds=1e-9, reaches=1.0
    )
    assert cluster.gather_seconds(1e9, 1) == pytest.approx(0.5)
    slow = cluster.model_copy(update={"between_bytes_per_second": 1e8})
    assert slow.gather_seconds(1e9, 4) == pytest.approx(0.75 * 1e9 / 2e8)


# Nodes that fail.

DAY = 86_400.0


def test_work_on_nodes_that_fail_takes_what_daly_says() -> None:
    # Daly, A higher order estimate of the optimum checkpoint interval (2006), equation 13: exact for such failures.
    work, interval, checkpoint, restart, apart = 20 * DAY, 1800.0, 60.0, 600.0, 0.25 * DAY
    expected = apart * math.exp(restart / apart) * math.expm1((interval + checkpoint) / apart) * work / interval
    found = played(
        work,
        interval_seconds=interval,
        checkpoint_seconds=checkpoint,
        restart_seconds=restart,
        seconds_between_failures=apart,
    )
    assert found.seconds == pytest.approx(expected, rel=0.01)
    assert found.failures == pytest.approx(expected / apart, rel=0.03)


def test_nothing_is_lost_where_nothing_fails() -> None:
    found = played(
        3600.0, interval_seconds=600.0, checkpoint_seconds=6.0, restart_seconds=600.0, seconds_between_failures=1e15
    )
    assert (found.seconds, found.lost_seconds, found.failures) == (3636.0, 0.0, 0.0)


def test_the_best_interval_is_better_than_a_quarter_of_it_and_than_four_times_it() -> None:
    checkpoint, apart = 60.0, 0.5 * DAY
    best = best_interval(checkpoint, apart)
    taken = {
        factor: played(
            30 * DAY,
            interval_seconds=factor * best,
            checkpoint_seconds=checkpoint,
            restart_seconds=300.0,
            seconds_between_failures=apart,
            times=200,
        ).seconds
        for factor in (0.25, 1.0, 4.0)
    }
    assert taken[1.0] == min(taken.values())
