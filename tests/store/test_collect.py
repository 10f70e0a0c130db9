"""Removal is whole or not at all, and touches nothing that somebody builds."""

from pathlib import Path

import pytest

from loanword.recipe import TokensConfig
from loanword.store import Job, Naming, Sources, Store
from loanword.store.artifacts import evaluation_folder
from loanword.store.collect import evaluated, leftovers, remove


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    made.create()
    return made


def chain(store: Store, length: int = 2) -> list[Job]:
    naming = Naming(Sources(store.root), {"tokens": 1})
    jobs: list[Job] = []
    for _ in range(length):
        jobs.append(naming.job("tokens", TokensConfig(), before=jobs[-1] if jobs else None))
    return jobs


def finish(store: Store, job: Job) -> None:
    (store.building_folder(job) / "payload").write_text("payload")
    store.finish(job, {})


def test_what_was_evaluated_is_needed_with_all_that_it_was_made_of(store: Store) -> None:
    jobs = chain(store, 3)
    for job in jobs:
        finish(store, job)
    store.link(evaluation_folder(store.root, "model"), "responses", jobs[1])
    assert evaluated(store) == {jobs[0].key, jobs[1].key}
    found = leftovers(store, evaluated(store))
    assert [(item.kind, item.name) for item in found] == [("artifact", jobs[2].key)]


def test_what_is_being_built_stays_and_what_a_dead_process_left_goes(store: Store) -> None:
    alive, left = chain(store)
    lease = store.lease(alive)
    assert lease is not None
    for job in (alive, left):
        (store.building_folder(job) / "half").write_text("half")
    found = leftovers(store, ())
    assert [(item.kind, item.name) for item in found] == [("unfinished", left.key)]
    assert remove(store, found) == []
    assert [folder.name for folder in store.building.iterdir() if folder.is_dir()] == [f"tokens-{alive.name}"]
    lease.release()


def test_what_somebody_began_to_build_meanwhile_stays(store: Store) -> None:
    (job,) = chain(store, 1)
    (store.building_folder(job) / "half").write_text("half")
    found = leftovers(store, ())
    lease = store.lease(job)
    assert lease is not None
    assert remove(store, found) == found
    assert (store.building_folder(job) / "half").is_file()
    lease.release()


def test_a_removal_that_was_killed_is_ended_by_the_next(store: Store) -> None:
    (job,) = chain(store, 1)
    finish(store, job)
    store.set_aside(job.key, "removed")  # where it is when the process dies before it has removed the files
    assert not store.finished(job)
    found = leftovers(store, ())
    assert [item.kind for item in found] == ["removed"]
    remove(store, found)
    assert not (store.root / "removed").exists()


def test_links_go_with_what_they_lead_to(store: Store) -> None:
    kept, gone = chain(store)
    for job in (kept, gone):
        finish(store, job)
        store.link(store.root / "studies" / "small" / "runs" / job.name, "tokens", job)
    found = leftovers(store, {kept.key})
    assert sorted(item.kind for item in found) == ["artifact", "link"]
    remove(store, found)
    assert [folder.name for folder in (store.root / "studies" / "small" / "runs").iterdir()] == [kept.name]
    assert leftovers(store, {kept.key}) == []
