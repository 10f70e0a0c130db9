"""What 8,000 new pieces do to LLaMA's tokenizer on real text, in six languages and three ways (make test-vocabulary).

For each language the pieces are learned from all but a twentieth of its documents (40 MB of Chinese), and beside them
stand the two other ways to as many pieces: those of SentencePiece behind the base's (`append`), and a tokenizer of
SentencePiece's own. What is measured is logged; docs/performance.md shows it.
"""

import gzip
import json
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from loanword.recipe import ExtendedTokenizerConfig
from loanword.tokenizer.append import append, learn_pieces
from loanword.tokenizer.extend import extend, lossy
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.learn import LearnedPieces, continue_bpe, learn
from loanword.tokenizer.load import load_tokenizer
from loanword.tokenizer.measure import measure_change, unreachable_pieces

pytestmark = pytest.mark.vocabulary
LOG = logging.getLogger(__name__)

NUM_NEW = 8_000
MOST_BYTES = 40_000_000
HELD_OUT_BYTES = 5_000_000
CONFIG = ExtendedTokenizerConfig()
# LLaMA's own Chinese characters count too: without them a tokenizer of 8,000 pieces has no room for the rest.
NUM_OWN = {"zh": 9_000}
SHARES_LETTERS = ("sw", "id", "vi")


@dataclass(frozen=True)
class Made:
    """The base, and what was made for one language."""

    language: str
    base: Tokenizer
    learned: LearnedPieces
    extended: Tokenizer
    appended: Tokenizer
    own: Tokenizer
    ungated: Tokenizer
    held_out: Sequence[str]


@cache
def texts(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def first(documents: Sequence[str], num_bytes: int) -> list[str]:
    taken: list[str] = []
    for document in documents:
        taken.append(document)
        num_bytes -= len(document.encode())
        if num_bytes <= 0:
            break
    return taken


@pytest.fixture(scope="module", params=["zh", "sw", "id", "vi", "hi", "te"])
def made(request: pytest.FixtureRequest, shared_data: Path) -> Made:
    base = load_tokenizer(shared_data / "tokenizers/llama-32k/tokenizer.model")
    documents = texts(shared_data / f"text/{request.param}.jsonl.gz")
    read = first([text for n, text in enumerate(documents) if n % 20], MOST_BYTES)
    learned = continue_bpe(base, read, NUM_NEW, gate_texts(shared_data))
    appended = append(base, learn_pieces(base, read, NUM_NEW))
    own = learn(read, NUM_OWN.get(request.param, NUM_NEW))
    ungated = extend(base, continue_bpe(base, read, NUM_NEW, []))
    return Made(request.param, base, learned, extend(base, learned), appended, own, ungated, documents[::20])


def gate_texts(shared_data: Path) -> list[str]:
    return first(texts(shared_data / "text/en.jsonl.gz"), CONFIG.gate_bytes)


def held_out_source(shared_data: Path) -> list[str]:
    return first(texts(shared_data / "text/en.jsonl.gz")[::-1], HELD_OUT_BYTES)


def flores(shared_data: Path) -> dict[str, list[str]]:
    folder = shared_data / "parallel/flores200-devtest"
    return {path.stem: path.read_text(encoding="utf-8").splitlines() for path in sorted(folder.glob("*.txt"))}


def tokens_per_character(tokenizer: Tokenizer, lines: Sequence[str]) -> float:
    return sum(map(len, tokenizer.encode_batch(lines))) / sum(map(len, lines))


def test_no_base_id_moves_and_every_piece_is_reached(made: Made) -> None:
    assert list(made.extended.pieces[: made.base.num_pieces]) == list(made.base.pieces)
    assert made.extended.num_pieces == made.base.num_pieces + NUM_NEW
    assert unreachable_pieces(made.base, made.extended) == []


def test_what_is_lost_is_what_the_base_loses(made: Made, shared_data: Path) -> None:
    for lines in (made.held_out, *flores(shared_data).values()):
        assert lossy(made.extended, lines) == lossy(made.base, lines)


def test_source_text_stays_as_it_was(made: Made, shared_data: Path) -> None:
    source, foreign = held_out_source(shared_data), made.learned.foreign_characters
    change = measure_change(made.base, made.extended, source, foreign)
    ungated = measure_change(made.base, made.ungated, source, foreign)
    appended = measure_change(made.base, made.appended, source, foreign)
    skipped = Counter(piece.reason for piece in made.learned.skipped)
    lost = sum(piece.num_tokens for piece in made.learned.skipped if piece.reason == "fires in gate text")
    LOG.info(
        f"{made.language}: {change.num_changed_words:,} of {change.num_words:,} held-out English words changed "
        f"({100 * change.share:.4f} %), without a gate {100 * ungated.share:.4f} %, appended "
        f"{100 * appended.share:.4f} %; skipped {dict(skipped)}, which would have saved {lost:,} tokens"
    )
    assert change.can_show(CONFIG.max_source_change)
    assert change.share <= CONFIG.max_source_change
    assert skipped["fires in gate text"]
    assert change.num_changed_words < ungated.num_changed_words


def test_text_is_as_short_as_under_any_other_way_to_as_many_pieces(made: Made, shared_data: Path) -> None:
    parallel = flores(shared_data)
    ways = {
        "base": made.base,
        "continued": made.extended,
        "without a gate": made.ungated,
        "appended": made.appended,
        "own": made.own,
    }
    for text, lines in (("held-out", made.held_out), ("FLORES", parallel[made.language])):
        found = {name: tokens_per_character(tokenizer, lines) for name, tokenizer in ways.items()}
        LOG.info(f"{made.language}, {text}: " + ", ".join(f"{name} {value:.4f}" for name, value in found.items()))
        others = min(found["appended"], found["own"])
        assert found["without a gate"] <= others < found["base"]
        # What English words allow no piece for is lost to languages that share its letters, and to no others.
        assert found["continued"] <= others or (made.language in SHARES_LETTERS and found["continued"] < found["base"])
    before, after = (
        {language: tokens_per_character(tokenizer, lines) for language, lines in parallel.items()}
        for tokenizer in (made.base, made.extended)
    )
    LOG.info(", ".join(f"{language} {before[language]:.3f} -> {after[language]:.3f}" for language in parallel))
    assert all(after[language] <= before[language] for language in parallel)
