"""What pieces have in common, learned from text as a tokenizer encodes it: pieces in like contexts resemble each other.

Co-occurrence counts, positive pointwise mutual information and a truncated singular value decomposition, not a
training loop: nothing is drawn, so equal texts give equal vectors, and nothing is downloaded.

Shapes: V pieces, W width of the vectors, N new pieces, C candidates among the base's pieces.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sparse  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import NDArray
from scipy.sparse import linalg  # pyright: ignore[reportMissingTypeStubs]

from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.words import batches

WIDTH = 100
MIN_TOKENS = 10
WINDOW_TOKENS = 5
CONTEXT_SMOOTHING = 0.75

_CHUNK_CHARACTERS = 1_000_000
_CHUNK_SIMILARITIES = 8_000_000

# SciPy says nothing of its types.
Sparse = Any
_svds: Any = linalg.svds  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


class Neighbours(NamedTuple):
    """Base pieces that resemble a new piece, by id, and weights that sum to 1; both empty where none is known."""

    ids: NDArray[np.int64]
    weights: NDArray[np.float32]


def piece_counts(tokenizer: Tokenizer, texts: Iterable[str]) -> NDArray[np.int64]:
    """How often each piece [V] occurs in texts."""
    counts_V = np.zeros(tokenizer.num_pieces, dtype=np.int64)
    for ids, _ in _encoded(tokenizer, texts):
        counts_V += np.bincount(ids, minlength=tokenizer.num_pieces)
    return counts_V


def neighbours(extended: Tokenizer, num_base_pieces: int, texts: Iterable[str]) -> list[Neighbours]:
    """For each new piece the base pieces whose vectors are close to its own, with sparsemax weights.

    Candidates are base pieces that have a vector, special ones and bytes left out. A new piece that is too rare for a
    vector has no neighbours.

    Source: FOCUS, Dobler and de Melo 2023, with vectors from `learn_vectors` in place of fastText's.
    """
    vectors_VW = learn_vectors(extended, texts)
    special = set(extended.special_ids.values())
    candidates = np.array(
        [
            id
            for id in np.flatnonzero(np.any(vectors_VW[:num_base_pieces], axis=1)).tolist()
            if id not in special and not extended.is_byte(id)
        ],
        dtype=np.int64,
    )
    return _nearest(vectors_VW[num_base_pieces:], vectors_VW[candidates], candidates)


def learn_vectors(
    tokenizer: Tokenizer, texts: Iterable[str], *, width: int = WIDTH, min_tokens: int = MIN_TOKENS
) -> NDArray[np.float32]:
    """A vector of length 1 for each piece that occurs at least `min_tokens` times, zeros for every other [V, W].

    Windows stay in their document. Memory grows with the different pairs of pieces that occur within a window.

    Source: Levy, Goldberg and Dagan 2015, "Improving distributional similarity with lessons learned from word
    embeddings": smoothed contexts and square roots of singular values. Width and least count are those of FOCUS's own
    code, the window is fastText's.
    """
    num_pieces = tokenizer.num_pieces
    counts_V = np.zeros(num_pieces, dtype=np.int64)
    pairs_VV: Sparse = sparse.csr_array((num_pieces, num_pieces), dtype=np.int32)
    for ids, documents in _encoded(tokenizer, texts):
        counts_V += np.bincount(ids, minlength=num_pieces)
        pairs_VV = pairs_VV + _pairs(ids, documents, num_pieces)
    kept = np.flatnonzero(counts_V >= min_tokens)
    vectors_VW = np.zeros((num_pieces, width), dtype=np.float32)
    pairs_KK = pairs_VV[kept][:, kept]
    found_KW = _factors(_ppmi(pairs_KK + pairs_KK.T), width)
    vectors_VW[kept, : found_KW.shape[1]] = found_KW
    return vectors_VW


def sparsemax(scores_NC: NDArray[np.float32]) -> NDArray[np.float32]:
    """The points of the probability simplex that are closest to rows of scores: most of their weights are 0.

    Source: Martins and Astudillo 2016, "From softmax to sparsemax", algorithm 1.
    """
    sorted_NC = -np.sort(-scores_NC, axis=1)
    excess_NC = np.cumsum(sorted_NC, axis=1, dtype=np.float64) - 1
    ranks_C = 1 + np.arange(int(scores_NC.shape[1]))
    support_N1 = np.count_nonzero(ranks_C * sorted_NC > excess_NC, axis=1, keepdims=True)
    threshold_N1 = np.take_along_axis(excess_NC, support_N1 - 1, axis=1) / support_N1
    return np.maximum(scores_NC - threshold_N1, 0).astype(np.float32)


def _nearest(
    new_NW: NDArray[np.float32], candidates_CW: NDArray[np.float32], ids_C: NDArray[np.int64]
) -> list[Neighbours]:
    """Neighbours of each new vector among candidates, all of length 1 or 0; none for a vector of zeros."""
    if not len(ids_C):
        return [_nobody()] * len(new_NW)
    found: list[Neighbours] = []
    num_rows = max(1, _CHUNK_SIMILARITIES // len(ids_C))
    for start in range(0, len(new_NW), num_rows):
        rows_NW = new_NW[start : start + num_rows]
        weights_NC = sparsemax(rows_NW @ candidates_CW.T)
        weights_NC[~np.any(rows_NW, axis=1)] = 0
        chosen = [(weights_C, np.flatnonzero(weights_C)) for weights_C in weights_NC]
        found += (Neighbours(ids_C[places], weights_C[places]) for weights_C, places in chosen)
    return found


def _nobody() -> Neighbours:
    return Neighbours(np.empty(0, np.int64), np.empty(0, np.float32))


def _encoded(tokenizer: Tokenizer, texts: Iterable[str]) -> Iterator[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Ids of about a million characters at a time, and the number of the document that each stands in."""
    for chunk in batches(texts, _CHUNK_CHARACTERS):
        encoded = tokenizer.encode_batch(chunk)
        ids = np.fromiter(chain.from_iterable(encoded), dtype=np.int32)
        yield ids, np.repeat(np.arange(len(encoded), dtype=np.int32), [len(document) for document in encoded])


def _pairs(ids: NDArray[np.int32], documents: NDArray[np.int32], num_pieces: int) -> Sparse:
    """How often one piece stands before another [V, V], at most a window apart in one document."""
    lefts: list[NDArray[np.int32]] = []
    rights: list[NDArray[np.int32]] = []
    for distance in range(1, WINDOW_TOKENS + 1):
        together = documents[:-distance] == documents[distance:]
        lefts.append(ids[:-distance][together])
        rights.append(ids[distance:][together])
    left, right = np.concatenate(lefts), np.concatenate(rights)
    ones = np.ones(len(left), dtype=np.int32)
    return sparse.coo_array((ones, (left, right)), shape=(num_pieces, num_pieces)).tocsr()


def _ppmi(pairs_KK: Sparse) -> Sparse:
    """Positive pointwise mutual information of pieces and contexts [K, K], contexts smoothed, from counts."""
    counts_K = np.asarray(pairs_KK.sum(axis=0), dtype=np.float64)
    smooth_K = counts_K**CONTEXT_SMOOTHING
    with np.errstate(divide="ignore"):  # of pieces that stand alone nothing is looked up
        log_counts_K, log_shares_K = np.log(counts_K), np.log(smooth_K / max(smooth_K.sum(), 1.0))
    cells = pairs_KK.tocoo()
    information = np.log(cells.data) - log_counts_K[cells.row] - log_shares_K[cells.col]
    positive = information > 0
    places = (cells.row[positive], cells.col[positive])
    return sparse.csr_array((information[positive], places), shape=cells.shape)


def _factors(matrix_KK: Sparse, width: int) -> NDArray[np.float32]:
    """Left singular vectors times square roots of singular values, each row brought to length 1."""
    rank = min(width, matrix_KK.shape[0] - 1)
    if rank < 1 or not matrix_KK.nnz:
        return np.zeros((matrix_KK.shape[0], 0), dtype=np.float32)
    start_K = np.random.default_rng(0).standard_normal(int(matrix_KK.shape[0]))
    left_KW, values_W, _ = _svds(matrix_KK, k=rank, v0=start_K)
    rows_KW = left_KW * np.sqrt(np.maximum(values_W, 0))
    lengths_K1 = np.linalg.norm(rows_KW, axis=1, keepdims=True)
    return np.divide(rows_KW, lengths_K1, out=np.zeros_like(rows_KW), where=lengths_K1 > 0).astype(np.float32)
