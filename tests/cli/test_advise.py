"""`loanword tokenizer advise` as its users call it, and the rules of its advice."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from loanword.cli.advice import Base, Costs, Size, certain, dominated, told
from loanword.model.load import load_model, train_flops_per_token
from loanword.model.shape import KNOWN, DecoderShape
from loanword.report.arms import Arm
from loanword.report.extensions import Decoder
from loanword.report.gather import RunRecords
from loanword.report.vocabulary import VocabularyPair

WORDS = random.Random(4).sample([a + b + c for a in "天地山水火" for b in "人大小中上" for c in "风雨雪云月"], 60)


@pytest.fixture
def chinese(tmp_path: Path) -> Path:
    """Documents of a language with sixty words, which are the pieces to find."""
    draw = random.Random(5)
    lines = [json.dumps({"text": "。".join(draw.choices(WORDS, k=30))}, ensure_ascii=False) for _ in range(300)]
    path = tmp_path / "zh.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def english(data: Path) -> Path:
    return data / "text" / "en.jsonl"


@pytest.fixture
def advise(loanword, checkpoint: Path, chinese: Path, english: Path):
    """Calls the verb on a checkpoint and a text, which may be replaced."""

    def call(*words: object, model: Path = checkpoint, text: object = None, source: object = None):
        text, source = text or f"zh={chinese}", source or f"en={english}"
        return loanword("tokenizer", "advise", model, "--text", text, "--source-text", source, *words)

    return call


def advised(answer) -> dict:
    assert answer.code == 0, answer.err
    return json.loads(answer.out)["advice"][0]


def test_every_size_is_measured_on_text_that_nothing_was_learned_from(advise, chinese: Path):
    found = advised(advise("--pieces", 40, 80, "--json"))
    texts = [json.loads(line)["text"] for line in chinese.read_text(encoding="utf-8").splitlines()]
    assert found["num_learned_bytes"] + found["num_held_out_bytes"] == sum(len(text.encode()) for text in texts)
    assert 0.05 < found["num_held_out_bytes"] / found["num_learned_bytes"] < 0.2
    base, small, large = found["sizes"]
    assert [base["num_new_pieces"], small["num_new_pieces"], large["num_new_pieces"]] == [0, 40, 80]
    assert base["tokens_saved"] == 0 < small["tokens_saved"] < large["tokens_saved"] < 1
    for size in (small, large):
        saved = 1 - size["tokens_per_character"] / base["tokens_per_character"]
        assert size["tokens_saved"] == pytest.approx(saved)


def test_a_smaller_size_is_what_learning_only_so_many_pieces_gives(advise):
    together, alone = (advised(advise("--pieces", *sizes, "--json")) for sizes in ((40, 80), (40,)))
    assert together["sizes"][:2] == alone["sizes"]


def test_costs_are_those_of_the_checkpoints_own_model(advise, checkpoint: Path):
    base, size = advised(advise("--pieces", 40, "--json"))["sizes"]
    model = load_model(checkpoint)
    for attended, key in ((0, "flops_per_megabyte"), (256, "flops_per_megabyte_with_attention")):
        expected = train_flops_per_token(model, attended) * 1e6 / base["bytes_per_token"]
        assert base["costs"][key] == pytest.approx(expected)
    # Tied rows of width 32; two moments of four bytes; keys and values of two heads of width 8 in one layer, bf16.
    assert size["costs"]["num_added_parameters"] == 40 * 32
    assert size["costs"]["moment_bytes"] == 40 * 32 * 8
    assert base["costs"]["key_value_bytes_per_character"] == pytest.approx(64 * base["tokens_per_character"])
    assert base["costs"]["context_bytes"] == pytest.approx(512 * base["bytes_per_token"])


def test_new_pieces_fill_the_rows_of_a_padded_vocabulary_first(advise, checkpoint: Path, tmp_path: Path):
    padded = tmp_path / "padded"
    padded.mkdir()
    (padded / "tokenizer.model").write_bytes((checkpoint / "tokenizer.model").read_bytes())
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    config["vocab_size"] += 30
    (padded / "config.json").write_text(json.dumps(config), encoding="utf-8")
    _, inside, beyond = advised(advise("--pieces", 20, 40, "--json", model=padded))["sizes"]
    assert inside["costs"]["num_added_parameters"] == 0
    assert beyond["costs"]["num_added_parameters"] == 10 * 32


def test_a_config_with_fewer_rows_than_the_tokenizer_has_pieces_is_refused(advise, checkpoint: Path, tmp_path: Path):
    (tmp_path / "tokenizer.model").write_bytes((checkpoint / "tokenizer.model").read_bytes())
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    pieces, config["vocab_size"] = config["vocab_size"], 100
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    told = advise("--pieces", 40, model=tmp_path)
    assert f"the tokenizer has {pieces:,} pieces, but the model has 100 embedding rows" in told.err


def test_a_tokenizer_by_itself_gives_tokens_alone_and_says_what_is_lacking(advise, checkpoint: Path, tmp_path: Path):
    alone = tmp_path / "alone" / "tokenizer.model"
    alone.parent.mkdir()
    alone.write_bytes((checkpoint / "tokenizer.model").read_bytes())
    whole, part = (advised(advise("--pieces", 40, "--json", model=model)) for model in (checkpoint, alone))
    assert [size["costs"] for size in part["sizes"]] == [None, None]
    assert [size["tokens_saved"] for size in part["sizes"]] == [size["tokens_saved"] for size in whole["sizes"]]
    told = advise("--pieces", 40, model=alone)
    assert "FLOPs/MB" not in told.out
    assert "lacking: no config.json of a known kind of decoder lies beside" in told.out


def test_sizes_that_the_text_has_not_pieces_for_are_left_out(advise):
    told = advise("--pieces", 40, 5_000)
    assert "left out: +5,000, because the text has fewer pieces that save anything" in told.out
    assert "+40" in told.out
    none = advise("--pieces", 5_000)
    assert none.code == 2
    assert "smaller sizes with --pieces" in none.err


def test_a_table_fits_a_terminal_and_is_followed_by_what_only_a_study_can_tell(advise):
    told = advise("--pieces", 40, 80)
    assert max(len(line) for line in told.out.splitlines() if "FLOP" in line and not line.startswith("-")) <= 120
    assert "only a study can tell bits per byte" in told.out
    assert "loanword init --base" in told.out
    assert "bits per byte of" not in told.out


def test_a_study_is_read_where_one_is_named(
    advise, loanword, data: Path, checkpoint: Path, chinese: Path, tmp_path: Path
):
    study, store = tmp_path / "zh.toml", tmp_path / "store"
    texts = ("--text", "text/zh.jsonl", "--source-text", "text/en.jsonl")
    written = loanword("init", "--base", checkpoint, "--target", "zh", *texts, "--data", data, "--out", study)
    assert written.code == 0, written.err
    none = advise("--pieces", 40, "--study", study, "--data", data, "--store", store)
    assert f"{store} - no such store" in none.err
    store.mkdir()
    told = advise("--pieces", 40, "--study", study, "--data", data, "--store", store)
    assert told.code == 0, told.err
    assert "A larger vocabulary for Chinese: missing." in told.out
    assert "No budget has bits per byte of both vocabularies yet." in told.out
    assert "loanword init" not in told.out
    other = advise("--pieces", 40, "--study", study, "--data", data, "--store", store, text=f"vi={chinese}")
    assert f"{study} has no runs in vi that differ in their new pieces alone." in other.out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": "zh"}, "LANG=FILE"),
        ({"text": "zh=none.jsonl"}, "to do:    check the name\n"),
        ({"text": "zh_Hans=x.jsonl"}, "'zh_Hans' is no language's code"),
        ({"text": "en=x.jsonl"}, "en is the source language too"),
        ({"model": Path("no/such/model.model")}, "no such file or folder"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(advise, given, said):
    answer = advise("--pieces", 40, **given)
    assert answer.code == 2
    assert said in answer.err


def test_no_number_of_pieces_and_a_text_of_one_document_are_refused(advise, tmp_path: Path):
    assert "--pieces 0 - no number of pieces" in advise("--pieces", 0).err
    assert "--workers 0 - no number of processes" in advise("--workers", 0).err
    one = tmp_path / "one.jsonl"
    one.write_text(json.dumps({"text": "雨"}) + "\n", encoding="utf-8")
    assert "too few documents to hold any out" in advise("--pieces", 40, text=f"zh={one}").err


# The rules.


def size(num_new_pieces: int, bytes_per_token: float, flops: float | None = None, changed: int = 0) -> Size:
    costs = None
    if flops is not None:
        costs = Costs(
            flops_per_megabyte=flops,
            flops_per_megabyte_with_attention=None,
            key_value_bytes_per_character=1.0,
            context_bytes=None,
            num_added_parameters=num_new_pieces,
            moment_bytes=num_new_pieces,
            head_share=0.1,
        )
    return Size(
        num_new_pieces=num_new_pieces,
        tokens_per_character=3 / bytes_per_token,
        bytes_per_token=bytes_per_token,
        tokens_saved=1 - 2 / bytes_per_token,
        num_source_words=10_000,
        num_changed_words=changed,
        costs=costs,
    )


def test_a_doubling_that_saves_less_than_one_in_a_hundred_tokens_is_dominated():
    sizes = [size(0, 2.0), size(1_000, 3.0), size(2_000, 3.0 / 0.991), size(4_000, 3.2)]
    assert list(dominated(sizes)) == [2_000]
    # Four thousand beside one thousand are two doublings.
    assert list(dominated([size(0, 2.0), size(1_000, 3.0), size(4_000, 3.0 / 0.985)])) == [4_000]
    assert list(dominated([size(0, 2.0), size(1_000, 3.0), size(2_000, 3.0 / 0.985)])) == []


def test_a_size_whose_flops_per_byte_rise_is_dominated_however_many_tokens_it_saves():
    sizes = [size(0, 2.0, 100.0), size(1_000, 3.0, 80.0), size(2_000, 3.5, 81.0), size(4_000, 4.0, 79.0)]
    assert dominated(sizes) == {2_000: "FLOPs per byte do not fall below those of +1,000"}
    assert dominated([size(0, 2.0, 100.0), size(1_000, 3.0, 100.0)]) == {
        1_000: "FLOPs per byte do not fall below those of the base"
    }


def test_what_is_advised_is_neither_dominated_nor_refused():
    sizes = [size(0, 2.0), size(1_000, 3.0), size(2_000, 3.5, changed=9), size(4_000, 3.5)]
    said = certain("zh", sizes, dominated(sizes), [2_000], None)
    assert said[0].startswith("+1,000 is the largest size that pays by these rules: Chinese takes 33.3\u202f% fewer")
    assert any(sentence.startswith("+2,000: a study would refuse so many") for sentence in said)
    assert any(sentence.startswith("+4,000 is dominated") for sentence in said)


def test_nothing_is_advised_where_no_size_pays():
    sizes = [size(0, 2.0), size(1_000, 2.01)]
    assert certain("zh", sizes, dominated(sizes), [], None)[-1] == "No size of these is worth its rows for Chinese."


def test_the_size_at_which_the_head_costs_more_is_said_or_bounded():
    seven = Base(KNOWN["LLaMA 7B"], None, 0)
    few, many = [size(0, 2.0), size(1_000, 3.0)], [size(0, 2.0), size(1_000_000, 2.2)]
    assert "that would hold up to 807\u202fK pieces" in certain("zh", few, {}, [], seven)[-1]
    assert "Beyond about" in certain("zh", many, {}, [], seven)[-1]


def test_rows_that_are_there_already_make_no_head_larger():
    padded = Base(KNOWN["LLaMA 7B"], None, 100_000)
    few, many = [size(0, 2.0), size(1_000, 3.0)], [size(0, 2.0), size(100_000, 2.0001)]
    assert "that would hold up to 907\u202fK pieces" in certain("zh", few, {}, [], padded)[-1]
    assert "At +100,000 the larger head costs fewer" in certain("zh", many, {}, [], padded)[-1]


def pair_of(target: str, shape: DecoderShape | None) -> VocabularyPair:
    decoder = None if shape is None else Decoder(shape, None)
    mappings = ("settings", "artifacts", "likelihoods", "grades", "benchmarks", "curves", "summaries")
    empty: dict[str, Any] = {name: {} for name in mappings}
    run = RunRecords("run", **empty, seed=0, measures=(), conversations=None, decoder=decoder)
    arm = Arm(("more pieces",), (run,))
    return VocabularyPair(target, arm, arm, (), None, None)


def test_a_study_of_another_base_is_told_as_such_and_only_where_there_is_none_of_this_one():
    seven, eight = KNOWN["LLaMA 7B"], KNOWN["LLaMA 8B"]
    pairs = [pair_of("zh", seven), pair_of("zh", eight), pair_of("sw", eight), pair_of("te", None)]
    of_base = {one.answer.language: one.other_base for one in told(pairs, [], Base(seven, None, 0))}
    assert of_base == {"zh": "", "sw": "width 4,096, 32 layers, 128,256 rows", "te": ""}
    assert "for 2 " not in told(pairs, [], Base(seven, None, 0))[0].answer.short
    assert not any(one.other_base for one in told(pairs, [], None))
    assert "a law takes 4 budgets" in told(pairs, [], None)[0].laws[0]
