"""Tokenizers that come as tokenizer.json, encoded by the `tokenizers` library: BPE on bytes, or with byte fallback.

The file is kept as it is: extending adds to its vocabulary and its merges, saving writes it. One with byte fallback
gets no tokenizer.model beside it: SentencePiece knows scores of pieces and not of merges, and leaves no merge out.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tokenizers

from loanword.records import canonical_json
from loanword.tokenizer.files import write_settings
from loanword.tokenizer.interface import BYTE_OF, Family, NewPiece, Tokenizer


class JsonTokenizer(Tokenizer):
    """BPE of a tokenizer.json, with `settings` from the tokenizer_config.json beside it."""

    def __init__(self, content: dict[str, Any], settings: Mapping[str, Any], *, eos_id: int, bos_id: int | None = None,
                 pad_id: int | None = None, whole_spans: Mapping[str, int] | None = None) -> None:  # fmt: skip
        model = content["model"]
        self._content = content
        self._whole_spans = whole_spans or (model["vocab"] if model.get("ignore_merges") else {})
        self._settings = dict(settings)
        self._tokenizer = tokenizers.Tokenizer.from_str(json.dumps(content))
        self._span_tokenizer: tokenizers.Tokenizer | None = None
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.family: Family = "sentencepiece" if model.get("byte_fallback") else "byte-level"
        self.pieces = _pieces(self._tokenizer.get_vocab(with_added_tokens=True))
        self.special_ids = {token["content"]: token["id"] for token in content["added_tokens"] if token["special"]}
        self.eos_id = eos_id
        # GPT-2 and Qwen have no BOS of their own: a document begins where the one before it ended.
        self.bos_id = eos_id if bos_id is None else bos_id
        self.pad_id = pad_id
        template = settings.get("chat_template")
        self.chat_template = template if isinstance(template, str) else None

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def to_json(self) -> str:
        """What `save` writes as tokenizer.json, for other libraries."""
        return json.dumps(self._content)

    @property
    def added_tokens(self) -> list[str]:
        """Texts that are looked for before anything else, special ones among them."""
        return [token["content"] for token in self._content["added_tokens"]]

    def decode(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(list(ids), skip_special_tokens=True)

    def is_byte(self, id: int) -> bool:
        piece = self.pieces[id]
        if self.family == "sentencepiece":
            return len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">")
        return not _is_text(piece_bytes(piece))

    def num_characters(self, piece: str) -> int:
        if self.family == "sentencepiece":
            return len(piece)
        # In UTF-8 every byte but those of the form 10xxxxxx begins a character.
        return sum(byte & 0xC0 != 0x80 for byte in piece_bytes(piece))

    def spans(self, text: str) -> list[str]:
        normalizer, pre_tokenizer = self._tokenizer.normalizer, self._tokenizer.pre_tokenizer
        normal = text if normalizer is None else normalizer.normalize_str(text)
        return [normal] if pre_tokenizer is None else [span for span, _ in pre_tokenizer.pre_tokenize_str(normal)]

    def encode_spans(self, spans: Iterable[str]) -> list[list[int]]:
        """Ids of spans, as merges give them; where the base ignores merges, only its own pieces are taken whole.

        So a new piece that no merges lead to, which `ignore_merges` would let fire on a word that equals it and nowhere
        else, shows as what it is made of.
        """
        if self._span_tokenizer is None:
            literal = dict.fromkeys(("normalizer", "pre_tokenizer", "post_processor"))
            model = self._content["model"] | {"ignore_merges": False}
            self._span_tokenizer = tokenizers.Tokenizer.from_str(
                json.dumps(self._content | literal | {"added_tokens": [], "model": model})
            )
        spans = list(spans)
        merged = self._span_tokenizer.encode_batch_fast(spans)
        whole = self._whole_spans
        return [[whole[span]] if span in whole else encoding.ids for span, encoding in zip(spans, merged, strict=True)]

    def with_pieces(self, new: Sequence[NewPiece]) -> "JsonTokenizer":
        model = dict(self._content["model"])
        # Added tokens are found in the model's vocabulary first; left out of it, they would get new ids behind it.
        added = {token["content"]: token["id"] for token in self._content["added_tokens"]}
        ids = {piece.text: self.num_pieces + number for number, piece in enumerate(new)}
        model["vocab"] = model["vocab"] | added | ids
        model["merges"] = [*map(_pair, model["merges"]), *([piece.left, piece.right] for piece in new if piece.left)]
        return JsonTokenizer(
            self._content | {"model": model},
            self._settings,
            eos_id=self.eos_id,
            bos_id=self.bos_id,
            pad_id=self.pad_id,
            whole_spans=self._whole_spans,
        )

    def save(self, folder: Path, chat_template: str | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tokenizer.json").write_text(canonical_json(self._content) + "\n", encoding="utf-8")
        settings = {
            "bos_token": self.pieces[self.bos_id],
            "eos_token": self.pieces[self.eos_id],
            "pad_token": None if self.pad_id is None else self.pieces[self.pad_id],
            "clean_up_tokenization_spaces": False,
        }
        write_settings(folder, self._settings | settings, chat_template or self.chat_template)


def byte_level_json(vocab: Mapping[str, int], merges: Sequence[Sequence[str]]) -> dict[str, Any]:
    """The content of tokenizer.json for GPT-2's two files, vocab.json and merges.txt."""
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": id, "content": piece, **flags, "special": True}
            for piece, id in vocab.items()
            if piece.startswith("<|") and piece.endswith("|>")
        ],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level | {"add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": dict(vocab),
            "merges": list(merges),
        },
    }


def _pieces(vocab: Mapping[str, int]) -> tuple[str, ...]:
    pieces = [""] * (max(vocab.values()) + 1)
    for piece, id in vocab.items():
        pieces[id] = piece
    return tuple(pieces)


def _pair(merge: str | list[str]) -> list[str]:
    return merge.split(" ") if isinstance(merge, str) else merge


def piece_bytes(piece: str) -> bytes:
    """The bytes that a byte-level piece stands for; an added token stands for its own text."""
    if all(character in BYTE_OF for character in piece):
        return bytes(BYTE_OF[character] for character in piece)
    return piece.encode()


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
