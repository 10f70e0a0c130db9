"""Which artifacts a run needs: corpora and instructions by shares, and overlap of what is read with what is asked."""

from pathlib import Path

import pytest

import loanword.stages
from loanword.errors import UserError
from loanword.store import Job, Sources
from loanword.study.study import load_study

STUDY = """
name = "several"
[recipe]
target = "zh"
[recipe.base]
model = "org/name"
[recipe.corpus.zh]
files = ["zh.jsonl"]
[recipe.corpus.news]
language = "zh"
files = ["news.jsonl"]
[recipe.corpus.sw]
files = ["sw.jsonl"]
[recipe.corpus.en]
files = ["en.jsonl"]
[recipe.pretraining]
budget = { bytes = 1000 }
replay = 0.2
shares = { zh = 2, news = 1, sw = 1 }
steps = { peak_learning_rate = 1e-3 }
[recipe.instructions.zh]
files = ["asked-zh.jsonl"]
[recipe.instructions.sw]
files = ["asked-sw.jsonl"]
[recipe.tuning]
steps = { peak_learning_rate = 1e-3 }
[recipe.benchmarks.mmlu]
folder = "mmlu"
[recipe.benchmarks.again]
name = "mmlu"
folder = "mmlu"
protocol = "harness"
"""
LABEL = "the run"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("zh", "news", "sw", "en", "asked-zh", "asked-sw"):
        (tmp_path / f"{name}.jsonl").write_text(f'{{"text": "{name}"}}\n')
    (tmp_path / "mmlu").mkdir()
    return tmp_path


def jobs(data: Path, more: str = "", text: str = STUDY) -> dict[str, Job]:
    (data / "study.toml").write_text(f'{text}\n[[runs]]\nname = "{LABEL}"\nset = {{ {more} }}\n')
    made = load_study(data / "study.toml", loanword.stages, Sources(data))  # type: ignore[arg-type]
    return dict(next(run.jobs for run in made.runs if run.label == LABEL))


def test_each_corpus_that_has_a_share_is_read_and_says_its_language(data: Path) -> None:
    made = jobs(data)
    assert {role for role in made if role.startswith("corpus.")} == {
        f"corpus.{name}" for name in ("en", "news", "sw", "zh")
    }
    assert {role for role in made["trunk"].inputs if role.startswith("target")} == {
        "target.news",
        "target.sw",
        "target.zh",
    }
    assert made["corpus.news"].config.language == "zh"  # type: ignore[attr-defined]
    assert made["corpus.sw"].config.language == "sw"  # type: ignore[attr-defined]


def test_new_pieces_are_learned_on_every_corpus_by_its_share(data: Path) -> None:
    made = jobs(data, '"tokenizer.num_new_pieces" = 50')
    assert {role for role in made["tokenizer"].inputs if role.startswith("corpus")} == {
        "corpus.news",
        "corpus.sw",
        "corpus.zh",
    }
    other = jobs(data, '"tokenizer.num_new_pieces" = 50, "pretraining.shares" = { zh = 1, news = 1, sw = 1 }')
    assert made["tokenizer"].name != other["tokenizer"].name
    said = '"tokenizer.num_new_pieces" = 50, "tokenizer.shares" = { zh = 3, sw = 1 }'
    assert set(jobs(data, said)["tokenizer"].inputs) == {"base", "gate", "corpus.sw", "corpus.zh"}


def test_one_share_is_no_share(data: Path) -> None:
    plain = jobs(data, '"pretraining.shares" = {}')
    assert (
        plain["trunk"].name
        == jobs(data, '"pretraining.shares" = { zh = 7 }, "pretraining.temperature" = 3.0')["trunk"].name
    )
    assert "corpus.sw" not in plain
    assert plain["trunk"].name != jobs(data, '"pretraining.shares" = { news = 1 }')["trunk"].name


def test_thresholds_of_rules_that_are_not_named_do_not_name(data: Path) -> None:
    plain = jobs(data)["corpus.zh"].name
    assert plain == jobs(data, '"corpus.zh.clean.max_digit_share" = 0.1')["corpus.zh"].name
    named = '"corpus.zh.clean.rules" = ["digits"]'
    assert plain != jobs(data, named)["corpus.zh"].name
    assert (
        jobs(data, named)["corpus.zh"].name
        != jobs(data, f'{named}, "corpus.zh.clean.max_digit_share" = 0.1')["corpus.zh"].name
    )
    asked = '"tuning.num_conversations" = 10'
    assert (
        jobs(data, asked)["instructions.zh"].name
        == jobs(data, f'{asked}, "instructions.zh.max_characters" = 9')["instructions.zh"].name
    )


def test_a_share_of_a_corpus_that_is_not_there_is_named(data: Path) -> None:
    with pytest.raises(UserError, match=r"corpus\.vi: missing"):
        jobs(data, '"pretraining.shares" = { zh = 1, vi = 1 }')


def test_a_corpus_that_is_called_by_no_language_must_say_one(data: Path) -> None:
    with pytest.raises(UserError, match=r"corpus\.news\.language: missing, and 'news' is no language's code"):
        jobs(data, text=STUDY.replace('language = "zh"\n', ""))


def test_conversations_come_from_every_source_or_from_those_with_shares(data: Path) -> None:
    def sources(more: str) -> set[str]:
        made = jobs(data, f'"tuning.num_conversations" = 10{more}')
        return {role for role in made["conversations"].inputs if role.startswith("instructions")}

    assert sources("") == {"instructions.sw", "instructions.zh"}
    assert sources(', "conversations.shares" = { sw = 1 }') == {"instructions.sw"}


def test_conversations_without_instructions_are_refused(data: Path) -> None:
    without = STUDY[: STUDY.index("[recipe.instructions.zh]")] + STUDY[STUDY.index("[recipe.tuning]") :]
    with pytest.raises(UserError, match="instructions: missing; name files under instructions"):
        jobs(data, '"tuning.num_conversations" = 10', without)


def test_every_text_is_searched_for_every_benchmark_once_however_it_is_asked(data: Path) -> None:
    made = jobs(data, '"tuning.num_conversations" = 10, "responses.benchmarks" = ["mmlu", "again"]')
    texts = {"en", "news", "sw", "zh", "instructions.sw", "instructions.zh"}
    assert {role for role in made if role.startswith("overlap.mmlu.")} == {f"overlap.mmlu.{text}" for text in texts}
    assert made["overlap.mmlu.zh"] is made["overlap.again.zh"]
    assert made["overlap.mmlu.zh"] is not made["overlap.mmlu.sw"]
    assert made["responses.mmlu"] is not made["responses.again"]


def test_only_text_that_reaches_weights_is_searched(data: Path) -> None:
    asked = '"responses.benchmarks" = ["mmlu"], "tokenizer.num_new_pieces" = 50'
    without_replay = jobs(data, f'{asked}, "pretraining.replay" = 0.0')
    assert "corpus.en" in without_replay and "overlap.mmlu.en" not in without_replay
    unread = jobs(data, f'{asked}, "pretraining.budget" = {{ bytes = 0 }}')
    assert "corpus.zh" in unread and not [role for role in unread if role.startswith("overlap")]


def test_overlap_can_be_left_out_and_renames_nothing_else(data: Path) -> None:
    asked = '"responses.benchmarks" = ["mmlu"]'
    with_it, without = jobs(data, asked), jobs(data, f'{asked}, "overlap.measure" = false')
    assert not [role for role in without if role.startswith("overlap")]
    assert {role: job.name for role, job in with_it.items() if not role.startswith("overlap")} == {
        role: job.name for role, job in without.items()
    }
