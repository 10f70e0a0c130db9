"""Whether the Hub can be reached, who we are there, and whether we may read the bases that a study names."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from http.client import HTTPException, HTTPMessage
from typing import IO

from loanword.cli.findings import Finding

TIMEOUT_SECONDS = 3.0


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: urllib would carry the token to wherever it points."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


def hub_findings(models: Iterable[tuple[str, str | None]]) -> Iterator[Finding]:
    """Reachability and token, then access to every `(Hub id, revision)`; models that cannot be read are problems."""
    from huggingface_hub import constants, get_token

    models = sorted(set(models), key=str)
    endpoint, token = constants.ENDPOINT, get_token()
    trouble = "offline by HF_HUB_OFFLINE" if constants.is_offline_mode() else _unreachable(endpoint)
    if trouble:
        yield Finding(
            area="Hub",
            name="endpoint",
            state="problem" if models else "absent",
            found=f"{endpoint} is not reachable: {trouble}",
            do="name the base by a folder, or set HF_ENDPOINT to a mirror" if models else "",
        )
        yield Finding(area="Hub", name="token", state="ok" if token else "absent", found="set" if token else "not set")
        return
    yield Finding(area="Hub", name="endpoint", state="ok", found=endpoint)
    yield _token(endpoint, token)
    for model, revision in models:
        yield _access(endpoint, token, model, revision)


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


def _access(endpoint: str, token: str | None, model: str, revision: str | None) -> Finding:
    """Asks for the one file that every checkpoint has: what is gated is visible, but not readable."""
    status, _ = _get(f"{endpoint}/{model}/resolve/{revision or 'main'}/config.json", token, "HEAD")
    if status < 400:
        return Finding(area="Hub", name=model, state="ok", found="readable")
    if status in (401, 403):
        found = f"gated, private or not there (status {status})"
        do = f"accept its terms at {endpoint}/{model} with the token's account, or correct base.model"
    else:
        found = f"{revision or 'main'} has no config.json (status {status})"
        do = "correct base.model or base.revision"
    return Finding(area="Hub", name=model, state="problem", found=found, do=do)
