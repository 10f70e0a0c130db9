"""What an extension must keep, on random tokenizers of both families, random corpora and random Unicode."""

import json
import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sentencepiece
import tokenizers
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from loanword.errors import UserError
from loanword.tokenizer.extend import extend
from loanword.tokenizer.interface import Tokenizer
from loanword.tokenizer.learn import LearnedPieces, continue_bpe, learn
from loanword.tokenizer.load import load_tokenizer
from loanword.tokenizer.proto import PieceType, parse
from tests.tokenizer.parity import transformers_of

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

CONTROL = 3
_LETTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"], exclude_characters="▁▅")
_UNHURRIED = [HealthCheck.too_slow, HealthCheck.filter_too_much]
_SHORT = settings(max_examples=12, suppress_health_check=_UNHURRIED)
_LONG = settings(max_examples=600, suppress_health_check=_UNHURRIED)


@st.composite
def corpora(draw: st.DrawFn) -> list[str]:
    """A few words of a small alphabet, told over and over, with or without spaces."""
    alphabet = draw(st.lists(_LETTERS, min_size=2, max_size=6, unique=True))
    words = draw(st.lists(st.text(alphabet, min_size=1, max_size=5), min_size=2, max_size=6))
    texts = draw(st.lists(st.lists(st.sampled_from(words), min_size=4, max_size=12), min_size=3, max_size=8))
    space = draw(st.sampled_from([" ", "", "  "]))
    return [space.join(text) for text in texts]


def sentencepiece_base(texts: list[str], num_merges: int, folder: Path) -> Tokenizer:
    num_characters = len({"▁", *"0123456789"}.union(*texts) - {" "})
    learn([*texts, *texts], CONTROL + 256 + num_characters + num_merges).save(folder)
    added = {"content": "<|added|>", "special": True}
    num_pieces = load_tokenizer(folder).num_pieces
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": {str(num_pieces): added}}))
    return load_tokenizer(folder)


def byte_level_base(texts: list[str], num_merges: int, folder: Path) -> Tokenizer:
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=256 + num_merges, show_progress=False, initial_alphabet=alphabet
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens(["</s>", "<|added|>"])  # pyright: ignore[reportArgumentType]
    content = json.loads(tokenizer.to_str())
    content["model"]["ignore_merges"] = num_merges % 2 == 1
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(content))
    return load_tokenizer(folder)


BASES = {"sentencepiece": sentencepiece_base, "byte-level": byte_level_base}


def check(family: str, source: list[str], target: list[str], num_merges: int, num_new: int, texts: list[str]) -> None:
    with TemporaryDirectory() as folder:
        base_folder, extended_folder = Path(folder, "base"), Path(folder, "extended")
        try:
            base = BASES[family](source, num_merges, base_folder)
        except UserError:  # the text has not so many merges to give
            reject()
        learned = as_many_as_there_are(base, target, num_new, source)
        extended = extend(base, learned)
        check_ids(base, extended)
        check_texts(base, extended, [*texts, *source, *target])
        extended.save(extended_folder)
        check_ranks(base_folder, extended_folder, len(learned.pieces))
        check_saved(extended, extended_folder, [*texts, *source, *target])


def as_many_as_there_are(base: Tokenizer, target: list[str], num_new: int, source: list[str]) -> LearnedPieces:
    for number in range(num_new, 0, -1):
        with suppress(UserError):
            return continue_bpe(base, target, number, source)
    return reject()


def check_ids(base: Tokenizer, extended: Tokenizer) -> None:
    assert extended.pieces[: base.num_pieces] == base.pieces
    assert (extended.special_ids, extended.bos_id, extended.eos_id) == (base.special_ids, base.bos_id, base.eos_id)
    new = range(base.num_pieces, extended.num_pieces)
    assert extended.encode_spans(extended.pieces[id] for id in new) == [[id] for id in new]
    whole = [id for id in new if not extended.is_byte(id)] if base.family == "sentencepiece" else []
    for id in whole:
        text = extended.decode([base.eos_id, id])
        assert any(id in extended.encode(found) for found in (text, text.removeprefix(" "), f"\n{text}\n"))


def check_texts(base: Tokenizer, extended: Tokenizer, texts: list[str]) -> None:
    for text in texts:
        assert extended.decode(extended.encode(text)) == base.decode(base.encode(text))
        assert {"<|added|>", "</s>"}.isdisjoint(extended.pieces[id] for id in extended.encode(text))


def check_ranks(base: Path, extended: Path, num_new: int) -> None:
    if (base / "tokenizer.model").is_file():
        before, after = (parse((folder / "tokenizer.model").read_bytes()) for folder in (base, extended))
        assert before is not None
        assert after is not None
        old = [piece.score for piece in before.pieces if piece.type == PieceType.NORMAL]
        scores = [piece.score for piece in after.pieces][-num_new:]
        assert min(old) > max(scores)
        assert scores == sorted(set(scores), reverse=True)
    else:
        before, after = (
            json.loads((folder / "tokenizer.json").read_text())["model"]["merges"] for folder in (base, extended)
        )
        assert after[: len(before)] == before
        assert len(after) == len(before) + num_new


def check_saved(tokenizer: Tokenizer, folder: Path, texts: list[str]) -> None:
    ids = tokenizer.encode_batch(texts)
    assert load_tokenizer(folder).encode_batch(texts) == ids
    assert transformers_of(folder)(texts) == ids
    if tokenizer.family == "sentencepiece":
        model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        assert model.encode(texts) == ids


texts = st.lists(st.text(st.characters(codec="utf-8")) | st.text("ab ▁\n\t"), min_size=1, max_size=6)
extensions = given(
    source=corpora(), target=corpora(), num_merges=st.integers(0, 12), num_new=st.integers(1, 6), texts=texts
)


@pytest.mark.parametrize("family", BASES)
@_SHORT
@extensions
def test_an_extension_keeps_what_its_base_promises(family, source, target, num_merges, num_new, texts):
    check(family, source, target, num_merges, num_new, texts)


@pytest.mark.vocabulary
@pytest.mark.parametrize("family", BASES)
@_LONG
@extensions
def test_every_extension_keeps_what_its_base_promises(family, source, target, num_merges, num_new, texts):
    check(family, source, target, num_merges, num_new, texts)
