import json
import os
from pathlib import Path

import pytest

from loanword.errors import UserError
from loanword.tokenizer.load import NewPiece, Tokenizer, load_tokenizer

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="module")
def texts(documents, odd_texts) -> list[str]:
    return odd_texts + [text for language in ("en", "zh", "hi", "ar") for text in documents(language, 20_000)]


def test_llama_has_its_special_ids_and_bytes(llama):
    assert (llama.bos_id, llama.eos_id, llama.pad_id, llama.num_pieces) == (1, 2, None, 32_000)
    assert [id for id in range(300) if llama.is_byte(id)] == list(range(3, 259))


def test_gpt2_begins_and_ends_documents_with_the_same_token(gpt2):
    assert gpt2.bos_id == gpt2.eos_id == 50_256
    assert gpt2.encode("<|endoftext|>") != [50_256], "a document that quotes a special token does not end there"


@pytest.mark.parametrize("kind", ["llama", "english", "byte_level"])
def test_decoding_gives_the_text_back(kind, texts, request):
    tokenizer: Tokenizer = request.getfixturevalue(kind)
    assert [tokenizer.decode(ids) for ids in tokenizer.encode_batch(texts)] == texts


@pytest.mark.parametrize("kind", ["llama", "english", "byte_level"])
def test_transformers_gives_the_same_ids_from_the_saved_folder(kind, texts, request, tmp_path):
    from transformers import AutoTokenizer

    tokenizer: Tokenizer = request.getfixturevalue(kind)
    tokenizer.save(tmp_path, chat_template="{{ messages[0].content }}")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2" if kind == "byte_level" else "llama"}))
    loaded = AutoTokenizer.from_pretrained(tmp_path)

    assert [loaded.encode(text, add_special_tokens=False) for text in texts] == tokenizer.encode_batch(texts)
    bos = [] if kind == "byte_level" else [tokenizer.bos_id]
    assert loaded("hello").input_ids == bos + tokenizer.encode("hello")
    assert (loaded.bos_token_id, loaded.eos_token_id) == (tokenizer.bos_id, tokenizer.eos_id)
    assert loaded.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False) == "hi"
    assert [loaded.decode(loaded(text).input_ids, skip_special_tokens=True) for text in texts] == texts


@pytest.mark.parametrize("kind", ["english", "byte_level"])
def test_a_saved_tokenizer_loads_as_the_same(kind, texts, request, tmp_path):
    tokenizer: Tokenizer = request.getfixturevalue(kind)
    tokenizer.save(tmp_path / "once", chat_template="a template")
    again = load_tokenizer(tmp_path / "once")
    again.save(tmp_path / "twice")
    assert again.encode_batch(texts) == tokenizer.encode_batch(texts)
    assert again.chat_template == "a template"
    for file in (tmp_path / "once").iterdir():
        assert (tmp_path / "twice" / file.name).read_bytes() == file.read_bytes()


def test_tokenizer_json_alone_stands_for_its_sentencepiece_model(english, texts, tmp_path):
    english.save(tmp_path)
    (tmp_path / "tokenizer.model").unlink()
    loaded = load_tokenizer(tmp_path)
    assert loaded.family == "sentencepiece"
    assert loaded.encode_batch(texts) == english.encode_batch(texts)
    assert [loaded.is_byte(id) for id in range(1024)] == [english.is_byte(id) for id in range(1024)]


def test_tokens_that_a_checkpoint_adds_keep_their_ids_in_an_extension(llama, tmp_path):
    llama.save(tmp_path)
    added = {"32000": {"content": "<pad>", "special": True}, "32001": {"content": "<|im_end|>", "special": True}}
    settings = {"added_tokens_decoder": added, "pad_token": "<pad>", "eos_token": {"content": "<|im_end|>"}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    base = load_tokenizer(tmp_path)
    assert (base.num_pieces, base.pad_id, base.eos_id) == (32_002, 32_000, 32_001)
    extended = base.with_pieces([NewPiece(text="龘")])
    assert extended.pieces == (*base.pieces, "龘")
    assert base.encode("<pad>") == llama.encode("<pad>"), "quoting a special token is plain text"


def test_added_tokens_of_a_byte_level_base_keep_their_ids(byte_level, tmp_path):
    byte_level.save(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    added = content["added_tokens"][0]
    content["added_tokens"] = [added, added | {"id": 1_257, "content": "<|tool|>"}]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    base = load_tokenizer(tmp_path)
    base.with_pieces([NewPiece(text="Ġtheou", left="Ġthe", right="ou")]).save(tmp_path / "extended")
    extended = load_tokenizer(tmp_path / "extended")
    assert extended.pieces[1_256:] == ("<|endoftext|>", "<|tool|>", "Ġtheou")
    assert extended.special_ids == {"<|endoftext|>": 1_256, "<|tool|>": 1_257}


def _broken(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.model", b"not a model", "this file is no tokenizer"),
        ("tokenizer.model", b"", "this file is no tokenizer"),
        ("tokenizer.json", b"{", "Expecting property name"),
        ("tokenizer.json", b"[]", "holds a list"),
        ("tokenizer.json", b"{}", "this file is no tokenizer"),
        ("tokenizer.json", b'{"model": {"type": "WordPiece", "vocab": {}}}', "a WordPiece tokenizer"),
        ("tokenizer.json", b'{"model": {"type": "Unigram", "vocab": [["a", 0]]}}', "a Unigram tokenizer"),
    ],
)
def test_a_file_that_is_no_tokenizer_of_ours_is_refused(name, content, message, tmp_path):
    with pytest.raises(UserError, match=message):
        load_tokenizer(_broken(tmp_path, name, content))


def test_a_tokenizer_without_an_end_token_is_refused(byte_level, tmp_path):
    byte_level.save(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text())
    content["added_tokens"][0]["content"] = "<|nothing|>"
    del content["model"]["vocab"]["<|endoftext|>"]
    with pytest.raises(UserError, match="no end-of-sequence token is known"):
        load_tokenizer(_broken(tmp_path, "tokenizer.json", json.dumps(content).encode()))


def test_a_missing_path_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(UserError, match="no such file or folder"):
        load_tokenizer(tmp_path / "absent")
    with pytest.raises(UserError, match="no tokenizer in this folder"):
        load_tokenizer(tmp_path)


def test_a_unigram_base_is_refused_with_what_is_supported(shared_data):
    with pytest.raises(UserError, match=r"SentencePiece Unigram model(.|\n)*SentencePiece BPE"):
        load_tokenizer(shared_data / "tokenizers/chinese-sp-20k/chinese_sp.model")


def test_added_tokens_that_contradict_the_model_are_refused(english, tmp_path):
    english.save(tmp_path)
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<pad>": 7}))
    with pytest.raises(UserError, match="'<pad>' as id 7, where this model has '<0x04>'"):
        load_tokenizer(tmp_path)
