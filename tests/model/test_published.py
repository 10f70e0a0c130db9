"""Bases as others publish them become one checkpoint, by the arithmetic that they were published with.

The reference for adapters is peft's own merge; for patches it is the difference that they were made from.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoTokenizer

from loanword.errors import UserError
from loanword.model.load import load_model, new_model, save_model
from loanword.model.published import make_base
from loanword.model.weights import check_finite, read_tensors
from loanword.recipe import ArchitectureConfig, BaseConfig
from loanword.records import file_sha256
from loanword.tokenizer.interface import NewPiece, Tokenizer
from loanword.tokenizer.learn import learn
from loanword.tokenizer.load import load_tokenizer

TEXTS = ["The rain falls on the hill, sooner or later.", "A. one B. two C. three", "甲乙丙丁？é"] * 20
UNTIED = ArchitectureConfig(
    width=16, num_layers=2, num_heads=2, num_key_value_heads=1, feed_forward_width=24, context_tokens=32,
    tied_embeddings=False,
)  # fmt: skip
TIED = UNTIED.model_copy(update={"tied_embeddings": True})
ROWS = 300
Q, UP = "model.layers.0.self_attn.q_proj", "model.layers.1.mlp.up_proj"
EMBED, HEAD = "model.embed_tokens.weight", "lm_head.weight"
PEFT = "base_model.model."


@pytest.fixture(scope="session")
def pieces() -> Tokenizer:
    return learn(TEXTS, ROWS)


@pytest.fixture(scope="session")
def longer(pieces: Tokenizer) -> Tokenizer:
    return pieces.with_pieces(
        [NewPiece(text="甲乙", left="甲", right="乙"), NewPiece(text="丙丁", left="丙", right="丁")]
    )


@pytest.fixture
def root(tmp_path: Path, pieces: Tokenizer) -> Path:
    """A data root with a base in half precision, its tokenizer beside it."""
    _checkpoint(tmp_path / "base", UNTIED, pieces)
    return tmp_path


def _checkpoint(folder: Path, architecture: ArchitectureConfig, pieces: Tokenizer, *, seed: int = 0) -> None:
    model = new_model(architecture, ROWS, seed, bos_id=pieces.bos_id, eos_id=pieces.eos_id)
    save_model(model.half(), folder)
    pieces.save(folder)


def made(root: Path, **settings: Any) -> Path:
    """The checkpoint that settings of a base give."""
    out = root / "out"
    make_base(BaseConfig.model_validate({"model": "base"} | settings), root, {}, out)
    return out


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model.safetensors")


def to_bin(folder: Path, name: str = "pytorch_model.bin", content: object = None) -> None:
    """Puts a folder's weights, or something else, into a pickle instead."""
    torch.save(weights(folder) if content is None else content, folder / name)
    (folder / "model.safetensors").unlink()


def lora(folder: Path, *, rank: int = 2, whole: dict[str, Tensor] | None = None, **settings: Any) -> dict[str, Tensor]:
    """Writes an adapter on two layers in peft's layout, and returns its tensors."""
    draw = torch.Generator().manual_seed(len(str(folder)))
    shapes = {Q: (16, 16), UP: (24, 16)}
    tensors = {f"{PEFT}{layer}.lora_A.weight": torch.randn(rank, m, generator=draw) for layer, (_, m) in shapes.items()}
    tensors |= {
        f"{PEFT}{layer}.lora_B.weight": torch.randn(n, rank, generator=draw) for layer, (n, _) in shapes.items()
    }
    tensors |= {f"{PEFT}{name}": tensor for name, tensor in (whole or {}).items()}
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 3, "target_modules": ["q_proj", "up_proj"], "bias": "none"}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps(config | settings))
    save_file(tensors, folder / "adapter_model.safetensors")
    return tensors


def table(rows: int, seed: int) -> Tensor:
    return torch.randn(rows, 16, generator=torch.Generator().manual_seed(seed))


def patch(folder: Path, **changes: Tensor) -> dict[str, Tensor]:
    """Writes a patch on the base beside `folder`, and returns its tensors."""
    tensors = {
        name: torch.randn(tensor.shape, generator=torch.Generator().manual_seed(3)).half()
        for name, tensor in weights(folder.parent / "base").items()
    }
    tensors |= {name.replace("__", "."): tensor for name, tensor in changes.items()}
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return tensors


# Checkpoints that are whole already.


def test_a_plain_checkpoint_is_linked(root: Path) -> None:
    assert made(root).is_symlink() and made(root).resolve() == (root / "base").resolve()


@pytest.mark.parametrize("architecture", [TIED, UNTIED], ids=["tied", "untied"])
def test_bin_weights_become_safetensors_bit_for_bit(
    tmp_path: Path, pieces: Tokenizer, architecture: ArchitectureConfig
) -> None:
    _checkpoint(tmp_path / "base", architecture, pieces)
    before = load_model(tmp_path / "base")
    tensors = dict(load_model(tmp_path / "base", dtype=torch.float16).state_dict())  # a pickle keeps a tied head too
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    names = sorted(tensors)
    parts = {"pytorch_model-00001-of-00002.bin": names[:5], "pytorch_model-00002-of-00002.bin": names[5:]}
    for file, held in parts.items():
        torch.save({name: tensors[name] for name in held}, tmp_path / "base" / file)
    index = {"weight_map": {name: file for file, held in parts.items() for name in held}}
    (tmp_path / "base" / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    torch.save({"lr": 1.0}, tmp_path / "base" / "training_args.bin")
    (tmp_path / "base" / "model.safetensors").unlink()
    out = made(tmp_path)
    after = load_model(out)
    for (name, one), (_, two) in zip(before.named_parameters(), after.named_parameters(), strict=True):
        assert torch.equal(one, two), name
    assert {tensor.dtype for tensor in weights(out).values()} == {torch.float16}
    assert not list(out.glob("*.bin")) and (HEAD in weights(out)) == (architecture is UNTIED)
    assert list(load_tokenizer(out).pieces) == list(pieces.pieces)


class Code:
    """What a harmful pickle would hold."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return print, ("ran",)


@pytest.mark.parametrize("content", [Code(), {"weight": Code()}, {"weight": [1.0]}, [torch.ones(2)]])
def test_a_bin_file_with_anything_but_tensors_is_refused_and_not_run(
    root: Path, capsys: pytest.CaptureFixture[str], content: object
) -> None:
    to_bin(root / "base", content=content)
    with pytest.raises(UserError, match=r"pytorch_model\.bin - .*(cannot be read as tensors|holds)"):
        made(root)
    assert "ran" not in capsys.readouterr().out


def test_a_cut_off_bin_file_is_refused(root: Path) -> None:
    to_bin(root / "base")
    file = root / "base" / "pytorch_model.bin"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(UserError, match="cannot be read as tensors"):
        made(root)


def test_a_file_that_the_index_names_is_missed(root: Path) -> None:
    index = {"weight_map": {EMBED: "model-00001-of-00002.safetensors"}}
    (root / "base" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"names model-00001-of-00002\.safetensors, which is not beside it"):
        made(root)


@pytest.mark.parametrize(("value", "said"), [(float("nan"), "NaN"), (float("-inf"), "an infinity")])
@pytest.mark.parametrize("as_bin", [False, True])
def test_weights_that_are_not_finite_are_named(root: Path, value: float, said: str, as_bin: bool) -> None:
    tensors = weights(root / "base")
    tensors["model.layers.1.mlp.up_proj.weight"][3, 5] = value
    save_file(tensors, root / "base" / "model.safetensors", {"format": "pt"})
    if as_bin:
        to_bin(root / "base")
    with pytest.raises(UserError, match=rf"model\.layers\.1\.mlp\.up_proj\.weight holds {said}"):
        made(root)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn])
def test_finite_weights_pass_in_every_precision(dtype: torch.dtype) -> None:
    tensor = torch.tensor([448.0, -448.0]).to(dtype)
    check_finite([("weight", tensor), ("empty", torch.zeros(0)), ("ids", torch.ones(2, dtype=torch.int64))], "here")
    with pytest.raises(UserError, match="here - weight holds NaN"):
        check_finite([("weight", torch.tensor([1.0, float("nan")]).to(dtype))], "here")


def test_a_tokenizer_with_more_pieces_than_rows_is_refused(root: Path, longer: Tokenizer) -> None:
    longer.save(root / "base")
    with pytest.raises(UserError, match="302 pieces, but the model has 300"):
        made(root)
    longer.save(root / "tokenizer")
    with pytest.raises(UserError, match="302 pieces, but the model has 300"):
        made(root, tokenizer="tokenizer")


def test_another_tokenizer_stands_beside_the_same_weights(root: Path) -> None:
    other = learn(TEXTS, 296)
    other.save(root / "tokenizer")
    out = made(root, tokenizer="tokenizer")
    assert list(load_tokenizer(out).pieces) == list(other.pieces)
    assert all(torch.equal(tensor, weights(root / "base")[name]) for name, tensor in weights(out).items())


# Adapters.


def peft_merge(base: Path, *adapters: Path) -> dict[str, Tensor]:
    """peft's own answer, in float32."""
    from peft import PeftModel

    model: Any = load_model(base)
    for adapter in adapters:
        model = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    return model.state_dict()


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize(
    "settings",
    [{}, {"use_rslora": True}, {"alpha_pattern": {"mlp.up_proj": 7}}, {"lora_dropout": 0.1, "inference_mode": True}],
    ids=str,
)
def test_an_adapter_is_merged_as_peft_merges_it(root: Path, settings: dict[str, Any]) -> None:
    lora(root / "adapter", **settings)
    expected, out = peft_merge(root / "base", root / "adapter"), weights(made(root, adapter="adapter"))
    for name, tensor in out.items():
        assert torch.equal(tensor, expected[name].half()), name
    assert not torch.equal(out[f"{Q}.weight"], weights(root / "base")[f"{Q}.weight"])


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore:.is_gradient_checkpointing:FutureWarning")
def test_adapters_are_merged_in_order(root: Path) -> None:
    lora(root / "first", whole={EMBED: table(ROWS, 1), HEAD: table(ROWS, 2)})
    lora(root / "second", rank=4, whole={EMBED: table(ROWS, 3), HEAD: table(ROWS, 4)})
    out = weights(made(root, adapter=("first", "second")))
    assert torch.equal(out[EMBED], table(ROWS, 3).half()) and torch.equal(out[HEAD], table(ROWS, 4).half())
    expected = peft_merge(root / "base", root / "first", root / "second")
    torch.testing.assert_close(out[f"{Q}.weight"], expected[f"{Q}.weight"].half(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("architecture", [TIED, UNTIED], ids=["tied", "untied"])
def test_a_longer_vocabulary_brings_its_tables_and_its_tokenizer(
    tmp_path: Path, pieces: Tokenizer, longer: Tokenizer, architecture: ArchitectureConfig
) -> None:
    _checkpoint(tmp_path / "base", architecture, pieces)
    lora(tmp_path / "adapter", whole={EMBED: table(ROWS + 2, 1), HEAD: table(ROWS + 2, 2)})
    longer.save(tmp_path / "adapter")
    out = made(tmp_path, adapter="adapter")
    model = load_model(out)
    assert model.config.vocab_size == ROWS + 2 == load_tokenizer(out).num_pieces
    assert load_tokenizer(out).encode("甲乙")[-1] == ROWS
    assert len(AutoTokenizer.from_pretrained(out)) == ROWS + 2
    ids_BT = torch.tensor([[1, 5, ROWS, ROWS + 1]])
    hidden_BTD = model.base_model(ids_BT).last_hidden_state
    torch.testing.assert_close(model(ids_BT).logits, hidden_BTD @ table(ROWS + 2, 2).half().float().T)
    assert torch.equal(weights(out)[EMBED], table(ROWS + 2, 1).half())
    assert json.loads((out / "config.json").read_text())["tie_word_embeddings"] is False


def test_tables_of_a_tied_base_stay_one_where_an_adapter_leaves_them_equal(
    tmp_path: Path, pieces: Tokenizer, longer: Tokenizer
) -> None:
    _checkpoint(tmp_path / "base", TIED, pieces)
    lora(tmp_path / "adapter", whole={EMBED: table(ROWS + 2, 1), HEAD: table(ROWS + 2, 1).clone()})
    longer.save(tmp_path / "tokenizer")
    out = made(tmp_path, adapter="adapter", tokenizer="tokenizer")
    assert HEAD not in weights(out) and json.loads((out / "config.json").read_text())["tie_word_embeddings"]


def test_a_trained_head_and_old_names_of_tensors_are_read(root: Path) -> None:
    tensors = lora(root / "adapter")
    renamed = {name.replace(".weight", ".default.weight"): tensor for name, tensor in tensors.items()}
    renamed[f"{PEFT}lm_head.modules_to_save.default.weight"] = table(ROWS, 5)
    renamed[f"{PEFT}lm_head.original_module.weight"] = table(ROWS, 6)
    renamed[f"{PEFT}model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    (root / "adapter" / "adapter_model.safetensors").unlink()
    torch.save(renamed, root / "adapter" / "adapter_model.bin")
    out = weights(made(root, adapter="adapter"))
    assert torch.equal(out[HEAD], table(ROWS, 5).half())
    lora(root / "adapter")
    again = weights(made(root, adapter="adapter"))
    assert torch.equal(out[f"{Q}.weight"], again[f"{Q}.weight"])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"whole": {"model.layers.7.self_attn.q_proj.weight": torch.ones(16, 16)}}, "targets do not exist in the base"),
        ({"whole": {f"{Q}.lora_magnitude_vector": torch.ones(16)}}, "targets do not exist in the base"),
        ({"whole": {f"{Q}.lora_A.weight": torch.ones(2, 8)}}, r"q_proj\.weight is \[16, 8\] here and \[16, 16\]"),
        ({"whole": {f"{Q}.lora_A.weight": torch.ones(3, 16)}}, r"q_proj is A \[3, 16\], B \[16, 2\]"),
        ({"whole": {"model.layers.0.mlp.up_proj.lora_A.weight": torch.ones(2, 16)}}, r"up_proj is A \[2, 16\]"),
        ({"whole": {"model.norm.weight": torch.ones(17)}}, r"model\.norm\.weight is \[17\] here"),
        ({"whole": {EMBED: torch.ones(299, 16)}}, r"embed_tokens\.weight is \[299, 16\] here"),
        ({"whole": {EMBED: torch.ones(302, 16)}}, "leaves 302 rows in model.embed_tokens.weight and 300"),
        ({"whole": {EMBED: torch.ones(302, 16), HEAD: torch.ones(302, 16)}}, "adds 2 pieces to 300, and no tokenizer"),
        ({"whole": {HEAD: torch.full((ROWS, 16), float("nan"))}}, "lm_head.weight holds NaN"),
        ({"whole": {HEAD: torch.full((ROWS, 16), 1e6)}}, "lm_head.weight holds an infinity"),
        ({"use_dora": True}, "use_dora = True"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights = 'pissa'"),
        ({"peft_type": "IA3"}, "peft_type is 'IA3'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_adapter_that_does_not_fit_is_refused(root: Path, settings: dict[str, Any], said: str) -> None:
    lora(root / "adapter", **settings)
    with pytest.raises(UserError, match=said):
        made(root, adapter="adapter")


def test_a_folder_that_is_no_adapter_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match=r"no adapter_config\.json"):
        made(root, adapter="base")


# Patches.


def test_a_patch_gives_back_what_it_was_made_from(tmp_path: Path, pieces: Tokenizer) -> None:
    _checkpoint(tmp_path / "base", UNTIED, pieces)
    _checkpoint(tmp_path / "trained", UNTIED, pieces, seed=1)
    base, trained = weights(tmp_path / "base"), weights(tmp_path / "trained")
    (tmp_path / "patch").mkdir()
    torch.save({name: trained[name].float() - base[name].float() for name in base}, tmp_path / "patch" / "a.bin")
    assert all(torch.equal(tensor, trained[name]) for name, tensor in weights(made(tmp_path, patch="patch")).items())


def test_a_patch_with_more_rows_adds_the_original_to_its_first_ones(root: Path, longer: Tokenizer) -> None:
    tensors = patch(root / "patch", model__embed_tokens__weight=table(302, 1), lm_head__weight=table(302, 2))
    longer.save(root / "patch")
    out = made(root, patch="patch")
    base = weights(root / "base")
    assert torch.equal(weights(out)[EMBED][:ROWS], (base[EMBED].float() + tensors[EMBED][:ROWS]).half())
    assert torch.equal(weights(out)[EMBED][ROWS:], tensors[EMBED][ROWS:].half())
    assert load_tokenizer(out).num_pieces == 302 == load_model(out).config.vocab_size


def test_a_patch_is_added_to_the_original_weights_where_they_lie_elsewhere(root: Path, pieces: Tokenizer) -> None:
    tensors = patch(root / "patch")
    expected = weights(made(root, patch="patch"))
    (root / "original").mkdir()
    to_bin(root / "base")
    (root / "base" / "pytorch_model.bin").rename(root / "original" / "pytorch_model.bin")
    out = weights(made(root, patch="patch", original_weights="original"))
    assert all(torch.equal(tensor, expected[name]) for name, tensor in out.items()) and out.keys() == tensors.keys()


def test_a_tied_head_need_not_be_in_a_patch(tmp_path: Path, pieces: Tokenizer) -> None:
    _checkpoint(tmp_path / "base", TIED, pieces)
    tensors = patch(tmp_path / "patch")
    out, base = weights(made(tmp_path, patch="patch")), weights(tmp_path / "base")
    assert HEAD not in out and torch.equal(out[EMBED], (base[EMBED].float() + tensors[EMBED].float()).half())


def test_an_adapter_goes_onto_the_patched_weights(root: Path) -> None:
    tensors, low = patch(root / "patch"), lora(root / "adapter")
    out = weights(made(root, patch="patch", adapter="adapter"))[f"{Q}.weight"]
    delta = 1.5 * low[f"{PEFT}{Q}.lora_B.weight"] @ low[f"{PEFT}{Q}.lora_A.weight"]
    expected = weights(root / "base")[f"{Q}.weight"].float() + tensors[f"{Q}.weight"].float() + delta
    torch.testing.assert_close(out, expected.half(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"other__weight": torch.ones(2)}, "other.weight is in the patch alone"),
        ({"model__norm__weight": torch.ones(8)}, r"norm\.weight is \[8\] in the patch and \[16\] in the original"),
        ({"lm_head__weight": torch.ones(299, 16)}, r"is \[299, 16\] in the patch"),
    ],
)
def test_a_patch_on_another_model_is_refused(root: Path, changes: dict[str, Tensor], said: str) -> None:
    patch(root / "patch", **changes)
    with pytest.raises(UserError, match=said):
        made(root, patch="patch")


def test_a_patch_with_a_tensor_missing_is_refused(root: Path) -> None:
    tensors = patch(root / "patch")
    del tensors["model.norm.weight"]
    save_file(tensors, root / "patch" / "model.safetensors")
    with pytest.raises(UserError, match=r"model\.norm\.weight is not in the patch, and 0 more are"):
        made(root, patch="patch")


# What is written.


def test_equal_parts_give_equal_bytes(root: Path) -> None:
    lora(root / "adapter")
    patch(root / "patch")
    digests = []
    for name in ("one", "two"):
        make_base(BaseConfig(model="base", patch="patch", adapter=("adapter",)), root, {}, root / name)
        digests.append({path.name: file_sha256(path) for path in (root / name).iterdir()})
    assert digests[0] == digests[1] and "model.safetensors" in digests[0]
    assert str(root) not in (root / "one" / "config.json").read_text()


def test_weights_of_several_precisions_are_kept_in_float32(root: Path) -> None:
    tensors = weights(root / "base")
    tensors["model.norm.weight"] = tensors["model.norm.weight"].bfloat16()
    save_file(tensors, root / "base" / "model.safetensors", {"format": "pt"})
    to_bin(root / "base")
    assert {tensor.dtype for tensor in weights(made(root)).values()} == {torch.float32}


def test_how_a_base_generates_stays_as_it_was_published(root: Path) -> None:
    said = {"eos_token_id": [2, 3], "temperature": 0.6, "do_sample": True}
    (root / "base" / "generation_config.json").write_text(json.dumps(said))
    to_bin(root / "base")
    assert said.items() <= json.loads((made(root) / "generation_config.json").read_text()).items()


def test_every_tensor_is_read_once(root: Path) -> None:
    save_file({EMBED: torch.ones(2)}, root / "base" / "model-more.safetensors")
    with pytest.raises(UserError, match=f"{EMBED} is in model-more.safetensors too"):
        list(read_tensors(root / "base"))
