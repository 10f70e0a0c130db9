"""Tokenizers of the SentencePiece family, encoded by the SentencePiece library itself.

The model is kept as its protocol buffer: extending edits it, saving writes it, and nothing about it is guessed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from sentencepiece import SentencePieceProcessor

from loanword.records import canonical_json
from loanword.tokenizer.convert import tokenizer_json
from loanword.tokenizer.files import write_settings
from loanword.tokenizer.interface import Family, NewPiece, Tokenizer
from loanword.tokenizer.proto import Model, PieceType, copy, to_bytes
from loanword.tokenizer.segments import MAX_REMEMBERED, SPACE, FlatIds, Segments
from loanword.tokenizer.words import encode_flat


class SentencePieceTokenizer(Tokenizer):
    """SentencePiece BPE, with `settings` from the tokenizer_config.json beside it (special tokens, chat template)."""

    family: Family = "sentencepiece"

    def __init__(self, model: Model, settings: Mapping[str, object]) -> None:
        self._model = model
        self._settings = dict(settings)
        self._processor = SentencePieceProcessor(model_proto=to_bytes(model))
        self._span_processor: SentencePieceProcessor | None = None
        self.pieces = tuple(piece.piece for piece in model.pieces)
        self.special_ids = {
            piece.piece: id
            for id, piece in enumerate(model.pieces)
            if piece.type in (PieceType.CONTROL, PieceType.UNKNOWN)
        }
        self.eos_id = self._special("eos_token", self._processor.eos_id())
        # Models without a BOS begin documents with their EOS, as GPT-2 does.
        self.bos_id = self._special("bos_token", self._processor.bos_id(), self.eos_id)
        pad_id = self._special("pad_token", self._processor.pad_id())
        self.pad_id = None if pad_id < 0 else pad_id
        template = settings.get("chat_template")
        self.chat_template = template if isinstance(template, str) else None

    def _special(self, name: str, *otherwise: int) -> int:
        named = self._settings.get(name)
        if isinstance(named, str) and named in self.special_ids:
            return self.special_ids[named]
        return next((id for id in otherwise if id >= 0), -1)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        return self._processor.encode(list(texts), num_threads=1)

    def decode(self, ids: Sequence[int]) -> str:
        return self._processor.decode(list(ids))

    def is_byte(self, id: int) -> bool:
        return self._processor.is_byte(id)

    def num_characters(self, piece: str) -> int:
        return len(piece)

    def spans(self, text: str) -> list[str]:
        return [self._processor.normalize(text)]

    def encode_spans(self, spans: Iterable[str]) -> list[list[int]]:
        if self._span_processor is None:
            self._span_processor = SentencePieceProcessor(model_proto=_taken_literally(self._model))
        return self._span_processor.encode(list(spans), num_threads=1)

    def segments(self, max_remembered: int = MAX_REMEMBERED) -> Segments | None:
        """What gives the ids of `encode_batch` for much text in a fraction of the time; None where it would not.

        Without byte fallback a run of unknown characters is one id, wherever it is cut.
        """
        if not self._model.trainer_spec.byte_fallback:
            return None
        found = (PieceType.NORMAL, PieceType.USER_DEFINED, PieceType.UNUSED)
        pieces = (piece.piece for piece in self._model.pieces if piece.type in found)
        return Segments(pieces, self._normalized(), self._encode_parts, max_remembered)

    def _normalized(self) -> Callable[[str], str]:
        spec = self._model.normalizer_spec
        defined = any(piece.type == PieceType.USER_DEFINED for piece in self._model.pieces)
        if spec.precompiled_charsmap or spec.remove_extra_whitespaces or defined:
            return self._processor.normalize
        return _spaces_before if spec.add_dummy_prefix else _spaces

    def _encode_parts(self, parts: Sequence[str]) -> FlatIds:
        num_ids, ids = encode_flat(self, parts)
        return FlatIds(ids.astype(np.uint32), num_ids.astype(np.int64))

    def with_pieces(self, new: Sequence[NewPiece]) -> "SentencePieceTokenizer":
        scores = scores_below(_lowest_score(self._model), len(new))
        return self.with_scores((piece.text, score) for piece, score in zip(new, scores, strict=True))

    def with_scores(self, new: Iterable[tuple[str, float]]) -> "SentencePieceTokenizer":
        """This tokenizer with pieces added after its own, merging where their scores say; no id moves."""
        model = copy(self._model)
        for text, score in new:
            model.pieces.add(piece=text, score=score, type=PieceType.NORMAL)
        model.trainer_spec.vocab_size = len(model.pieces)
        return SentencePieceTokenizer(model, self._settings)

    def save(self, folder: Path, chat_template: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tokenizer.model").write_bytes(to_bytes(self._model))
        converted = tokenizer_json(self._model, bos_id=self.bos_id)
        (folder / "tokenizer.json").write_text(canonical_json(converted) + "\n", encoding="utf-8")
        settings = {
            "unk_token": self.pieces[self._processor.unk_id()],
            "bos_token": self.pieces[self.bos_id],
            "eos_token": self.pieces[self.eos_id],
            "pad_token": None if self.pad_id is None else self.pieces[self.pad_id],
            "add_bos_token": True,
            "add_eos_token": False,
            "clean_up_tokenization_spaces": False,
        }
        write_settings(folder, settings, chat_template or self.chat_template)


def scores_below(lowest: float, num_scores: int) -> list[float]:
    """Scores that fall from one below `lowest`, all distinct in the model's float32.

    SentencePiece merges the highest score first, so that score 0 would outrank every merge of the base.
    """
    last = np.float32(lowest - num_scores)
    step = max(1.0, 2.0 * float(np.spacing(np.abs(last))))
    return [float(np.float32(lowest - step * (number + 1))) for number in range(num_scores)]


def _lowest_score(model: Model) -> float:
    return min((piece.score for piece in model.pieces if piece.type == PieceType.NORMAL), default=0.0)


def _spaces(text: str) -> str:
    return text.replace(" ", SPACE)


def _spaces_before(text: str) -> str:
    return SPACE + text.replace(" ", SPACE) if text else ""


def _taken_literally(model: Model) -> bytes:
    """The model as it encodes text that is normalised already: a span keeps every "▁" and gets none."""
    literal = copy(model)
    literal.normalizer_spec.Clear()
    literal.normalizer_spec.name = "identity"
    literal.normalizer_spec.add_dummy_prefix = False
    literal.normalizer_spec.remove_extra_whitespaces = False
    return to_bytes(literal)
