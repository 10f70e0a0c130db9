"""Names follow content and settings, and nothing else."""

import os
import shutil
from pathlib import Path

import pytest

from loanword.errors import UserError
from loanword.recipe import BaseConfig, BenchmarkConfig, CorpusConfig, DescriptionConfig, LikelihoodsConfig
from loanword.store import Naming, Sources
from loanword.store.identity import unresolved_revisions

VERSIONS = {"corpus": 1, "likelihoods": 1, "base": 1, "tokens": 1, "responses": 1}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    root.mkdir()
    (root / "en.jsonl").write_text('{"text": "a"}\n')
    (root / "zh.txt").write_text("b\n")
    return root


def corpus_name(root: Path, **settings: object) -> str:
    config = CorpusConfig(files=("en.jsonl",), **settings)  # type: ignore[arg-type]
    return Naming(Sources(root), VERSIONS).job("corpus", config).name


def test_a_name_does_not_depend_on_where_the_data_lies(data: Path, tmp_path: Path) -> None:
    before = corpus_name(data)
    shutil.copytree(data, tmp_path / "moved")
    assert corpus_name(tmp_path / "moved") == before


def test_a_renamed_file_keeps_the_name_and_a_changed_one_does_not(data: Path) -> None:
    before = corpus_name(data)
    os.utime(data / "en.jsonl", (1, 1))
    assert corpus_name(data) == before
    (data / "en.jsonl").write_text('{"text": "c"}\n')
    assert corpus_name(data) != before


def test_every_setting_is_in_the_name(data: Path) -> None:
    names = {
        corpus_name(data, **settings) for settings in ({}, {"min_characters": 2}, {"limit_bytes": 9}, {"split_seed": 1})
    }
    assert len(names) == 4


def test_versions_seeds_and_inputs_are_in_the_name(data: Path) -> None:
    config = CorpusConfig(files=("en.jsonl",))
    naming = Naming(Sources(data), VERSIONS)
    plain = naming.job("corpus", config)
    raised = Naming(Sources(data), {**VERSIONS, "corpus": 2}).job("corpus", config)
    seeded = naming.job("corpus", config, seed=1)
    over = naming.job("corpus", config, tokens=plain)
    assert len({plain.name, raised.name, seeded.name, over.name}) == 4


def test_equal_jobs_are_one_object(data: Path) -> None:
    naming = Naming(Sources(data), VERSIONS)
    config = LikelihoodsConfig(texts={"zh": "zh.txt"})
    assert naming.job("likelihoods", config) is naming.job("likelihoods", config.model_copy())


def test_a_cached_digest_is_dropped_when_the_file_changes(data: Path, tmp_path: Path) -> None:
    sources = Sources(data, cache_file=tmp_path / "cache.json")
    before = sources.digest("zh.txt")
    sources.save()
    (data / "zh.txt").write_text("longer\n")
    assert Sources(data, cache_file=tmp_path / "cache.json").digest("zh.txt") != before


def test_a_cache_that_is_not_what_was_written_is_not_believed(data: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache.json"
    sources = Sources(data, cache_file=cache)
    digest = sources.digest("zh.txt")
    sources.save()
    written = cache.read_text()
    assert digest in written
    for wrong in (f"{int(digest[0], 16) ^ 1:x}{digest[1:]}", "", digest[:-1]):
        cache.write_text(written.replace(digest, wrong))
        assert Sources(data, cache_file=cache).digest("zh.txt") == digest
    cache.write_text(written[:-9])
    assert Sources(data, cache_file=cache).digest("zh.txt") == digest


def test_a_missing_source_is_named_with_its_root(data: Path) -> None:
    with pytest.raises(UserError) as caught:
        Sources(data).digest("text/nothing.jsonl.gz")
    assert "text/nothing.jsonl.gz" in str(caught.value)
    assert "--data" in caught.value.do


def test_what_is_missing_can_be_named_provisionally_and_is_then_required_all_at_once(data: Path) -> None:
    config = CorpusConfig(language="zh", files=("text/nothing.jsonl.gz",))
    sources = Sources(data, provisional=True)
    before = Naming(sources, VERSIONS).job("corpus", config).name
    with pytest.raises(UserError, match="no such file or folder"):
        sources.require()
    sources.checkpoint("./no-model")
    with pytest.raises(UserError, match="2 sources are not there") as caught:
        sources.require()
    assert "text/nothing.jsonl.gz" in str(caught.value) and "./no-model" in str(caught.value)
    (data / "text").mkdir()
    (data / "text" / "nothing.jsonl.gz").write_bytes(b"something")
    there = Sources(data, provisional=True)
    assert Naming(there, VERSIONS).job("corpus", config).name != before
    there.require()


def test_a_hub_id_is_unresolved_until_its_commit_is_known(data: Path) -> None:
    config = BaseConfig(model="org/name")
    unresolved = Naming(Sources(data), VERSIONS).job("base", config)
    resolved = Naming(Sources(data, commits={"org/name@main": "0" * 40}), VERSIONS).job("base", config)
    pinned = Naming(Sources(data), VERSIONS).job("base", BaseConfig(model="org/name", revision="0" * 40))
    assert unresolved.identity["model"] == "unresolved:org/name@main"
    assert resolved.identity["model"] == pinned.identity["model"] == f"org/name@{'0' * 40}"
    assert resolved.name == pinned.name != unresolved.name


def test_a_checkpoint_folder_counts_by_content(data: Path) -> None:
    for folder in ("one", "two"):
        (data / folder).mkdir()
        (data / folder / "config.json").write_text("{}")
    naming = Naming(Sources(data), VERSIONS)
    assert naming.job("base", BaseConfig(model="one")).name == naming.job("base", BaseConfig(model="two")).name


def test_neither_folder_nor_hub_id_is_an_error(data: Path) -> None:
    with pytest.raises(UserError, match="no such checkpoint folder"):
        Naming(Sources(data), VERSIONS).job("base", BaseConfig(model="./nothing"))


def test_every_part_of_a_base_counts_by_content_or_commit(data: Path) -> None:
    for folder in ("base", "one", "same", "other"):
        (data / folder).mkdir()
        (data / folder / "adapter_config.json").write_text("{}" if folder != "other" else "[]")
    naming = Naming(Sources(data, commits={"org/name@v1": "0" * 40}), VERSIONS)
    settings = {
        "adapter": lambda name: BaseConfig(model="base", adapter=(name,)),
        "second adapter": lambda name: BaseConfig(model="base", adapter=("base", name)),
        "patch": lambda name: BaseConfig(model="base", patch=name),
        "original_weights": lambda name: BaseConfig(model="base", patch="one", original_weights=name),
        "tokenizer": lambda name: BaseConfig(model="base", tokenizer=name),
    }
    for part, config in settings.items():
        one, same, other, away, pinned = (
            naming.job("base", config(name)).name
            for name in ("one", "same", "other", "org/name@v1", f"org/name@{'0' * 40}")
        )
        assert one == same != other, part
        assert away == pinned not in (one, other), part
    plain = naming.job("base", BaseConfig(model="base"))
    made = [plain, *(naming.job("base", config("one")) for config in settings.values())]
    assert len({job.name for job in made}) == len(made)


def test_adapters_count_in_order_and_one_may_be_named_alone(data: Path) -> None:
    for number, folder in enumerate(("base", "one", "two")):
        (data / folder).mkdir()
        (data / folder / "file").write_text(str(number))
    naming = Naming(Sources(data), VERSIONS)
    there, back = (
        naming.job("base", BaseConfig(model="base", adapter=names)) for names in (("one", "two"), ("two", "one"))
    )
    assert there.name != back.name
    alone = BaseConfig.model_validate_json('{"model": "base", "adapter": "one"}')
    assert alone == BaseConfig.model_validate_json('{"model": "base", "adapter": ["one"]}')
    assert naming.job("base", alone).config == BaseConfig(model="base", adapter=("one",))


def test_every_repository_of_a_base_is_resolved(data: Path) -> None:
    config = BaseConfig(model="org/b", revision="v2", adapter=("org/a", "org/c@v1"), tokenizer=f"org/t@{'0' * 40}")
    job = Naming(Sources(data, commits={"org/c@v1": "1" * 40}), VERSIONS).job("base", config)
    assert unresolved_revisions([job]) == ["org/a@main", "org/b@v2"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('{"adapter": "one"}', "give either model"),
        ('{"model": "base", "original_weights": "one"}', "original_weights goes with patch"),
    ],
)
def test_parts_without_what_they_belong_to_are_refused(settings: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        BaseConfig.model_validate_json(settings)


def asked(folder: str | None = None, **settings: object) -> BenchmarkConfig:
    description = DescriptionConfig.model_validate(
        {"language": "sw", "question": "{q}", "options": "o", "answer": "a", "files": {"test": "x.csv"}} | settings
    )
    return BenchmarkConfig(name="mine", folder=folder, split="test", description=description)


def test_a_data_set_of_the_hub_counts_by_its_commit(data: Path) -> None:
    unresolved = Naming(Sources(data), VERSIONS).job("responses", asked(hub="org/name"))
    commits = {"datasets/org/name@main": "0" * 40, "org/name@main": "1" * 40}
    resolved = Naming(Sources(data, commits=commits), VERSIONS).job("responses", asked(hub="org/name"))
    pinned = Naming(Sources(data), VERSIONS).job("responses", asked(hub="org/name", revision="0" * 40))
    assert unresolved_revisions([unresolved]) == ["datasets/org/name@main"]
    assert resolved.identity["description"]["hub"] == f"datasets/org/name@{'0' * 40}"
    assert resolved.name == pinned.name != unresolved.name
    assert unresolved_revisions([resolved, pinned]) == []


def test_a_described_folder_counts_by_content(data: Path) -> None:
    for folder, text in (("one", "x"), ("same", "x"), ("other", "y")):
        (data / folder).mkdir()
        (data / folder / "x.csv").write_text(text)
    naming = Naming(Sources(data), VERSIONS)
    one, same, other = (naming.job("responses", asked(folder)).name for folder in ("one", "same", "other"))
    assert one == same != other
    assert naming.job("responses", asked("one", letters=("1", "2", "3", "4"))).name != one
