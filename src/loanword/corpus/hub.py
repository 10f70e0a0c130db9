"""Files of data sets on the Hub, read in ranges as they are needed: nothing is copied to this machine's disk.

A request that fails in passing (no answer in time, a cut connection, 408, 429, 500, 502, 503, 504) is made again, with
growing waits; every range is checked for its length, so that nothing is lost or there twice.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any, NamedTuple, cast
from urllib.parse import quote

from loanword.errors import UserError
from loanword.recipe import HubFiles
from loanword.store.identity import DATASETS, hub_revision

NUM_RETRIES = 5
FIRST_WAIT_SECONDS = 1.0
"""Waits double from here on, up to 8 seconds: the library's own habit."""

_NUM_LISTED = 8


class HubFile(NamedTuple):
    """A file of a data set at a commit."""

    id: str
    commit: str
    file: str


def hub_matches(
    part: HubFiles, commits: Mapping[str, str], by_pattern: Callable[[str], bool]
) -> Iterator[tuple[HubFile, int]]:
    """The files of a data set that its patterns match, sorted by name, with their sizes in bytes.

    `by_pattern` says which files a pattern may stand for; a file that is named in full is there in any case.

    Raises:
        UserError: a data set that cannot be reached, or a pattern that matches nothing.
    """
    wanted = hub_revision(f"{DATASETS}{part.id}", part.revision)
    revision = wanted.partition("@")[2]
    commit, sizes = _listing(part.id, commits.get(wanted, revision))
    matched: set[str] = set()
    for pattern in part.files:
        found = {file for file in sizes if file == pattern or (fnmatchcase(file, pattern) and by_pattern(file))}
        if not found:
            raise _no_match(f"{wanted}", pattern, sorted(sizes))
        matched |= found
    for file in sorted(matched, key=PurePosixPath):  # as a folder's files are sorted
        yield HubFile(part.id, commit, file), sizes[file]


class HubStream(io.RawIOBase):
    """A file on the Hub as a binary file that can be read and sought in; one request a read.

    Raises:
        UserError: while reading, where the Hub refuses, does not answer, or answers with something else.
    """

    def __init__(self, file: HubFile, num_bytes: int) -> None:
        self._file = file
        self._num_bytes = num_bytes
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._num_bytes}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        end = min(self._position + len(buffer), self._num_bytes)
        if end <= self._position:
            return 0
        content = _range(self._file, self._position, end, self._num_bytes)
        buffer[: len(content)] = content
        self._position = end
        return len(content)


def _listing(id: str, revision: str) -> tuple[str, dict[str, int]]:
    """The commit that a revision stands for, and the sizes of its files."""
    from huggingface_hub import constants

    url = f"{constants.ENDPOINT}/api/datasets/{id}/revision/{quote(revision, safe='')}"
    answer = _get(id, revision, url, {}, constants.HF_HUB_ETAG_TIMEOUT, params={"blobs": True})
    try:
        info = answer.json()
        return str(info["sha"]), {each["rfilename"]: int(each["size"]) for each in info["siblings"]}
    except (ValueError, TypeError, KeyError):
        raise UserError(
            f"{DATASETS}{id}@{revision}",
            f"the answer to {url} is not the Hub's: {answer.text[:60]!r}",
            expected="the commit and the files of a data set",
            do="check the endpoint (HF_ENDPOINT, if set)",
        ) from None


def _range(file: HubFile, start: int, end: int, num_bytes: int) -> bytes:
    from huggingface_hub import constants, hf_hub_url

    url = hf_hub_url(file.id, file.file, repo_type="dataset", revision=file.commit)
    # Packed on the way, a range would be one of the packed bytes.
    headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
    found = ""
    for _ in range(1 + NUM_RETRIES):
        answer = _get(file.id, file.commit, url, headers, constants.HF_HUB_DOWNLOAD_TIMEOUT)
        content = cast(bytes, answer.content)
        whole = answer.status_code == 200 and start == 0 and end == num_bytes
        served = answer.headers.get("Content-Range", "") == f"bytes {start}-{end - 1}/{num_bytes}"
        if (whole or (answer.status_code == 206 and served)) and len(content) == end - start:
            return content
        found = (
            f"status {answer.status_code}, {len(content):,} bytes, {answer.headers.get('Content-Range', 'no range')}"
        )
    raise UserError(
        f"{file.id}/{file.file}",
        f"the Hub answers with something else than was asked for: {found}",
        expected=f"bytes {start:,} to {end - 1:,} of {num_bytes:,}",
        do="check the endpoint (HF_ENDPOINT, if set), or fetch the files and name their folder in `files`",
    )


def _get(id: str, revision: str, url: str, headers: dict[str, str], timeout: float, **query: Any) -> Any:
    from huggingface_hub import utils
    from huggingface_hub.errors import HTTPError  # pyright: ignore[reportPrivateImportUsage]

    library = cast(Any, utils)
    try:
        answer = library.http_backoff(
            "GET",
            url,
            headers={**library.build_hf_headers(), **headers},
            timeout=timeout,
            max_retries=NUM_RETRIES,
            base_wait_time=FIRST_WAIT_SECONDS,
            **query,
        )
        library.hf_raise_for_status(answer)
    except (HTTPError, OSError) as error:
        raise _refused(id, revision, error) from None
    return answer


def _refused(id: str, revision: str, error: Exception) -> UserError:
    from huggingface_hub.errors import (
        GatedRepoError,
        OfflineModeIsEnabled,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    where = f"{DATASETS}{id}@{revision}"
    status = getattr(getattr(error, "response", None), "status_code", 0)
    if isinstance(error, OfflineModeIsEnabled):
        do = "unset HF_HUB_OFFLINE, or fetch the files and name their folder in `files`"
        return UserError(where, "offline by HF_HUB_OFFLINE", expected="a Hub within reach", do=do)
    if isinstance(error, GatedRepoError):
        do = f"ask for access on the page of {id}, then set HF_TOKEN or `hf auth login`"
        return UserError(where, "access is gated", do=do)
    if isinstance(error, RevisionNotFoundError):
        return UserError(where, "no such revision", do="correct hub.revision: a branch, a tag or a commit")
    if isinstance(error, RemoteEntryNotFoundError):
        return UserError(where, f"no such file: {_said(error)}", do="correct hub.files")
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        return UserError(where, "no such data set, or a private one", do="correct hub.id, or set HF_TOKEN")
    if status in (401, 403):
        do = "set HF_TOKEN to a token that may read it, or `hf auth login`"
        return UserError(where, f"access is refused (status {status}): {_said(error)}", do=do)
    return UserError(
        where,
        f"the Hub cannot be reached: {_said(error)}",
        expected="an answer from the endpoint (HF_ENDPOINT, if set)",
        do="check the network and start again, or fetch the files and name their folder in `files`",
    )


def _said(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _no_match(where: str, pattern: str, files: list[str]) -> UserError:
    more = f" and {len(files) - _NUM_LISTED:,} more" if len(files) > _NUM_LISTED else ""
    return UserError(
        where,
        f"no file matches {pattern!r}",
        expected=f"one of {', '.join(files[:_NUM_LISTED])}{more}" if files else "a data set that has files",
        do="correct hub.files: names as they stand in the repository, `*` for any part of one",
    )
