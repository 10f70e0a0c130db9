"""How well each layer of a model tells translations from other sentences: retrieval among parallel text, by cosine.

In: held-out text of several languages, the same line the same sentence. Out: AlignedLayer records, by target language
and layer. Sentences of equal text count as one: whatever stands on a line with either is a translation of both, and no
competitor. A sentence is a hit where a translation is nearer than every other sentence by more than rounding, so that
vectors that do not tell sentences apart hit nothing. The control deals translations out at random: by chance 1 in N of
them is hit, whatever the vectors are.

Shapes: L layers, N sentences, B of them at once, D width.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loanword.errors import UserError
from loanword.evaluation.likelihood import read_held_out
from loanword.protocols import Progress, SentenceEncoder, silent
from loanword.recipe import AlignmentConfig
from loanword.records import AlignedLayer, canonical_json

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

NEARER = 1e-6
"""Cosines that differ by less are equal: vectors are float32, and a batch's company moves their last bits."""
AT_ONCE_SENTENCES = 1_024
"""Sentences that are compared with all others at once; bounds memory at 8 KB a sentence of the other language."""
SHUFFLING_SEED = 20240101


def read_parallel(paths: Mapping[str, Path], config: AlignmentConfig) -> dict[str, list[str]]:
    """Parallel sentences by language, no more than the config says.

    Raises:
        UserError: a file that cannot be read, an empty line, files of different length, fewer than two sentences.
    """
    texts = {language: [document.text for document in read_held_out(path)] for language, path in paths.items()}
    num_lines = len(texts[config.source])
    for language, path in paths.items():
        if len(texts[language]) != num_lines:
            raise UserError(
                path,
                f"{len(texts[language]):,} sentences, where {paths[config.source]} has {num_lines:,}",
                expected="the same sentence on the same line of every file",
                do="name files of the same parallel text",
            )
    if min(num_lines, config.limit_sentences or num_lines) < 2:
        raise UserError(
            paths[config.source],
            "one sentence alone",
            expected="two sentences or more, to tell a translation from another",
            do="name a longer file, or raise alignment.limit_sentences",
        )
    return {language: sentences[: config.limit_sentences] for language, sentences in texts.items()}


def aligned(
    encoder: SentenceEncoder, texts: Mapping[str, Sequence[str]], config: AlignmentConfig, progress: Progress = silent
) -> list[AlignedLayer]:
    """Every layer of the source language beside each other language, in the order of `texts`.

    Raises:
        UserError: a sentence that has no other than its translations to be told from; one that the encoder cannot read,
            by its file; vectors that are not finite.
    """
    total, done = sum(map(len, texts.values())), 0

    def vectors(language: str) -> NDArray[np.float32]:
        nonlocal done
        before, done = done, done + len(texts[language])
        try:
            return encoder.vectors(
                texts[language], config.pooling, lambda read, _, unit: progress(before + read, total, unit)
            )
        except UserError as error:
            # An encoder knows of sentences alone, and not where they come from.
            where = f"{config.texts[language]}, {error.where}"
            raise UserError(where, error.what, expected=error.expected, do=error.do) from None

    source, source_LND, found = texts[config.source], vectors(config.source), list[AlignedLayer]()
    source_N, source_cut = _same(source), encoder.num_cut(source)
    for language in texts:
        if language == config.source:
            continue
        target_LND, target_N = vectors(language), _same(texts[language])
        num_cut, digest = source_cut + encoder.num_cut(texts[language]), _digest(source, texts[language])
        for layer, (source_ND, target_ND) in enumerate(zip(source_LND, target_LND, strict=True)):
            where = f"{config.source}-{language}, layer {layer}"
            forward_N, backward_N, shuffled = _compare(where, source_ND, target_ND, source_N, target_N)
            found.append(
                AlignedLayer(
                    source=config.source,
                    target=language,
                    layer=layer,
                    texts=digest,
                    num_sentences=len(source),
                    forward_hits=_bits(forward_N),
                    backward_hits=_bits(backward_N),
                    forward_margin=float(forward_N.mean()),
                    backward_margin=float(backward_N.mean()),
                    shuffled_accuracy=shuffled,
                    num_cut=num_cut,
                )
            )
    return found


def _compare(
    where: str, source_ND: NDArray[np.float32], target_ND: NDArray[np.float32], source_N: Places, target_N: Places
) -> tuple[Floats, Floats, float]:
    """Margins of both directions, and the accuracy of both together with translations dealt out at random."""
    one_ND, other_ND = _unit(source_ND, where), _unit(target_ND, where)
    order_N = np.random.default_rng(SHUFFLING_SEED).permutation(len(one_ND))
    dealt_ND, dealt_N = other_ND[order_N], target_N[order_N]
    forward_N, backward_N, *shuffled = (
        margins(one_ND, other_ND, source_N, target_N),
        margins(other_ND, one_ND, target_N, source_N),
        margins(one_ND, dealt_ND, source_N, dealt_N),
        margins(dealt_ND, one_ND, dealt_N, source_N),
    )
    if not np.isfinite([forward_N, backward_N, *shuffled]).all():
        raise UserError(
            where,
            "every sentence is a translation of some other one",
            expected="sentences that differ",
            do="take lines out of the parallel text that repeat others",
        )
    return forward_N, backward_N, float(np.mean([margins_N > NEARER for margins_N in shuffled]))


def margins(from_ND: Floats, to_ND: Floats, from_N: Places, to_N: Places) -> Floats:
    """How much nearer a translation of each sentence is than any other sentence, in cosine of unit vectors, [N].

    Row n of one side is the translation of row n of the other; `from_N` and `to_N` say which texts are the same. The
    margin of a sentence that has nothing but translations is infinite.
    """
    found: list[Floats] = []
    for start in range(0, len(from_ND), AT_ONCE_SENTENCES):
        rows = slice(start, start + AT_ONCE_SENTENCES)
        cosines_BN = from_ND[rows] @ to_ND.T
        is_translation_BN = (from_N[rows, None] == from_N) | (to_N[rows, None] == to_N)
        nearest_B = np.where(is_translation_BN, cosines_BN, -np.inf).max(axis=1)
        found.append(nearest_B - np.where(is_translation_BN, -np.inf, cosines_BN).max(axis=1))
    return np.concatenate(found)


def _unit(vectors_ND: NDArray[np.float32], where: str) -> Floats:
    wide_ND = vectors_ND.astype(np.float64)
    lengths_N1 = np.linalg.norm(wide_ND, axis=1, keepdims=True)
    if not np.isfinite(lengths_N1).all():
        raise UserError(
            where,
            "vectors that are not finite",
            expected="numbers",
            do="look at the checkpoint: its training may have diverged",
        )
    # A vector of zeros has no direction: its cosine to everything is 0.
    return wide_ND / np.where(lengths_N1 == 0, 1.0, lengths_N1)


def _digest(source: Sequence[str], target: Sequence[str]) -> str:
    return hashlib.sha256(canonical_json([[*source], [*target]]).encode()).hexdigest()


def _same(texts: Sequence[str]) -> Places:
    """One number for each text, equal where texts are."""
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    return np.array([numbers[text] for text in texts], dtype=np.int64)


def _bits(margins_N: Floats) -> str:
    return "".join("1" if margin > NEARER else "0" for margin in margins_N)
