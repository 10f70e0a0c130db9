"""Nothing in an artifact changes unseen, and nothing that is whole is said to be damaged."""

import json
import random
from pathlib import Path

import pytest

from loanword.recipe import TokensConfig
from loanword.store import Job, Naming, Sources, Store
from loanword.store.verify import discard, verify


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    made.create()
    return made


def job(folder: Path, read: Job | None = None) -> Job:
    stage = "tokens" if read is None else "base"
    return Naming(Sources(folder), {"tokens": 1, "base": 1}).job(stage, TokensConfig(), tokens=read)


def finish(store: Store, made: Job, *, link: Path | None = None) -> Path:
    folder = store.building_folder(made)
    (folder / "inner").mkdir()
    (folder / "inner" / "payload.txt").write_text("payload, 语")
    if link is not None:
        (folder / "checkpoint").symlink_to(link)
    provenance = {"seconds": 1.25, "said": ["多", "words"], "continued_from": None}
    return store.finish(made, provenance).folder


def test_every_bit_of_an_artifact_counts(store: Store, tmp_path: Path) -> None:
    made = job(tmp_path)
    folder = finish(store, made)
    for file in ("manifest.json", "inner/payload.txt"):
        written = (folder / file).read_bytes()
        for place in range(len(written)):
            changed = bytearray(written)
            changed[place] ^= 1 << random.randrange(8)
            (folder / file).write_bytes(changed)
            found = verify(store, {made.key})
            assert found.damaged.keys() == {made.key}, (file, place, changed[place])
            assert file in found.damaged[made.key]
        (folder / file).write_bytes(written)
    assert verify(store, {made.key}).whole


def test_a_manifest_without_a_seal_is_read_and_counted(store: Store, tmp_path: Path) -> None:
    made = job(tmp_path)
    path = finish(store, made) / "manifest.json"
    older = json.loads(path.read_text())
    del older["seal"]
    path.write_text(json.dumps(older, sort_keys=True, ensure_ascii=False, indent=2) + "\n")
    found = verify(store, {made.key})
    assert found.whole and found.num_unsealed == 1


def test_an_artifact_in_the_place_of_another_is_damaged(store: Store, tmp_path: Path) -> None:
    folder = finish(store, job(tmp_path))
    other = folder.with_name("0" * 20)
    folder.rename(other)
    assert verify(store, {f"tokens/{other.name}"}).damaged == {
        f"tokens/{other.name}": {"manifest.json": "is not what was written"}
    }


def test_a_linked_checkpoint_is_read_and_one_that_has_gone_taints_nothing(store: Store, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "model.safetensors").write_text("weights")
    first = job(tmp_path)
    base = job(tmp_path, first)
    finish(store, first)
    folder = finish(store, base, link=outside)
    keys = store.finished_keys()
    assert verify(store, keys).whole and store.unlinked() == set()
    (outside / "model.safetensors").write_text("Weights")
    assert verify(store, keys).damaged == {base.key: {"checkpoint/model.safetensors": "is not what was written"}}
    outside.rename(tmp_path / "moved")
    found = verify(store, keys)
    assert found.damaged == {} and found.tainted == {}
    assert found.unlinked == {base.key: str(outside)} and not found.whole
    assert store.unlinked() == {base.key} and folder.is_dir()


def test_what_is_discarded_is_kept_aside_each_time(store: Store, tmp_path: Path) -> None:
    made = job(tmp_path)
    for _ in range(2):
        (finish(store, made) / "inner" / "payload.txt").write_text("changed")
        discard(store, verify(store, {made.key}))
        assert not store.finished(made)
    assert len(list((store.root / "damaged").iterdir())) == 2
