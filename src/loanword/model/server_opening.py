"""Finding a model on a server: which software serves it, how long its context is, whether it turns text into ids."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace

import httpx

from loanword.errors import UserError
from loanword.model.server import ServerModel
from loanword.model.server_answers import ModelCard, read_ids, read_models, read_served_context, read_version
from loanword.model.server_requests import tokenize_request
from loanword.model.server_transport import Access, Connection, Patience, Refusal
from loanword.protocols import SERVER_KEYS
from loanword.recipe import ChoiceIds

OPENING_SECONDS = 15.0
"""Patience with a server that has not answered once: more likely the address is wrong than the server busy."""

_VERSION = re.compile(r"/v\d\w*(?=/|$)")
_VERSION_PATHS = {"vllm": "/version", "sglang": "/server_info", "llamacpp": "/props"}


def open_server_model(
    address: str,
    model: str | None = None,
    *,
    key: str | None = None,
    key_names: Sequence[str] = SERVER_KEYS,
    choice_ids: ChoiceIds = "in-context",
    at_once: int = 16,
    patience: Patience | None = None,
) -> ServerModel:
    """A model of the server at an address; without a name, the only one it has.

    The address may end in `/v1`, or leave that out; one that names another version (`/v4`, `/v1beta/openai`) is taken
    as it is. A server that does not list its models is asked for the one that is named. `at_once` requests run side by
    side. The key is sent as a bearer token and shown nowhere; `key_names` are the variables that it should be in.

    Raises:
        UserError: no address of http or https, no server there, a key that is refused, a model that it has not.
    """
    access = _access(address, key, key_names)
    if key is not None and not (key.isascii() and key.isprintable() and key.strip() == key and key):
        raise UserError("the server's key", "has spaces, line ends or other such characters", do="copy it again")
    return asyncio.run(_open(access, model, choice_ids, at_once, patience or Patience()))


async def _open(
    access: Access, model: str | None, choice_ids: ChoiceIds, at_once: int, patience: Patience
) -> ServerModel:
    opening = replace(patience, seconds=min(patience.seconds, OPENING_SECONDS))
    async with Connection(access, opening, at_once) as connection:
        card = await _card(connection, model)
        version_path = _VERSION_PATHS.get(card.kind)
        version = await connection.probe(version_path, read_version) if version_path else None
        gives_ids = await _gives_ids(connection, card)
    return ServerModel(
        access,
        card,
        version=version,
        gives_ids=gives_ids,
        choice_ids=choice_ids,
        at_once=at_once,
        patience=patience,
    )


async def _card(connection: Connection, model: str | None) -> ModelCard:
    path = "/v1/models"
    try:
        cards = await connection.get(path, read_models)
    except Refusal as refusal:
        if model is not None and refusal.status == 404:
            return ModelCard(model)
        raise UserError(
            refusal.url, str(refusal), expected="the list of the server's models", do="check the address"
        ) from None
    found = [card for card in cards if model is None or card.id == model]
    if len(found) != 1:
        raise UserError(
            connection.access.url(path),
            f"the server has no model {model!r}" if model is not None else f"the server has {len(cards)} models",
            expected=f"one of {', '.join(card.id for card in cards)}" if cards else "a model",
            do="name it as the server does",
        )
    (card,) = found
    if card.kind != "llamacpp" or card.context_tokens is not None:
        return card
    return replace(card, context_tokens=await connection.probe("/props", read_served_context))


async def _gives_ids(connection: Connection, card: ModelCard) -> bool:
    asked = tokenize_request(card, "A", special=False)
    if asked is None:
        return False
    try:
        return bool(await connection.post(*asked, read_ids))
    except Refusal:
        return False


def _access(address: str, key: str | None, key_names: Sequence[str]) -> Access:
    expected = "http://host:port or https://host, with or without /v1"
    try:
        url = httpx.URL(address.strip())
    except httpx.InvalidURL:
        # What cannot be read as an address may hold a password anywhere.
        raise UserError("the server's address", "no address", expected=expected, do="mend the address") from None
    shown = str(url.copy_with(username=None, password=None, query=None, fragment=None))
    if url.userinfo:
        raise UserError(
            shown, "the address holds a name or password", expected=expected, do=f"leave it out, and set {key_names[0]}"
        )
    if url.scheme not in ("http", "https") or not url.host or url.query or url.fragment:
        raise UserError(shown, "not the address of a server", expected=expected, do="mend the address")
    root = str(url).rstrip("/")
    versioned = not root.endswith("/v1") and _VERSION.search(url.path) is not None
    return Access(root.removesuffix("/v1").rstrip("/"), versioned, key, key_names)
