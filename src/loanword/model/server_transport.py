"""Requests to a server that speaks JSON: made again where that may help, explained where it will not.

A busy or broken server (429, 500, 502, 503, 504, a connection that is refused or ends early) is asked again after a
growing wait, as long as patience lasts. An answer that does not come in time, or that cannot be read, is asked for a
few times only. What is wrong with the request itself is never asked again: it is a Refusal, which the caller reads.
"""

import asyncio
import functools
import json
import random
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from loanword.errors import UserError
from loanword.protocols import SERVER_KEYS

T = TypeVar("T")

PASSING = frozenset({429, 500, 502, 503, 504})
"""Statuses that may be others in a while."""
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
EXCERPT_CHARACTERS = 200


@functools.cache
def _certificates() -> ssl.SSLContext:
    # Reading the certificates takes longer than a request to a server on this machine.
    return httpx.create_ssl_context()


class Malformed(Exception):
    """What a server sent is not what it should be; the text says how."""


class Refusal(Exception):
    """A status that says the request is wrong, and what the server said about it."""

    def __init__(self, url: str, status: int, text: str) -> None:
        self.url = url
        self.status = status
        self.text = text
        super().__init__(f"HTTP {status}: {excerpt(text)}")


class Passing(Exception):
    """A failure that another try may mend; at most `tries` of them, and after `wait_seconds` where the server says."""

    def __init__(self, what: str, *, tries: int | None = None, wait_seconds: float | None = None) -> None:
        self.tries = tries
        self.wait_seconds = wait_seconds
        super().__init__(what)


@dataclass(frozen=True)
class Patience:
    """How long a server may fail before a request is given up.

    `seconds` are waited between tries, all together; one answer may take `answer_seconds`; an answer that cannot be
    read, or does not come in time, is asked for `tries` times.
    """

    seconds: float = 300.0
    answer_seconds: float = 1800.0
    tries: int = 4
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(frozen=True)
class Access:
    """Where a server is, and the key that opens it; `key_names` are the variables that it is looked for in.

    Paths begin with /v1 after the `address`, unless that is `versioned`: then it stands in the place of /v1.
    """

    address: str
    versioned: bool = False
    key: str | None = field(default=None, repr=False)
    key_names: Sequence[str] = SERVER_KEYS

    def url(self, path: str) -> str:
        """The whole address of a path that is named as under /v1."""
        return self.address + (path.removeprefix("/v1") if self.versioned else path)


class Connection:
    """An open connection to one server, for requests that run at the same time."""

    def __init__(self, access: Access, patience: Patience, at_once: int) -> None:
        self.access = access
        self._key = key = access.key
        self._patience = patience
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(patience.answer_seconds, connect=10.0),
            limits=httpx.Limits(max_connections=at_once),
            verify=_certificates(),
        )

    async def __aenter__(self) -> "Connection":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get(self, path: str, read: Callable[[Any], T]) -> T:
        """What `read` makes of the JSON at a path; see `post`."""
        return await self._ask("GET", path, None, read)

    async def post(self, path: str, body: dict[str, Any], read: Callable[[Any], T]) -> T:
        """What `read` makes of the JSON that a path answers; `read` raises Malformed where it has another shape.

        Raises:
            Refusal: the server says that the request is wrong.
            UserError: a key that is refused, or a server that goes on failing.
        """
        return await self._ask("POST", path, body, read)

    async def probe(self, path: str, read: Callable[[Any], T]) -> T | None:
        """What one GET gives, None where it gives nothing: for facts that not every server tells."""
        try:
            return await self._once("GET", path, None, read)
        except (Refusal, Passing):
            return None

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None, read: Callable[[Any], T]) -> T:
        retrying = AsyncRetrying(
            sleep=self._patience.sleep,
            wait=_wait_seconds,
            stop=self._gives_up,
            retry=retry_if_exception_type(Passing),
            reraise=True,
        )
        try:
            return await retrying(self._once, method, path, body, read)
        except Passing as failure:
            tries = retrying.statistics["attempt_number"]
            raise UserError(
                self.access.url(path),
                f"{failure} ({tries} {'try' if tries == 1 else 'tries'})",
                expected="an answer in JSON, as vLLM, SGLang or llama.cpp gives it",
                do="look at the server's log, start it again where it has ended, and run the same command: "
                "what was answered before is on disk",
            ) from None

    def _gives_up(self, state: RetryCallState) -> bool:
        failure = _failure(state)
        if failure.tries is not None and state.attempt_number >= failure.tries:
            return True
        return state.idle_for + state.upcoming_sleep > self._patience.seconds

    async def _once(self, method: str, path: str, body: dict[str, Any] | None, read: Callable[[Any], T]) -> T:
        tries = self._patience.tries
        try:
            response = await self._client.request(method, self.access.url(path), json=body)
        except httpx.TimeoutException:
            raise Passing(f"no answer within {self._patience.answer_seconds:g} seconds", tries=tries) from None
        except httpx.DecodingError as error:
            raise Passing(f"an answer that cannot be unpacked: {self._safe(str(error))}", tries=tries) from None
        except httpx.TransportError as error:
            raise Passing(f"{type(error).__name__}: {self._safe(str(error)) or 'no connection'}") from None
        self._check_status(response, path)
        try:
            return read(json.loads(response.content))
        except Malformed as error:
            what = f"{self._safe(str(error))}: {self._safe(response.text)}"
        except (ValueError, RecursionError):
            what = f"an answer that is not JSON: {self._safe(response.text)}"
        raise Passing(what, tries=tries)

    def _check_status(self, response: httpx.Response, path: str) -> None:
        status, url = response.status_code, self.access.url(path)
        if status in (401, 403):
            raise UserError(
                url,
                f"HTTP {status}: {'the key is refused' if self._key else 'the server wants a key'}",
                expected=f"the server's key in {' or '.join(self.access.key_names)}",
                do="set the variable to a key that may use this model",
            )
        if status in PASSING:
            wait_seconds = retry_after_seconds(response.headers.get("Retry-After"), datetime.now(UTC))
            raise Passing(f"HTTP {status}: {self._safe(response.text)}", wait_seconds=wait_seconds)
        if status != 200:
            raise Refusal(url, status, self._without_key(response.text))

    def _safe(self, text: str) -> str:
        return excerpt(self._without_key(text))

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """The wait that a Retry-After header asks for, as seconds or as a date; None where it says neither.

    Source: RFC 9110, section 10.2.3.
    """
    if header is None:
        return None
    if header.strip().isascii() and header.strip().isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())


def excerpt(text: str) -> str:
    """The beginning of a foreign text, in one line; what a terminal would act on is escaped."""
    shown = text if len(text) <= EXCERPT_CHARACTERS else text[:EXCERPT_CHARACTERS] + " ..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in shown)


def _failure(state: RetryCallState) -> Passing:
    failure = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(failure, Passing)
    return failure


def _wait_seconds(state: RetryCallState) -> float:
    """What the server asks for, else twice as long each time; jitter keeps requests from coming back together."""
    asked = _failure(state).wait_seconds
    if asked is None:
        asked = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** (state.attempt_number - 1))
    return asked + random.uniform(0.0, FIRST_WAIT_SECONDS)
