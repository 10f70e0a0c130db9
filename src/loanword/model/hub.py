"""Checkpoints that others published: resolved to a commit once, fetched at that commit, linked to, never copied."""

from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import GatedRepoError, HTTPError, RepositoryNotFoundError, RevisionNotFoundError  # pyright: ignore[reportPrivateImportUsage]

from loanword.errors import UserError
from loanword.store.identity import hub_revision

TOKENIZER_FILES = ("*.json", "tokenizer.model", "*.jinja", "merges.txt", "vocab.json")
FILES = (*TOKENIZER_FILES, "*.safetensors")
"""What of a repository is fetched: no pickles and no code."""

BIN_FILES = ("pytorch_model*.bin", "adapter_model*.bin")
"""What is fetched besides where a part of a base is published in no other form; read with `weights_only=True`."""


def resolve_commit(model: str, revision: str) -> str:
    """The commit that a revision of a Hub repository stands for now.

    Raises:
        UserError: no such repository or revision, no access, or no Hub within reach.
    """
    try:
        commit = HfApi().repo_info(model, revision=revision).sha
    except (HTTPError, OSError) as error:
        raise _refused(model, revision, error) from None
    if not commit:
        raise UserError(f"{model}@{revision}", "the Hub names no commit for it", do="give base.revision as a commit")
    return commit


def local_folder(
    root: Path, name: str, commits: Mapping[str, str], *, revision: str | None = None, with_weights: bool = True
) -> Path:
    """Where a checkpoint, or what belongs to one, lies on this machine: below `root`, or fetched from the Hub.

    `commits` maps `id@revision` to the commit that is meant. Weights come as .bin only where the repository has no
    safetensors.

    Raises:
        UserError: the repository cannot be fetched.
    """
    if (root / name).is_dir():
        return (root / name).resolve()
    wanted = hub_revision(name, revision)
    model, _, branch = wanted.partition("@")
    commit = commits.get(wanted, branch)
    if not with_weights:
        return _fetch(model, commit, TOKENIZER_FILES)
    fetched = _fetch(model, commit)
    return fetched if any(fetched.glob("*.safetensors")) else _fetch(model, commit, (*FILES, *BIN_FILES))


def link_checkpoint(folder: Path, model: str, revision: str | None, link: Path) -> None:
    """Leaves a link to a checkpoint: to `folder` if it is one on this machine, else to the fetched Hub repository.

    Raises:
        UserError: the repository cannot be fetched.
    """
    goal = folder.resolve() if folder.is_dir() else _fetch(model, revision or "main")
    link.unlink(missing_ok=True)
    link.symlink_to(goal)


def _fetch(model: str, revision: str, files: tuple[str, ...] = FILES) -> Path:
    try:
        return Path(snapshot_download(model, revision=revision, allow_patterns=list(files))).resolve()
    except (HTTPError, OSError) as error:
        raise _refused(model, revision, error) from None


def _refused(model: str, revision: str, error: Exception) -> UserError:
    where = f"{model}@{revision}"
    if isinstance(error, GatedRepoError):
        return UserError(
            where, "access is gated", do=f"ask for access on the page of {model}, then set HF_TOKEN or `hf auth login`"
        )
    if isinstance(error, RevisionNotFoundError):
        return UserError(where, "no such revision", do="correct base.revision: a branch, a tag or a commit")
    if isinstance(error, RepositoryNotFoundError):
        return UserError(where, "no such repository, or a private one", do="correct base.model, or set HF_TOKEN")
    said = (str(error) or type(error).__name__).splitlines()[0]
    return UserError(
        where,
        f"the Hub cannot be reached: {said}",
        expected="an answer from the endpoint (HF_ENDPOINT, if set)",
        do="check the network, or name a checkpoint folder as base.model",
    )
