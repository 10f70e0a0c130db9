"""An exported folder sent to a repository of the Hub, in one commit: all of it is there, or nothing is."""

from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token
from huggingface_hub.errors import (
    HFValidationError,
    HTTPError,  # pyright: ignore[reportPrivateImportUsage]
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from loanword.errors import UserError

KEPT = ".gitattributes"
"""What the Hub puts into a repository by itself."""
INVALID_CARD = "Invalid metadata in README.md"
"""How huggingface_hub begins to say what the Hub says of a card."""


def check_repository(repository: str, branch: str, *, private: bool, overwrite: bool) -> None:
    """Nothing, where a model may go to a branch: there is none yet, it is empty, or may be overwritten.

    Raises:
        UserError: no repository's name, no token, no Hub within reach, a branch that holds something; a repository
            that all can see where a private one is meant.
    """
    if get_token() is None:
        raise UserError(
            f"--push {repository}",
            "no token for the Hub",
            expected="HF_TOKEN, or what `hf auth login` leaves",
            do="make one that may write, at the settings of your account",
        )
    try:
        info = HfApi().model_info(repository)
        held = _held(repository, branch)
    except RepositoryNotFoundError:
        return
    except (HTTPError, HFValidationError, OSError) as error:
        raise _refused(repository, error) from None
    if private and not info.private:
        raise UserError(
            f"--push {repository}",
            "the repository is there, and all can see it",
            expected="a private one, as --private says",
            do="make it private in its settings, or name another",
        )
    if held and not overwrite:
        raise UserError(
            f"--push {repository}",
            f"its branch {branch} holds {len(held)} files, the first is {held[0]}",
            expected="a new or an empty branch",
            do="name another with --push or --revision, or replace what is there with --overwrite",
        )


def push(folder: Path, repository: str, branch: str, *, private: bool) -> str:
    """The address of a branch once it holds a folder's files and no others.

    Raises:
        UserError: no right to write, no Hub within reach, or a card that the Hub does not take.
    """
    api = HfApi()
    files = {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        if branch != constants.DEFAULT_REVISION:
            api.create_branch(repository, branch=branch, exist_ok=True)
        gone = [CommitOperationDelete(name) for name in _held(repository, branch) if name not in files]
        added = [CommitOperationAdd(name, path) for name, path in files.items()]
        api.create_commit(repository, [*gone, *added], commit_message="Export from Loanword", revision=branch)
    except (HTTPError, HFValidationError, OSError) as error:
        raise _refused(repository, error, folder) from None
    except RuntimeError as error:
        # A large file that did not get through: the library's threads wrap what stopped it.
        if not isinstance(error.__cause__, HTTPError | OSError):
            raise
        raise _refused(repository, error.__cause__, folder) from None
    except ValueError as error:
        # What the Hub says of a card comes in no kind of its own.
        if not str(error).startswith(INVALID_CARD):
            raise
        said = str(error).removeprefix(INVALID_CARD).strip(" .\n-")
        what = f"the Hub does not take its front matter: {said}"
        raise UserError(folder / "README.md", what, do="mend it, and push the folder again") from None
    where = f"{constants.ENDPOINT}/{repository}"
    return where if branch == constants.DEFAULT_REVISION else f"{where}/tree/{branch}"


def _held(repository: str, branch: str) -> list[str]:
    """The files of a branch; none where there is no such branch."""
    try:
        info = HfApi().model_info(repository, revision=branch)
    except RevisionNotFoundError:
        return []
    return sorted(one.rfilename for one in info.siblings or () if one.rfilename != KEPT)


def _refused(repository: str, error: Exception, folder: Path | None = None) -> UserError:
    where = f"--push {repository}"
    kept = "" if folder is None else f"; {folder} is whole, and the same command pushes it"
    if isinstance(error, HFValidationError):
        return UserError(where, "is no repository's name", expected="org/name", do="correct it")
    response: Any = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status == 401:
        return UserError(where, "the Hub does not accept the token", do=f"make a new one, then `hf auth login`{kept}")
    if status == 403:
        do = f"take a token that may write to {repository.partition('/')[0]}, or another name{kept}"
        return UserError(where, "the token may not write there", do=do)
    said = (str(error) or type(error).__name__).splitlines()[0]
    return UserError(
        where,
        f"the Hub cannot be reached, or does not take it: {said}",
        expected="an answer from the endpoint (HF_ENDPOINT, if set)",
        do=f"check the network{kept}",
    )
