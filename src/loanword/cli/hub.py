"""Whether the Hub can be reached, who we are there, and whether we may read the bases that a study names."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from http.client import HTTPException, HTTPMessage
from typing import IO, NamedTuple

from loanword.cli.findings import Finding

TIMEOUT_SECONDS = 3.0


class Repository(NamedTuple):
    """A repository that is to be read, and a file that it has: what is gated can be seen, but not read."""

    name: str
    revision: str | None = None
    file: str = "config.json"


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: urllib would carry the token to wherever it points."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


def hub_findings(repositories: Iterable[Repository]) -> Iterator[Finding]:
    """Reachability and token, then access to every repository; those that cannot be read are problems."""
    from huggingface_hub import constants, get_token

    repositories = sorted(set(repositories), key=str)
    endpoint, token = constants.ENDPOINT, get_token()
    trouble = "offline by HF_HUB_OFFLINE" if constants.is_offline_mode() else _unreachable(endpoint)
    if trouble:
        yield Finding(
            area="Hub",
            name="endpoint",
            state="problem" if repositories else "absent",
            found=f"{endpoint} is not reachable: {trouble}",
            do="name the base by a folder, or set HF_ENDPOINT to a mirror" if repositories else "",
        )
        yield Finding(area="Hub", name="token", state="ok" if token else "absent", found="set" if token else "not set")
        return
    yield Finding(area="Hub", name="endpoint", state="ok", found=endpoint)
    yield _token(endpoint, token)
    for repository in repositories:
        yield _access(endpoint, token, repository)


def _get(url: str, token: str | None, method: str = "GET") -> tuple[int, bytes]:
    """Status and the start of the body; a status of failure is an answer too."""
    headers = {"User-Agent": "loanword-doctor"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        with urllib.request.build_opener(_StayHere).open(request, timeout=TIMEOUT_SECONDS) as answer:
            return answer.status, answer.read(65536)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(65536)


def _unreachable(endpoint: str) -> str:
    """Why the endpoint does not answer; empty if it does."""
    try:
        _get(endpoint, None, "HEAD")
    except (OSError, HTTPException, ValueError) as error:  # ValueError: HF_ENDPOINT is no URL
        return str(getattr(error, "reason", error)) or type(error).__name__
    return ""


def _token(endpoint: str, token: str | None) -> Finding:
    if token is None:
        do = "`hf auth login` or HF_TOKEN, if a base is gated"
        return Finding(area="Hub", name="token", state="absent", found="not set", do=do)
    status, body = _get(f"{endpoint}/api/whoami-v2", token)
    if status == 200:
        return Finding(
            area="Hub", name="token", state="ok", found=f"accepted, user {json.loads(body).get('name', '?')}"
        )
    do = "make a new one and `hf auth login`, or unset HF_TOKEN"
    return Finding(area="Hub", name="token", state="problem", found=f"refused by the Hub (status {status})", do=do)


def _access(endpoint: str, token: str | None, repository: Repository) -> Finding:
    name, revision, file = repository
    status, _ = _get(f"{endpoint}/{name}/resolve/{revision or 'main'}/{file}", token, "HEAD")
    if status < 400:
        return Finding(area="Hub", name=name, state="ok", found="readable")
    if status in (401, 403):
        found = f"gated, private or not there (status {status})"
        do = f"accept its terms at {endpoint}/{name} with the token's account, or correct the base in the study"
    else:
        found = f"{revision or 'main'} has no {file} (status {status})"
        do = "correct the base in the study, or its revision"
    return Finding(area="Hub", name=name, state="problem", found=found, do=do)
