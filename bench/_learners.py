"""The arms of bench/vocabulary.py, each a process of its own: `python -m bench._learners ARM PROBLEM OUT`.

All read the same documents as a stream and give as many pieces. Ours continue LLaMA's 32,000; the peers' trainers know
no base and start from nothing, cut text as LLaMA's does (spaces, scripts, digits) and may use both cores.
"""

import gzip
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

NUM_WORKERS = 2


class Problem(NamedTuple):
    """Where the data lies, how many bytes of target and gate text are read, and how many pieces are wanted."""

    data: str
    target_bytes: int
    gate_bytes: int
    num_pieces: int


def documents(data: str, language: str, num_bytes: int, skip_bytes: int = 0) -> Iterator[str]:
    """A language's texts in their order, until that many bytes; those before `skip_bytes` are left out."""
    seen = 0
    with gzip.open(Path(data) / f"text/{language}.jsonl.gz", "rt", encoding="utf-8") as file:
        for line in file:
            text = json.loads(line)["text"]
            seen += len(text.encode())
            if seen > skip_bytes:
                yield text
            if seen >= skip_bytes + num_bytes:
                return


def loanword(problem: Problem) -> list[tuple[str, str | None, str | None]]:
    """Text, left and right part of each piece."""
    from loanword.tokenizer.learn import continue_bpe
    from loanword.tokenizer.load import load_tokenizer

    learned = continue_bpe(
        load_tokenizer(Path(problem.data) / "tokenizers/llama-32k/tokenizer.model"),
        documents(problem.data, "zh", problem.target_bytes),
        problem.num_pieces,
        documents(problem.data, "en", problem.gate_bytes),
        num_workers=NUM_WORKERS,
    )
    return [(piece.text, piece.left, piece.right) for piece in learned.pieces]


def tokenizers_trainer(problem: Problem) -> list[str]:
    """The pieces of BpeTrainer, which needs every character of the text among them."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(),
            pre_tokenizers.UnicodeScripts(),
            pre_tokenizers.Punctuation(),
            pre_tokenizers.Digits(individual_digits=True),
        ]
    )
    trainer = trainers.BpeTrainer(vocab_size=problem.num_pieces, show_progress=False, max_token_length=16)
    tokenizer.train_from_iterator(documents(problem.data, "zh", problem.target_bytes), trainer)
    return list(tokenizer.get_vocab())


def sentencepiece_trainer(problem: Problem) -> list[str]:
    """The pieces of SentencePiece's BPE with LLaMA's settings, bytes among them; lines are cut at line breaks."""
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=(
            line for text in documents(problem.data, "zh", problem.target_bytes) for line in text.split("\n") if line
        ),
        model_writer=model,
        model_type="bpe",
        vocab_size=problem.num_pieces,
        character_coverage=0.9998,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        max_sentence_length=1 << 20,
        num_threads=NUM_WORKERS,
        minloglevel=2,
    )
    made = SentencePieceProcessor(model_proto=model.getvalue())
    return [made.id_to_piece(id) for id in range(made.get_piece_size())]


ARMS: dict[str, Callable[[Problem], list[str] | list[tuple[str, str | None, str | None]]]] = {
    "loanword": loanword,
    "tokenizers, BpeTrainer": tokenizers_trainer,
    "sentencepiece, BPE": sentencepiece_trainer,
}

if __name__ == "__main__":
    name, problem, out = sys.argv[1:]
    Path(out).write_text(json.dumps(ARMS[name](Problem(*json.loads(problem)))), encoding="utf-8")
