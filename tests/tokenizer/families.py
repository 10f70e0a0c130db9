"""Small tokenizers that are built as the published families are: which parts there are, how they are written.

The published files are not at hand; where these differ from them, the published ones are right.

Source: huggingface/transformers 5.23, models/qwen2/tokenization_qwen2.py for Qwen's parts and
models/gemma/tokenization_gemma.py for Gemma's special tokens; openai/gpt-2, src/encoder.py.
"""

import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import tokenizers
from sentencepiece import SentencePieceTrainer

_LLAMA_3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN = _LLAMA_3.replace("{1,3}", "")
_GEMMA_MARKUP = ("<table>", "<h1>", "</h1>", "<code>")


def mistral(texts: Sequence[str], folder: Path) -> None:
    """As LLaMA, with its instruction tokens as control pieces before the bytes."""
    control = ["[INST]", "[/INST]", "[TOOL_CALLS]", *(f"[control_{n}]" for n in range(8, 12))]
    _sentencepiece(texts, folder, unk_id=0, bos_id=1, eos_id=2, pad_id=-1, control_symbols=control)


def gemma(texts: Sequence[str], folder: Path) -> None:
    """No space before a text; runs of line breaks and of spaces, and markup, are pieces that nothing merges with."""
    defined = ["<mask>", "<unused0>", "<start_of_turn>", "<end_of_turn>", *("\n" * n for n in range(1, 9)),
               *("▁" * n for n in range(2, 9)), *_GEMMA_MARKUP]  # fmt: skip
    _sentencepiece(texts, folder, pad_id=0, eos_id=1, bos_id=2, unk_id=3, user_defined_symbols=defined,
                   add_dummy_prefix=False)  # fmt: skip


def chatml_llama(texts: Sequence[str], folder: Path) -> None:
    """A model of LLaMA's kind with text pieces of the user's, as chat and code models append them."""
    _sentencepiece(texts, folder, unk_id=0, bos_id=1, eos_id=2, pad_id=-1, user_defined_symbols=["<tool>", "🧰x"])


def llama_3(texts: Sequence[str], folder: Path) -> None:
    """Whole pre-tokens are looked up before merges are tried, and one piece is found only so."""
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|eot_id|>"]
    content = _byte_level(texts, _LLAMA_3, special)
    model = content["model"]
    content["added_tokens"] = [token | {"id": token["id"] + 1} for token in content["added_tokens"]]
    model["vocab"]["Ġwhole"] = len(model["vocab"])
    model["ignore_merges"] = True
    _save_json(content, folder, bos_token="<|begin_of_text|>", eos_token="<|end_of_text|>")


def qwen(texts: Sequence[str], folder: Path) -> None:
    """NFC first, digits one by one, added tokens of both kinds behind the vocabulary, rows of the model to spare."""
    content = _byte_level(texts, _QWEN, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    last = content["added_tokens"][-1]
    content["added_tokens"].append(last | {"id": last["id"] + 1, "content": "<tool_call>", "special": False})
    content["normalizer"] = {"type": "NFC"}
    _save_json(content, folder, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2", "vocab_size": last["id"] + 100}))


def gpt_2(texts: Sequence[str], folder: Path) -> None:
    """Two files, its end token in the vocabulary."""
    tokenizer = tokenizers.ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(texts, 500, show_progress=False, special_tokens=["<|endoftext|>"])
    tokenizer.save_model(str(folder))
    (folder / "config.json").write_text('{"model_type": "gpt2"}')


FAMILIES: dict[str, Callable[[Sequence[str], Path], None]] = {
    family.__name__: family for family in (mistral, gemma, chatml_llama, llama_3, qwen, gpt_2)
}
SENTENCEPIECE = ("mistral", "gemma", "chatml_llama")


def _sentencepiece(texts: Iterable[str], folder: Path, **settings: Any) -> None:
    model = io.BytesIO()
    llamas = {"add_dummy_prefix": True, "byte_fallback": True, "split_digits": True, "remove_extra_whitespaces": False}
    SentencePieceTrainer.train(
        sentence_iterator=iter([line for text in texts for line in text.split("\n")]),
        model_writer=model,
        model_type="bpe",
        vocab_size=700,
        normalization_rule_name="identity",
        allow_whitespace_only_pieces=True,
        num_threads=1,
        minloglevel=2,
        **{**llamas, **settings},
    )
    (folder / "tokenizer.model").write_bytes(model.getvalue())


def _byte_level(texts: Iterable[str], pattern: str, special: list[str]) -> dict[str, Any]:
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated"),
            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=500, show_progress=False, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens(special)  # pyright: ignore[reportArgumentType]
    return json.loads(tokenizer.to_str())


def _save_json(content: dict[str, Any], folder: Path, **settings: str) -> None:
    (folder / "tokenizer.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
