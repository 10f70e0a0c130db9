"""Rows for new pieces: each initialiser against its formula in float64, and what holds for all of them.

Shapes: V base pieces, N new pieces, D width.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from loanword.model.initialise import NewPieces, new_rows
from loanword.recipe import Initialiser
from loanword.tokenizer.vectors import Neighbours

NUM_BASE, WIDTH = 50, 700  # wider than the columns that are summed at a time
METHODS: tuple[Initialiser, ...] = get_args(Initialiser)
DRAWN: tuple[Initialiser, ...] = ("random", "gaussian")
COMPUTED = tuple(method for method in METHODS if method not in DRAWN)
AVERAGED: tuple[Initialiser, ...] = ("mean-of-constituents", "frequency-weighted", "focus")
Array = NDArray[np.float64]


def table(dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    """Rows around a mean that is not zero, some of them much longer than others."""
    numbers = np.random.default_rng(seed)
    rows_VD = 0.1 + numbers.standard_normal((NUM_BASE, WIDTH)) * numbers.uniform(0.1, 3, (NUM_BASE, 1))
    return torch.from_numpy(rows_VD).to(dtype)


def some_pieces(seed: int = 0, num_new: int = 40) -> NewPieces:
    """Of every third piece no neighbours are known."""
    numbers = np.random.default_rng(seed)
    constituents = [numbers.integers(0, NUM_BASE, numbers.integers(1, 7)).tolist() for _ in range(num_new)]
    neighbours = [
        near(numbers.choice(NUM_BASE, 5, replace=False), numbers.dirichlet(np.ones(5))) if number % 3 else near([], [])
        for number in range(num_new)
    ]
    return NewPieces(constituents, numbers.integers(0, 1000, NUM_BASE), neighbours)


def near(ids: object, weights: object) -> Neighbours:
    return Neighbours(np.asarray(ids, np.int64), np.asarray(weights, np.float32))


def by_formula(method: Initialiser, base_VD: Array, pieces: NewPieces) -> Array:
    """Rows as docs/numbers.md defines them, piece by piece in float64."""
    if method == "mean-of-all":
        return np.tile(base_VD.mean(0), (len(pieces.constituents), 1))
    return np.array([one_row(method, base_VD, pieces, number) for number in range(len(pieces.constituents))])


def one_row(method: Initialiser, base_VD: Array, pieces: NewPieces, number: int) -> Array:
    ids = pieces.constituents[number]
    if method == "frequency-weighted":
        shares = pieces.counts_V / pieces.counts_V.sum()
        weights = np.array([0.001 / (0.001 + shares[id]) for id in ids])
        return weights @ base_VD[ids] / weights.sum()
    mean = base_VD[ids].mean(0)
    if method == "norm-corrected":
        return mean / np.linalg.norm(mean) * np.mean([np.linalg.norm(base_VD[id]) for id in ids])
    if method == "focus" and pieces.neighbours and len(pieces.neighbours[number].ids):
        found = pieces.neighbours[number]
        return found.weights.astype(np.float64) @ base_VD[found.ids]
    return mean


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("method", COMPUTED)
def test_rows_are_what_the_formula_gives(method: Initialiser, dtype: torch.dtype) -> None:
    base_VD, pieces = table(dtype), some_pieces()
    rows_ND = new_rows(method, base_VD, pieces, seed=0)
    expected_ND = torch.from_numpy(by_formula(method, base_VD.double().numpy(), pieces))
    assert rows_ND.dtype == dtype
    # Half a unit in the last place of the table's dtype, and of sums of a few elements in float32.
    torch.testing.assert_close(
        rows_ND.double(), expected_ND, rtol=torch.finfo(dtype).eps / 2 + 1e-6, atol=1e-6, check_dtype=True
    )


@pytest.mark.parametrize("spread", [0.02, 0.5])
def test_random_rows_have_mean_zero_and_the_standard_deviation_asked_for(spread: float) -> None:
    rows_ND = new_rows("random", table(), some_pieces(num_new=500), 3, spread).double()
    assert rows_ND.mean().abs() < 5 * spread / rows_ND.numel() ** 0.5
    assert abs(rows_ND.std() - spread) < 5 * spread / (2 * rows_ND.numel()) ** 0.5


def correlated(num_rows: int, width: int) -> torch.Tensor:
    numbers = np.random.default_rng(1)
    mixing = numbers.standard_normal((width, width)) * np.geomspace(0.1, 10, width)
    return torch.from_numpy(3 + numbers.standard_normal((num_rows, width)) @ mixing).float()


def test_gaussian_rows_have_the_mean_and_the_covariance_of_the_base() -> None:
    base_VD = correlated(5000, 6)
    pieces = NewPieces([[0]] * 20_000, np.zeros(5000, np.int64))
    rows_ND = new_rows("gaussian", base_VD, pieces, 1).double().numpy()
    mean_D, covariance_DD = base_VD.double().mean(0).numpy(), np.cov(base_VD.double().numpy().T, ddof=0)
    variances_D = np.diag(covariance_DD)
    assert (abs(rows_ND.mean(0) - mean_D) < 5 * np.sqrt(variances_D / 20_000)).all()
    sampling_error_DD = np.sqrt((np.outer(variances_D, variances_D) + covariance_DD**2) / 20_000)
    assert (abs(np.cov(rows_ND.T, ddof=0) - covariance_DD) < 5 * sampling_error_DD).all()


def test_gaussian_rows_stay_in_the_span_of_a_table_with_fewer_rows_than_columns() -> None:
    base_VD = correlated(8, 20)
    rows_ND = new_rows("gaussian", base_VD, NewPieces([[0]] * 30, np.zeros(8, np.int64)), 1)
    mean_D = base_VD.mean(0)
    outside_DD = torch.eye(20) - torch.linalg.pinv(base_VD - mean_D) @ (base_VD - mean_D)
    drawn_ND = rows_ND - mean_D
    assert torch.linalg.matrix_norm(drawn_ND @ outside_DD) < 1e-3 * torch.linalg.matrix_norm(drawn_ND)


def test_gaussian_rows_of_equal_rows_are_those_rows() -> None:
    base_VD = torch.linspace(-1, 1, 20).repeat(8, 1)
    rows_ND = new_rows("gaussian", base_VD, NewPieces([[0]] * 30, np.zeros(8, np.int64)), 1)
    torch.testing.assert_close(rows_ND, base_VD[:1].expand(30, -1))


@pytest.mark.parametrize("method", COMPUTED)
def test_the_order_of_base_pieces_does_not_matter(method: Initialiser) -> None:
    base_VD, pieces = table(), some_pieces()
    order = np.random.default_rng(5).permutation(NUM_BASE)
    place_of = np.argsort(order)
    moved = NewPieces(
        [[int(place_of[id]) for id in ids] for ids in pieces.constituents],
        pieces.counts_V[order],
        [near(place_of[found.ids], found.weights) for found in pieces.neighbours or ()],
    )
    torch.testing.assert_close(new_rows(method, base_VD[order], moved, 0), new_rows(method, base_VD, pieces, 0))


@pytest.mark.parametrize("method", COMPUTED)
def test_a_rotation_of_the_base_rotates_new_rows(method: Initialiser) -> None:
    base_VD, pieces = table(torch.float64), some_pieces()
    rotation_DD, _ = torch.linalg.qr(torch.randn(WIDTH, WIDTH, dtype=torch.float64, generator=torch.Generator()))
    rotated_ND = new_rows(method, base_VD @ rotation_DD, pieces, 0)
    torch.testing.assert_close(rotated_ND, new_rows(method, base_VD, pieces, 0) @ rotation_DD, rtol=0, atol=1e-5)


@pytest.mark.parametrize("method", AVERAGED)
@given(ids=st.lists(st.integers(0, NUM_BASE - 1), min_size=1, max_size=6), seed=st.integers(0, 9))
def test_averages_stay_between_the_rows_that_they_are_made_of(method: Initialiser, ids: list[int], seed: int) -> None:
    base_VD = table(seed=seed)
    counts_V = np.random.default_rng(seed).integers(0, 1000, NUM_BASE)
    pieces = NewPieces([ids], counts_V, [near(ids, np.full(len(ids), 1 / len(ids)))])
    row_D, made_of = new_rows(method, base_VD, pieces, 0)[0], base_VD[ids]
    assert (row_D <= made_of.amax(0) + 1e-5).all()
    assert (row_D >= made_of.amin(0) - 1e-5).all()


def test_a_piece_of_one_constituent_takes_its_row_over() -> None:
    base_VD = table()
    pieces = NewPieces([[7]], np.arange(NUM_BASE), [near([], [])])
    for method in (*AVERAGED, "norm-corrected"):
        torch.testing.assert_close(new_rows(method, base_VD, pieces, 0)[0], base_VD[7])


def test_rare_constituents_weigh_more_and_without_counts_all_weigh_the_same() -> None:
    base_VD = torch.eye(NUM_BASE)
    counts_V = np.ones(NUM_BASE, np.int64)
    counts_V[3] = 100
    row_D = new_rows("frequency-weighted", base_VD, NewPieces([[3, 4]], counts_V), 0)[0]
    assert 0 < row_D[3] < row_D[4] / 10
    uncounted = NewPieces(some_pieces().constituents, np.zeros(NUM_BASE, np.int64))
    assert torch.equal(new_rows("frequency-weighted", table(), uncounted, 0),
                       new_rows("mean-of-constituents", table(), uncounted, 0))  # fmt: skip


def test_norm_corrected_rows_are_as_long_as_their_constituents_and_point_where_the_mean_does() -> None:
    base_VD, pieces = table(), some_pieces()
    rows_ND = new_rows("norm-corrected", base_VD, pieces, 0)
    means_ND = new_rows("mean-of-constituents", base_VD, pieces, 0)
    wanted_N = torch.stack([base_VD[ids].norm(dim=1).mean() for ids in pieces.constituents])
    torch.testing.assert_close(rows_ND.norm(dim=1), wanted_N)
    torch.testing.assert_close(torch.cosine_similarity(rows_ND, means_ND), torch.ones(len(rows_ND)))


def test_constituents_that_cancel_out_give_zeros_and_not_nan() -> None:
    row = torch.randn(1, WIDTH, generator=torch.Generator())
    pieces = NewPieces([[0, 1]], np.zeros(2, np.int64))
    assert torch.equal(new_rows("norm-corrected", torch.cat([row, -row]), pieces, 0), torch.zeros(1, WIDTH))


def test_focus_falls_back_to_constituents_and_counts_how_often() -> None:
    pieces = some_pieces(num_new=7)
    alone = [number for number in range(7) if number % 3 == 0]
    rows_ND = new_rows("focus", table(), pieces, 0)
    means_ND = new_rows("mean-of-constituents", table(), pieces, 0)
    assert [number for number in range(7) if torch.equal(rows_ND[number], means_ND[number])] == alone
    assert pieces.num_without_neighbours == len(alone)


@contextmanager
def threads(number: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("method", METHODS)
def test_rows_depend_on_the_seed_alone_and_leave_no_trace(method: Initialiser, dtype: torch.dtype) -> None:
    base_VD, pieces, state = table(dtype), some_pieces(), torch.random.get_rng_state()
    with threads(1):
        rows_ND = new_rows(method, base_VD, pieces, 4)
    with threads(2):
        again_ND = new_rows(method, base_VD, pieces, 4)
    # The factor of a covariance is a matrix product, which threads may split: float64 hides that but for a tie.
    tolerance = torch.finfo(dtype).eps if method == "gaussian" else 0
    torch.testing.assert_close(again_ND, rows_ND, rtol=tolerance, atol=tolerance)
    assert torch.equal(new_rows(method, base_VD, pieces, 5), rows_ND) == (method in COMPUTED)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(base_VD, table(dtype))


@pytest.mark.parametrize("method", METHODS)
def test_no_new_pieces_have_no_rows(method: Initialiser) -> None:
    rows_ND = new_rows(method, table(), NewPieces([], np.zeros(NUM_BASE, np.int64), []), 0)
    assert rows_ND.shape == (0, WIDTH)


@pytest.mark.parametrize("constituents", [[], [NUM_BASE], [-1]])
def test_constituents_must_be_base_pieces(constituents: list[int]) -> None:
    with pytest.raises(ValueError, match="constituents must be"):
        NewPieces([[0], constituents], np.ones(NUM_BASE, np.int64))


def test_a_table_with_padding_is_refused() -> None:
    with pytest.raises(ValueError, match="50 rows of 49 base pieces"):
        new_rows("mean-of-all", table(), NewPieces([[0]], np.zeros(NUM_BASE - 1, np.int64)), 0)


def test_focus_asks_for_neighbours() -> None:
    with pytest.raises(ValueError, match="focus needs neighbours"):
        new_rows("focus", table(), NewPieces([[0]], np.zeros(NUM_BASE, np.int64)), 0)
