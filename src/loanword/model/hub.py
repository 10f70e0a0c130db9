"""What others published, checkpoints and data sets: resolved to a commit once, fetched at that commit, never copied."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    HTTPError,  # pyright: ignore[reportPrivateImportUsage]
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from loanword.errors import UserError
from loanword.store.identity import DATASETS, hub_revision

TOKENIZERS = ("tokenizer.model", "tokenizer.json", "vocab.json")
TOKENIZER_FILES = (*TOKENIZERS, "merges.txt", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                   "config.json", "*.jinja")  # fmt: skip
FILES = ("tokenizer.model", "merges.txt", "*.json", "*.jinja", "*.safetensors")
"""What of a repository is fetched: no pickles and no code."""

BIN_FILES = ("pytorch_model*.bin", "adapter_model*.bin")
"""What is fetched besides where a part of a base is published in no other form; read with `weights_only=True`."""


def resolve_commit(id: str, revision: str) -> str:
    """The commit that a revision of a Hub repository stands for now; the id of a data set begins with `datasets/`.

    Raises:
        UserError: no such repository or revision, no access, or no Hub within reach.
    """
    name, kind = _repository(id)
    try:
        commit = HfApi().repo_info(name, revision=revision, repo_type=kind).sha
    except (HTTPError, HFValidationError, OSError) as error:
        raise _refused(id, revision, error, _settings(id)) from None
    if not commit:
        do = f"give {_settings(id)[1]} as a commit"
        raise UserError(f"{id}@{revision}", "the Hub names no commit for it", do=do)
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


def tokenizer_folder(hub_id: str, revision: str | None = None) -> Path:
    """Where the tokenizer of a model on the Hub lies on this machine, fetched without the model's weights.

    The folder's name is the commit that `hub_id` (`id` or `id@revision`) stands for now, or stood for when it was last
    fetched where the Hub is out of reach.

    Raises:
        UserError: no such repository or revision, no access, no Hub within reach, or no tokenizer in the repository.
    """
    id, _, branch = hub_revision(hub_id, revision).partition("@")
    folder = _fetch(id, branch, TOKENIZER_FILES, ("the Hub id", "the revision"))
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise UserError(
            f"{id}@{branch}",
            "no tokenizer in this repository",
            expected=f"one of {', '.join(TOKENIZERS)}",
            do="name the model that it was made from",
        )
    return folder


def dataset_folder(name: str, commits: Mapping[str, str], files: Iterable[str], *, revision: str | None = None) -> Path:
    """Where some files of a Hub data set lie on this machine, as they lie in its repository; nothing else is fetched.

    `files` are names in which `*` stands for any part of one. `commits` maps `datasets/id@revision` to the commit that
    is meant.

    Raises:
        UserError: the repository cannot be fetched.
    """
    wanted = hub_revision(f"{DATASETS}{name}", revision)
    id, _, branch = wanted.partition("@")
    return _fetch(id, commits.get(wanted, branch), tuple(files))


def _fetch(id: str, revision: str, files: tuple[str, ...] = FILES, settings: tuple[str, str] | None = None) -> Path:
    name, kind = _repository(id)
    try:
        fetched = snapshot_download(name, repo_type=kind, revision=revision, allow_patterns=list(files))
    except (HTTPError, HFValidationError, OSError) as error:
        raise _refused(id, revision, error, settings or _settings(id)) from None
    return Path(fetched).resolve()


def _repository(id: str) -> tuple[str, str]:
    return (id.removeprefix(DATASETS), "dataset") if id.startswith(DATASETS) else (id, "model")


def _settings(id: str) -> tuple[str, str]:
    """The settings that name a repository and its revision."""
    return ("description.hub", "description.revision") if id.startswith(DATASETS) else ("base.model", "base.revision")


def _refused(id: str, revision: str, error: Exception, settings: tuple[str, str]) -> UserError:
    where = f"{id}@{revision}"
    naming, pinning = settings
    if isinstance(error, HFValidationError):
        return UserError(where, "no folder here, and no id of the Hub", expected="org/name", do=f"correct {naming}")
    if isinstance(error, GatedRepoError):
        return UserError(
            where, "access is gated", do=f"ask for access on the page of {id}, then set HF_TOKEN or `hf auth login`"
        )
    if isinstance(error, RevisionNotFoundError):
        return UserError(where, "no such revision", do=f"correct {pinning}: a branch, a tag or a commit")
    if isinstance(error, RepositoryNotFoundError):
        return UserError(where, "no such repository, or a private one", do=f"correct {naming}, or set HF_TOKEN")
    said = (str(error) or type(error).__name__).splitlines()[0]
    return UserError(
        where,
        f"the Hub cannot be reached: {said}",
        expected="an answer from the endpoint (HF_ENDPOINT, if set)",
        do=f"check the network, or name a folder on this machine in place of {naming}",
    )
