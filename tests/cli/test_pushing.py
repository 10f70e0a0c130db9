"""Exported folders sent to a server on this machine that takes commits as the Hub does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from loanword.cli.pushing import check_repository, push
from loanword.errors import UserError
from tests.cli.hub_server import READER, TOKEN, Hub, Repository, serving

NAME = "org/model"

# huggingface_hub's own use of its client.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub that this process speaks to, with a token that may write."""
    with serving() as served:
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield served


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    (made / "model.safetensors").write_bytes(b"weights")
    (made / "config.json").write_bytes(b"{}")
    (made / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    return made


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def checked(*, branch: str = "main", private: bool = False, overwrite: bool = False, name: str = NAME) -> None:
    check_repository(name, branch, private=private, overwrite=overwrite)


def test_a_new_repository_gets_every_file_in_one_commit(hub: Hub, folder: Path) -> None:
    checked(private=True)
    assert push(folder, NAME, "main", private=True) == f"{hub.url}/{NAME}"
    made = hub.repositories[NAME]
    assert (made.private, hub.num_commits) == (True, 1)
    assert {name: data for name, data in made.branches["main"].items() if name != ".gitattributes"} == files(folder)


def test_a_branch_of_its_own_leaves_the_main_one_alone(hub: Hub, folder: Path) -> None:
    hub.repositories[NAME] = Repository()
    checked(branch="v2")
    assert push(folder, NAME, "v2", private=False) == f"{hub.url}/{NAME}/tree/v2"
    assert set(hub.repositories[NAME].branches["main"]) == {".gitattributes"}
    assert set(files(folder)) < set(hub.repositories[NAME].branches["v2"])


def test_what_a_branch_holds_is_replaced_only_where_that_is_said(hub: Hub, folder: Path) -> None:
    hub.repositories[NAME] = Repository()
    hub.repositories[NAME].branches["main"]["model-00001-of-00002.safetensors"] = b"older"
    with pytest.raises(UserError, match=r"holds 1 files, the first is model-00001(?s:.*)--overwrite"):
        checked()
    checked(overwrite=True)
    push(folder, NAME, "main", private=False)
    assert set(hub.repositories[NAME].branches["main"]) == {".gitattributes", *files(folder)}


def test_a_private_model_goes_to_no_repository_that_all_can_see(hub: Hub) -> None:
    hub.repositories[NAME] = Repository(private=False)
    with pytest.raises(UserError, match="all can see it"):
        checked(private=True)


def test_a_token_is_needed_and_must_be_one_that_may_write(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_TOKEN", READER)
    checked()
    with pytest.raises(UserError, match=r"the token may not write there(?s:.*)is whole, and the same command"):
        push(folder, NAME, "main", private=False)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    with pytest.raises(UserError, match=r"no token for the Hub(?s:.*)hf auth login"):
        checked()


def test_a_card_that_the_hub_refuses_is_named_before_anything_is_sent(hub: Hub, folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: Proprietary\n---\n", encoding="utf-8")
    with pytest.raises(UserError, match=r'README.md - the Hub does not take its front matter(?s:.*)"license" must be'):
        push(folder, NAME, "main", private=False)
    assert not hub.objects and not hub.num_commits


def test_a_large_file_that_does_not_get_through_leaves_no_commit(hub: Hub, folder: Path) -> None:
    hub.takes_objects = False
    with pytest.raises(UserError, match="is whole, and the same command pushes it"):
        push(folder, NAME, "main", private=False)
    assert not hub.num_commits


def test_an_address_that_is_none_and_a_hub_out_of_reach_are_said(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="is no repository's name"):
        checked(name="org/model/too-long")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="the Hub cannot be reached"):
        checked()
