import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from loanword.errors import UserError
from loanword.model.shape import published_shape
from loanword.tokenizer.interface import BYTE_OF, BYTE_PIECES, NewPiece
from loanword.tokenizer.learn import learn
from loanword.tokenizer.load import load_tokenizer
from loanword.tokenizer.proto import Model, PieceType, copy, parse, to_bytes

Change = Callable[[Any], object]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("model")
    learn(["one two three four five six seven eight nine ten"] * 20, 300).save(folder)
    parsed = parse((folder / "tokenizer.model").read_bytes())
    assert parsed is not None
    return parsed


def added(id: int, content: str) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": id, "content": content, **flags, "special": True}


def byte_level(merges: Sequence[object] = (), **vocab: int) -> dict[str, Any]:
    """A tokenizer.json with a piece for each byte, an end token, and then the pieces that are named."""
    alphabet = {symbol: id for id, symbol in enumerate(BYTE_OF)}
    pieces = {"type": "BPE", "vocab": {**alphabet, **vocab}, "merges": merges}
    return {
        "added_tokens": [added(256, "</s>")],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": pieces,
    }


def saved(folder: Path, content: dict[str, Any]) -> Path:
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model.pieces.add(piece="e", score=-999.0, type=1), r"piece 300 'e' is also piece \d+"),
        (lambda model: model.pieces.add(piece="", score=-999.0, type=1), "piece 300 has no text"),
        (lambda model: setattr(model.pieces[0], "type", PieceType.NORMAL), "no unknown token"),
        (lambda model: setattr(model.pieces[5], "type", PieceType.UNKNOWN), "is piece 0 and piece 5"),
        (lambda model: setattr(model.pieces[5], "piece", "<0x1>"), "byte 0x02 has no piece '<0x02>'"),
        (lambda model: setattr(model.trainer_spec, "vocab_size", 301), "300 pieces, where its settings say 301"),
        (lambda model: model.ClearField("trainer_spec"), "ends after 300 pieces, before its settings"),
        (lambda model: setattr(model.trainer_spec, "treat_whitespace_as_suffix", True), "a space is not written as"),
    ],
)
def test_a_broken_sentencepiece_model_is_refused(model: Model, change: Change, message: str, tmp_path: Path) -> None:
    broken = copy(model)
    change(broken)
    path = tmp_path / "tokenizer.model"
    path.write_bytes(to_bytes(broken))
    with pytest.raises(UserError, match=rf"{path} - .*{message}"):
        load_tokenizer(path)


def test_a_truncated_sentencepiece_model_is_refused_wherever_it_ends(model: Model, tmp_path: Path) -> None:
    data = to_bytes(model)
    path = tmp_path / "tokenizer.model"
    # A model's settings for normalising come last; without them its ids can still be read.
    for length in range(0, data.index(b"identity") - 8, 41):
        path.write_bytes(data[:length])
        with pytest.raises(UserError):
            load_tokenizer(path)


def test_pieces_behind_the_size_that_the_trainer_wrote_are_no_error(model: Model, tmp_path: Path) -> None:
    longer = copy(model)
    longer.pieces.add(piece="的", score=0.0, type=PieceType.NORMAL)
    (tmp_path / "tokenizer.model").write_bytes(to_bytes(longer))
    assert load_tokenizer(tmp_path / "tokenizer.model").encode("的")[-1] == 300


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (byte_level([["a", "bc"]], abc=257), "merge 1, 'a' with 'bc': 'bc' is no piece"),
        (byte_level([["a", "b"], ["ab", "c"]], ab=257), "merge 2, 'ab' with 'c': 'abc' is no piece"),
        (byte_level(["a b", "a b c"], ab=257), "merge 2 is 'a b c'"),
        (byte_level(ab=7), "id 7 is both"),
        (byte_level(ab=256), "id 256 is both 'ab' and '</s>'"),
        (byte_level((), **{"</s>": 257}), "piece 257 '</s>' is also piece 256"),
        (byte_level(ab=257, abc=259), "id 258 has no piece, id 259 is 'abc'"),
        (byte_level() | {"normalizer": {"type": "Sequence", "normalizers": [{"type": "Fold"}]}}, "of kind Fold"),
    ],
)
def test_a_broken_tokenizer_json_is_refused(content: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = saved(tmp_path, content)
    with pytest.raises(UserError, match=rf"{path} - .*{message}"):
        load_tokenizer(path)


def test_a_byte_level_vocabulary_needs_every_byte_that_occurs_in_text(tmp_path: Path) -> None:
    content = byte_level()
    vocab = content["model"]["vocab"]
    for never in (0xC0, 0xFF):
        del vocab[chr(never)]
    vocab.update({symbol: id for id, symbol in enumerate(vocab)})
    content["added_tokens"][0]["id"] = len(vocab)
    tokenizer = load_tokenizer(saved(tmp_path, content))
    assert tokenizer.decode(tokenizer.encode("é\U0010ffff")) == "é\U0010ffff"
    vocab["none"] = vocab.pop("Ġ")
    with pytest.raises(UserError, match="byte 0x20 has no piece 'Ġ'"):
        load_tokenizer(saved(tmp_path, content))


def test_byte_fallback_needs_every_byte(tmp_path: Path) -> None:
    vocab = {piece: id for id, piece in enumerate(("<unk>", "</s>", *BYTE_PIECES[:-1]))}
    model = {"type": "BPE", "byte_fallback": True, "unk_token": "<unk>", "vocab": vocab, "merges": []}
    with pytest.raises(UserError, match="byte 0xFF has no piece '<0xFF>'"):
        load_tokenizer(saved(tmp_path, {"model": model}))


def test_a_hole_before_an_added_token_is_no_error_where_the_vocabulary_has_the_token(tmp_path: Path) -> None:
    content = byte_level((), **{"</s>": 256, "<|end|>": 300})
    content["added_tokens"].append(added(300, "<|end|>"))
    tokenizer = load_tokenizer(saved(tmp_path, content))
    assert tokenizer.num_pieces == 301
    assert tokenizer.special_ids == {"</s>": 256, "<|end|>": 300}
    tokenizer.with_pieces([NewPiece(text="ab", left="a", right="b")]).save(tmp_path / "extended")
    assert load_tokenizer(tmp_path / "extended").encode("ab") == [301]


def test_an_added_token_that_the_library_gives_another_id_is_refused(tmp_path: Path) -> None:
    content = byte_level()
    content["added_tokens"].append(added(300, "<|end|>"))
    with pytest.raises(UserError, match=r"added token '<\|end\|>' has id 300, but is read as id 257"):
        load_tokenizer(saved(tmp_path, content))


def test_a_text_with_two_ids_in_tokenizer_json_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, byte_level())
    path.write_text(path.read_text().replace('"B": 33', '"A": 33'))
    with pytest.raises(UserError, match="'A' is both 32 and 33"):
        load_tokenizer(path)


@pytest.mark.parametrize("setting", ["continuing_subword_prefix", "end_of_word_suffix"])
def test_pieces_that_are_written_otherwise_inside_a_word_are_refused(setting: str, tmp_path: Path) -> None:
    content = byte_level()
    content["model"][setting] = "</w>"
    with pytest.raises(UserError, match=f"{setting} is '</w>'"):
        load_tokenizer(saved(tmp_path, content))


def test_a_broken_merge_is_named_with_the_file_that_holds_it(tmp_path: Path) -> None:
    pieces = {symbol: id for id, symbol in enumerate(BYTE_OF)} | {"th": 256, "<|endoftext|>": 257}
    (tmp_path / "vocab.json").write_text(json.dumps(pieces), encoding="utf-8")
    merges = tmp_path / "merges.txt"
    merges.write_text("#version: 0.2\nt h\nth e\n", encoding="utf-8")
    with pytest.raises(UserError, match=rf"{merges} - merge 2, 'th' with 'e': 'the' is no piece"):
        load_tokenizer(tmp_path)
    merges.write_bytes(b"t h\n\xff")
    with pytest.raises(UserError, match=rf"{merges} - is no text"):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_truncated_tokenizer_json_is_refused(share: float, tmp_path: Path) -> None:
    path = saved(tmp_path, byte_level())
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(UserError, match=rf"{path} - .*line 1(.|\n)*copy the file again"):
        load_tokenizer(path)


def without(token: dict[str, Any], field: str) -> dict[str, Any]:
    return {name: value for name, value in token.items() if name != field}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"added_tokens": None}, "added_tokens: "),
        ({"added_tokens": ["</s>"]}, "added_tokens.0: "),
        *(({"added_tokens": [without(added(256, "</s>"), field)]}, f"added_tokens.0.{field}: missing")
          for field in ("id", "content", "special", "lstrip")),
        ({"pre_tokenizer": 5}, "pre_tokenizer: "),
        ({"model": {"merges": 3}}, "model.merges: "),
        ({"model": {"merges": None}}, "model.merges: "),
        ({"model": {"merges": [[1, 2]]}}, "model.merges.0"),
        ({"model": {"vocab": [["a", 0]]}}, "model.vocab: "),
        *(({"model": {"vocab": {"a": id}}}, "model.vocab.a: ") for id in ("0", None, -1, 256.0, True)),
    ],
)  # fmt: skip
def test_a_tokenizer_json_of_another_shape_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    content = byte_level()
    model = content["model"] | change.get("model", {})
    with pytest.raises(UserError, match=rf"{tmp_path / 'tokenizer.json'} - {message}"):
        load_tokenizer(saved(tmp_path, content | change | {"model": model}))


@pytest.mark.parametrize(
    ("name", "said", "message"),
    [
        ("tokenizer_config.json", {"eos_token": {"x": 1}}, "eos_token"),
        ("tokenizer_config.json", {"eos_token": ["</s>"]}, "eos_token"),
        ("tokenizer_config.json", {"added_tokens_decoder": {"a": {"content": "x"}}}, "added_tokens_decoder"),
        ("special_tokens_map.json", {"pad_token": 0}, "pad_token"),
        ("config.json", {"eos_token_id": []}, "eos_token_id"),
        ("config.json", {"eos_token_id": "abc"}, "eos_token_id"),
        ("config.json", {"eos_token_id": 99_999}, "eos_token_id is 99999, which is the id of no piece"),
        ("config.json", {"pad_token_id": [257]}, "pad_token_id is 257, which is the id of no piece"),
    ],
)
def test_special_tokens_that_are_no_pieces_are_refused(
    name: str, said: dict[str, Any], message: str, tmp_path: Path
) -> None:
    saved(tmp_path, byte_level())
    (tmp_path / name).write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(UserError, match=rf"{tmp_path / name} - {message}"):
        load_tokenizer(tmp_path)


def test_a_special_token_of_a_negative_id_is_none(tmp_path: Path) -> None:
    saved(tmp_path, byte_level())
    (tmp_path / "config.json").write_text('{"pad_token_id": -1}', encoding="utf-8")
    assert load_tokenizer(tmp_path).pad_id is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("added_tokens.json", {"x": "300"}),
        ("added_tokens.json", {"x": -1}),
        ("tokenizer.json", {"added_tokens": ["x"], "model": {"byte_fallback": True}}),
        ("tokenizer_config.json", {"added_tokens_decoder": {"300": "x"}}),
    ],
)
def test_added_tokens_of_another_shape_beside_a_model_are_refused(
    name: str, said: dict[str, Any], model: Model, tmp_path: Path
) -> None:
    (tmp_path / "tokenizer.model").write_bytes(to_bytes(model))
    (tmp_path / name).write_text(json.dumps(said), encoding="utf-8")
    with pytest.raises(UserError, match=rf"{tmp_path / name} - "):
        load_tokenizer(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"num_attention_heads": 0},
        {"num_attention_heads": -4},
        {"num_attention_heads": 0, "head_dim": 8},
        {"hidden_size": "wide"},
        {"hidden_size": float("inf")},
        {"vocab_size": None},
        {"text_config": {"vocab_size": 5}},
    ],
)
def test_a_config_without_the_sizes_of_a_decoder_has_no_shape(change: dict[str, Any]) -> None:
    sizes = {
        "hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 64, "vocab_size": 300,
    }  # fmt: skip
    assert published_shape(sizes) is not None
    assert published_shape(sizes | {"text_config": 5}) == published_shape(sizes)
    assert published_shape(sizes | change) is None
