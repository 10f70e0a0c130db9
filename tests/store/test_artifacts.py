"""Finished means that the manifest is there."""

import json
from pathlib import Path

import pytest

from loanword.errors import UserError
from loanword.recipe import TokensConfig
from loanword.store import Job, Naming, Sources, Store
from loanword.store.artifacts import file_name, run_folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    made.create()
    return made


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Naming(Sources(tmp_path), {"tokens": 1}).job("tokens", TokensConfig())


def fill(store: Store, job: Job, text: str = "payload") -> None:
    folder = store.building_folder(job)
    (folder / "inner").mkdir(exist_ok=True)
    (folder / "inner" / "payload.txt").write_text(text)
    (folder / ".scratch").mkdir(exist_ok=True)
    (folder / ".scratch" / "half").write_text("half")


def test_an_artifact_is_finished_only_by_finish(store: Store, job: Job) -> None:
    fill(store, job)
    assert not store.finished(job) and store.finished_keys() == set()
    store.finish(job, {"seconds": 1.0})
    assert store.finished(job) and store.finished_keys() == {job.key}
    assert sorted(path.name for path in store.folder(job).iterdir()) == ["inner", "manifest.json"]


def test_the_content_digest_knows_payload_and_not_provenance(tmp_path: Path, job: Job) -> None:
    contents = []
    for number, text in enumerate(("same", "same", "other")):
        store = Store(tmp_path / f"store-{number}")
        store.create()
        fill(store, job, text)
        contents.append(store.finish(job, {"seconds": float(number)}).manifest.content)
    assert contents[0] == contents[1] != contents[2]


def test_a_killed_finish_leaves_something_to_finish(store: Store, job: Job) -> None:
    fill(store, job)
    (store.building_folder(job) / "manifest.json").write_text("half a mani")
    store.finish(job, {})
    assert store.open(job).manifest.name == job.name


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "format.json").write_text(json.dumps({"format": 2}))
    with pytest.raises(UserError, match="the store has format 2") as caught:
        Store(tmp_path)
    assert "update loanword" in caught.value.do


def test_links_for_people_follow_the_artifact(store: Store, job: Job) -> None:
    fill(store, job)
    store.finish(job, {})
    store.link(run_folder(store.root, "my study", "extended, 2 MB"), "tokens.zh", job)
    store.link(run_folder(store.root, "my study", "extended, 2 MB"), "tokens.zh", job)
    link = store.root / "studies" / "my-study" / "runs" / "extended--2-MB" / "tokens.zh"
    assert link.resolve() == store.folder(job).resolve()


@pytest.mark.parametrize("label", ["base, 100 kB w/o replay", "../../out", "名" * 200, "x" * 3_000, "...", ""])
def test_a_link_is_named_after_a_role_whatever_runs_are_called(store: Store, job: Job, label: str) -> None:
    fill(store, job)
    store.finish(job, {})
    folder = run_folder(store.root, "my study", label)
    for role in (f"ratings.open.gpt.against.{label}", f"ratings.open.gpt.against.{label}, again"):
        store.link(folder, role, job)
    assert folder.parent == store.root / "studies" / "my-study" / "runs"
    links = list(folder.iterdir())
    assert len(links) == 2
    assert {link.resolve() for link in links} == {store.folder(job).resolve()}
    assert all(link.name.startswith("ratings.open.gpt") and len(link.name.encode()) <= 200 for link in links)


def test_a_name_that_is_short_enough_is_not_cut() -> None:
    assert file_name("a" * 200) == "a" * 200
    assert file_name("a" * 201).startswith("a" * 187 + "-")
    assert file_name("a" * 201) != file_name("a" * 202)
