"""New pieces from text: a tokenizer from nothing, or pieces that continue a base's BPE on target text.

Continued BPE goes on where the base's training stopped: on text encoded by the base, the pair that saves most
tokens becomes the next piece. Any text has one segmentation, inside whatever larger text it stands; so a piece
learned in one word is what its text becomes everywhere, and none is unreachable.
"""

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from sentencepiece import SentencePieceTrainer

from loanword.errors import UserError
from loanword.protocols import Progress, silent
from loanword.records import Count, Record
from loanword.tokenizer.gate import Gate, foreign_characters, gate
from loanword.tokenizer.interface import NewPiece, Tokenizer
from loanword.tokenizer.merges import Choice, Merger
from loanword.tokenizer.proto import parse
from loanword.tokenizer.sentence_pieces import SentencePieceTokenizer
from loanword.tokenizer.words import EncodedWords, count_words, encode_words

MAX_PIECE_CHARACTERS = 16
# LLaMA's 0.99995 is made for twenty languages. On 10 MB of English text it makes 339 single characters
# pieces, most of them only quoted; this share makes it 150.
CHARACTER_COVERAGE = 0.9998

_LINE_CHARACTERS = 4000
_LINE_BYTES = 4 * _LINE_CHARACTERS
# SentencePiece drops a line with its own mark for the unknown, "▅".
_BREAK = re.compile("[\n▅]")
# Cut before a space where there is one to cut at.
_LINE = re.compile(rf".{{1,{_LINE_CHARACTERS}}}(?=\s|$)|.{{1,{_LINE_CHARACTERS}}}", re.DOTALL)

SkipReason = Literal["fires in gate text", "already a piece", "too long", "not reachable"]


class SkippedPiece(Record):
    """A piece that was not taken although it would have saved `num_tokens` on the target text."""

    text: str
    reason: SkipReason
    num_tokens: Count


@dataclass(frozen=True)
class LearnedPieces:
    """New pieces in the order of their ids, what was passed over on the way, and what counted as foreign to the source.

    Gate words that hold a foreign character are quotations, and no gate. `num_dropped_words` says how many words of
    the text were not learned from because it has too many different ones.
    """

    pieces: tuple[NewPiece, ...]
    skipped: tuple[SkippedPiece, ...]
    foreign_characters: frozenset[str]
    num_dropped_words: int = 0


def learn(texts: Iterable[str], num_pieces: int) -> Tokenizer:
    """A SentencePiece BPE tokenizer with byte fallback and LLaMA's settings; equal texts give equal bytes.

    Every line of the texts is read, cut where it is very long.

    Raises:
        UserError: the text has too few or too many different characters or words for `num_pieces`.

    Source: the trainer_spec and normalizer_spec inside LLaMA's tokenizer.model.
    """
    lines = list(_lines(texts))
    model = io.BytesIO()
    try:
        SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type="bpe",
            vocab_size=num_pieces,
            character_coverage=CHARACTER_COVERAGE,
            required_chars="0123456789",
            byte_fallback=True,
            split_digits=True,
            allow_whitespace_only_pieces=True,
            normalization_rule_name="identity",
            add_dummy_prefix=True,
            remove_extra_whitespaces=False,
            max_sentence_length=_LINE_BYTES,
            unk_id=0,
            bos_id=1,
            eos_id=2,
            pad_id=-1,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise _cannot_learn(num_pieces, sum(map(len, lines)), error) from None
    learned = parse(model.getvalue())
    assert learned is not None
    return SentencePieceTokenizer(learned, {})


def continue_bpe(base: Tokenizer, texts: Iterable[str], num_new_pieces: int, gate_texts: Iterable[str],
                 progress: Progress = silent, *, num_workers: int = 1) -> LearnedPieces:  # fmt: skip
    """The pieces that save most tokens when they are added to a base one after another.

    Nothing is taken that would change how the base encodes a word of the gate texts, quotations apart. `num_workers`
    processes read the texts, and their number changes nothing else.

    Raises:
        UserError: the texts do not repeat enough for so many pieces.
    """
    words, characters, num_dropped_words = count_words(base, texts, num_workers=num_workers)
    gate_documents = list(gate_texts)
    foreign = foreign_characters(characters, Counter("".join(gate_documents)))
    guard = gate(base, gate_documents, foreign, num_workers=num_workers)
    lacking = sorted(set(chain.from_iterable(words)) - set(base.pieces)) if base.family == "sentencepiece" else []
    atoms = base.with_pieces([NewPiece(text=character) for character in lacking])
    encoded = encode_words(atoms, words, num_workers=num_workers)
    # Words as text are most of the memory up to here, and the learner has its own copy of their ids.
    del words, gate_documents
    learner = _Learner(base, lacking, encoded, guard)
    del encoded
    pieces: list[NewPiece] = []
    while len(pieces) < num_new_pieces:
        found = list(learner.take(num_new_pieces - len(pieces), progress))
        if not found:
            raise _too_few(len(pieces), num_new_pieces, learner.skipped)
        pieces = learner.without_unreachable([*pieces, *found])
    return LearnedPieces(tuple(pieces), tuple(learner.skipped), foreign, num_dropped_words)


class _Learner:
    """Symbols are base ids, then the characters that the base lacks, then new pieces."""

    def __init__(self, base: Tokenizer, lacking: Sequence[str], words: EncodedWords, gate: Gate) -> None:
        self._base = base
        self._gate = gate
        self._texts = [*base.pieces, *lacking]
        self._known = set(base.pieces)
        self.skipped: list[SkippedPiece] = []
        byte_lengths = {base.num_pieces + n: len(character.encode()) for n, character in enumerate(lacking)}
        self._merger = Merger(words, byte_lengths)
        self._choices = self._merger.choices()

    def take(self, num_pieces: int, progress: Progress) -> Iterator[NewPiece]:
        """The next pieces, fewer where nothing is left that saves tokens."""
        num_taken = 0
        while num_taken < num_pieces and (choice := next(self._choices, None)):
            piece = self._piece(choice)
            reason = self._objection(choice, piece)
            if reason:
                self.skipped.append(SkippedPiece(text=piece.text, reason=reason, num_tokens=choice.num_tokens))
                continue
            self._merger.accept(choice, len(self._texts))
            if choice.right is not None:
                self._texts.append(piece.text)
            self._known.add(piece.text)
            num_taken += 1
            progress(num_taken, num_pieces, "pieces")
            yield piece

    def without_unreachable(self, pieces: Sequence[NewPiece]) -> list[NewPiece]:
        """The pieces that their own text is encoded as; only odd bases (pieces that no merge reaches) lose any."""
        kept = list(pieces)
        while True:
            extended = self._base.with_pieces(kept)
            ids = extended.encode_spans(piece.text for piece in kept)
            lost = {piece.text for n, piece in enumerate(kept) if ids[n] != [self._base.num_pieces + n]}
            if not lost:
                return kept
            self.skipped += (SkippedPiece(text=text, reason="not reachable", num_tokens=0) for text in sorted(lost))
            kept = [piece for piece in kept if lost.isdisjoint((piece.text, piece.left, piece.right))]

    def _piece(self, choice: Choice) -> NewPiece:
        left = self._texts[choice.left]
        if choice.right is None:
            return NewPiece(text=left)
        right = self._texts[choice.right]
        return NewPiece(text=left + right, left=left, right=right)

    def _objection(self, choice: Choice, piece: NewPiece) -> SkipReason | None:
        if piece.text in self._known:
            return "already a piece"
        if self._base.num_characters(piece.text) > MAX_PIECE_CHARACTERS:
            return "too long"
        if choice.right is None:
            fires = piece.text in self._gate.characters
        else:
            fires = (choice.left, choice.right) in self._gate.pairs
        return "fires in gate text" if fires else None


def _lines(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for line in _BREAK.split(text):
            yield from _LINE.findall(line)


def _cannot_learn(num_pieces: int, num_characters: int, error: RuntimeError) -> Exception:
    """What SentencePiece's complaint means to the user; the complaint itself where it is about something else."""
    message = str(error)
    if most := re.search(r"value <= (\d+)", message):
        expected, do = f"at most {most[1]}, which this text can fill", "give more text, or ask for fewer pieces"
    elif least := re.search(r"required_chars\. \d+ vs (\d+)", message):
        expected, do = f"at least {least[1]}, for the text's different characters", "ask for more pieces"
    elif "sentences_.empty()" in message:
        expected, do = "text to learn from", "check that the corpus holds documents"
    else:
        return error
    return UserError("tokenizer.num_pieces", f"{num_pieces} pieces cannot be learned from {num_characters} characters",
                     expected=expected, do=do)  # fmt: skip


def _too_few(num_found: int, num_wanted: int, skipped: Sequence[SkippedPiece]) -> UserError:
    reasons = Counter(piece.reason for piece in skipped)
    passed_over = ", ".join(f"{count:,} more: {reason}" for reason, count in reasons.most_common())
    return UserError(
        "tokenizer.num_new_pieces",
        f"only {num_found:,} of {num_wanted:,} pieces would save anything on this text"
        + (f" ({passed_over})" if passed_over else ""),
        expected="at most as many pieces as the text has repeated pairs that source text lacks",
        do="give more text (tokenizer.sample_bytes), or ask for fewer pieces",
    )
