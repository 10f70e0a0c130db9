"""Rows for new pieces, from the rows of the base's pieces.

Nothing but the table changes hands: the tokenizer side says what a new piece is made of and what it resembles
(`NewPieces`), and each method is a function of that, of the base's rows and of a seed.

Shapes: V base pieces, N new pieces, D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag

from loanword.recipe import Initialiser
from loanword.tokenizer.vectors import Neighbours

INITIALIZER_RANGE = 0.02
SMOOTHING = 1e-3

_CHUNK_ROWS = 4096
_CHUNK_COLUMNS = 512
# Added to the variances, relative to their mean, so that a table of less than full rank has a Cholesky factor.
_JITTER = 1e-10


@dataclass(frozen=True)
class NewPieces:
    """What an initialiser may know of new pieces, in the order of their ids.

    `constituents` are the base ids that a piece is made of; `counts_V` is how often each base piece occurs in target
    text as the base encodes it; `neighbours` are base pieces that resemble a piece, empty where none is known.

    Raises:
        ValueError: a piece that is made of nothing, or of something else than base pieces.
    """

    constituents: Sequence[Sequence[int]]
    counts_V: NDArray[np.int64]
    neighbours: Sequence[Neighbours] | None = None

    def __post_init__(self) -> None:
        num_base = len(self.counts_V)
        if any(not ids or min(ids) < 0 or max(ids) >= num_base for ids in self.constituents):
            raise ValueError(f"constituents must be one or more ids below {num_base}")

    @property
    def num_without_neighbours(self) -> int:
        """Pieces for which `focus` falls back to the mean of their constituents."""
        return sum(len(found.ids) == 0 for found in self.neighbours or ())


@torch.no_grad()
def new_rows(
    method: Initialiser,
    base_VD: Tensor,
    pieces: NewPieces,
    seed: int,
    initializer_range: float = INITIALIZER_RANGE,
) -> Tensor:
    """Rows [N, D] for new pieces, in the dtype of the base's; `base_VD` holds no padding, and does not change.

    Sums are taken in float32 or more. What is drawn depends on the seed alone, so an input and an output table need
    seeds of their own; `initializer_range` is the standard deviation of `random`.

    Source: docs/numbers.md, "New rows", method by method.
    """
    if len(base_VD) != len(pieces.counts_V):
        raise ValueError(f"{len(base_VD)} rows of {len(pieces.counts_V)} base pieces")
    num_new = len(pieces.constituents)
    match method:
        case "random":
            rows_ND = torch.empty(num_new, base_VD.shape[1]).normal_(0, initializer_range, generator=_drawing(seed))
        case "mean-of-all":
            rows_ND = mean_row(base_VD).to(base_VD).repeat(num_new, 1)
        case "gaussian":
            rows_ND = _gaussian(base_VD, num_new, seed)
        case "mean-of-constituents":
            rows_ND = _weighted_means(base_VD, _mixture(pieces.constituents))
        case "frequency-weighted":
            weights_V = smooth_inverse_frequency(pieces.counts_V)
            rows_ND = _weighted_means(base_VD, _mixture(pieces.constituents, weights_V))
        case "norm-corrected":
            rows_ND = _norm_corrected(base_VD, pieces.constituents)
        case "focus":
            rows_ND = _weighted_means(base_VD, _neighbourly(pieces))
    return rows_ND.to(base_VD)


def smooth_inverse_frequency(counts_V: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weight a / (a + p) of each piece [V], a = 0.001 and p its share of all tokens; 1 for one that does not occur.

    Source: Arora, Liang and Ma 2017, "A simple but tough-to-beat baseline for sentence embeddings", which finds the
    best a between 0.0001 and 0.001.
    """
    return SMOOTHING / (SMOOTHING + counts_V / max(1, counts_V.sum()))


def mean_row(table_VD: Tensor) -> Tensor:
    """The mean [D] of rows, in float64."""
    # Some rows at a time: no copy of the whole table in float64 is made.
    return torch.stack([rows.double().sum(0) for rows in table_VD.split(_CHUNK_ROWS)]).sum(0) / len(table_VD)


@dataclass(frozen=True)
class _Mixture:
    """Base ids of all new pieces end to end, their weights, and how many each piece has."""

    ids: Tensor
    weights: Tensor
    sizes_N: Tensor


def _mixture(parts: Sequence[Sequence[int]], weights_V: NDArray[np.float64] | None = None) -> _Mixture:
    ids = np.fromiter(chain.from_iterable(parts), dtype=np.int64)
    weights = np.ones(len(ids)) if weights_V is None else weights_V[ids]
    return _laid_out(ids, weights, list(map(len, parts)))


def _neighbourly(pieces: NewPieces) -> _Mixture:
    """Neighbours with their weights; where a piece has none, its constituents with equal ones."""
    if pieces.neighbours is None:
        raise ValueError("focus needs neighbours")
    found = [
        near if len(near.ids) else Neighbours(np.array(ids, dtype=np.int64), np.ones(len(ids), dtype=np.float32))
        for near, ids in zip(pieces.neighbours, pieces.constituents, strict=True)
    ]
    ids = np.fromiter(chain.from_iterable(near.ids for near in found), dtype=np.int64)
    weights = np.fromiter(chain.from_iterable(near.weights for near in found), dtype=np.float64)
    return _laid_out(ids, weights, [len(near.ids) for near in found])


def _laid_out(ids: NDArray[np.int64], weights: NDArray[np.float64], sizes: list[int]) -> _Mixture:
    return _Mixture(torch.from_numpy(ids), torch.from_numpy(weights).float(), torch.tensor(sizes, dtype=torch.int64))


def _weighted_means(base_VD: Tensor, mixture: _Mixture) -> Tensor:
    """Means [N, D] in float32; every element is one sum in the order of the ids, on however many threads."""
    if not len(mixture.sizes_N):
        return base_VD.new_empty(0, base_VD.shape[1])
    starts_N = mixture.sizes_N.cumsum(0) - mixture.sizes_N
    ids, weights, starts_N = (part.to(base_VD.device) for part in (mixture.ids, mixture.weights, starts_N))

    def sums(columns_VC: Tensor) -> Tensor:
        return embedding_bag(ids, columns_VC, starts_N, mode="sum", per_sample_weights=weights)

    # Some columns at a time: of a table in bf16 no whole copy in float32 is made.
    sums_ND = torch.cat([sums(columns.float().contiguous()) for columns in base_VD.split(_CHUNK_COLUMNS, dim=1)], dim=1)
    return sums_ND.div_(sums(weights.new_ones(len(base_VD), 1)))


def _norm_corrected(base_VD: Tensor, constituents: Sequence[Sequence[int]]) -> Tensor:
    mixture = _mixture(constituents)
    means_ND = _weighted_means(base_VD, mixture)
    wanted_N1 = _weighted_means(_norms(base_VD), mixture)
    norms_N1 = _norms(means_ND)
    # A mean that is zero has no direction and stays.
    return means_ND.mul_(wanted_N1 / norms_N1.masked_fill(norms_N1 == 0, torch.inf))


def _norms(rows_VD: Tensor) -> Tensor:
    return torch.cat([rows.float().norm(dim=1, keepdim=True) for rows in rows_VD.split(_CHUNK_ROWS)])


def _gaussian(base_VD: Tensor, num_new: int, seed: int) -> Tensor:
    """In float64 throughout, so that what rounding differs by between machines is lost in the table's dtype."""
    num_base, width = base_VD.shape
    mean_D = mean_row(base_VD)
    covariance_DD = mean_D.new_zeros(width, width)
    for rows in base_VD.split(_CHUNK_ROWS):
        centred = rows.double() - mean_D
        covariance_DD.addmm_(centred.T, centred, alpha=1 / num_base)
    variances_D = covariance_DD.diagonal()
    variances_D += _JITTER * variances_D.mean() + torch.finfo(torch.float64).tiny
    factor_DD = torch.linalg.cholesky(covariance_DD)
    drawing = _drawing(seed)
    rows_ND = base_VD.new_empty(num_new, width)
    for rows in rows_ND.split(_CHUNK_ROWS):
        drawn = torch.randn(rows.shape, generator=drawing).to(mean_D)
        rows.copy_(mean_D + drawn @ factor_DD.T)
    return rows_ND


def _drawing(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
