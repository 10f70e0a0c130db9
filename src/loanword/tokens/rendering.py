"""Text of conversations under a chat template, as `apply_chat_template` of transformers renders it.

A checkpoint's template is code: it runs in a sandbox that changes nothing and knows no clock.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NoReturn

import jinja2
import jinja2.exceptions
import jinja2.ext
import jinja2.utils
from jinja2 import nodes
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range

from loanword.errors import UserError
from loanword.records import Message

_TEMPLATE_ERRORS = (
    jinja2.TemplateError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""What a template's expressions raise: 1 / 0, a range too long for the sandbox, `index` of what is not there."""


def render(
    messages: Sequence[Message], template: str, *, bos_token: str, eos_token: str, add_generation_prompt: bool = False
) -> str:
    """The text of some messages under a chat template, as `apply_chat_template` of transformers renders it.

    Raises:
        UserError: a template that does not parse, refuses the messages, fails on them, or leaves the sandbox.
    """
    try:
        return _compiled(template).render(
            messages=[{"role": message.role, "content": message.content} for message in messages],
            bos_token=bos_token,
            eos_token=eos_token,
            add_generation_prompt=add_generation_prompt,
        )
    except _TEMPLATE_ERRORS as error:
        # What a template does to values that it was not written for is its own error, not one of the program.
        raise UserError(
            "chat template",
            f"{type(error).__name__}: {error}",
            expected=f"a template for the roles {', '.join(message.role for message in messages)}",
            do="mend chat_template in the model's tokenizer_config.json or chat_template.jinja",
        ) from None


@lru_cache(maxsize=16)
def _compiled(template: str) -> jinja2.Template:
    # Source: chat_template_utils.py of transformers, under whose settings published templates are written. The clock
    # is left out: a prompt that changes overnight cannot be reproduced.
    # Any, because jinja2 gives no types to the values of its tables.
    environment: Any = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, jinja2.ext.loopcontrols]
    )
    environment.globals.clear()
    environment.globals.update(range=safe_range, dict=_dictionary, namespace=_Namespace, raise_exception=_refuse)
    environment.filters["tojson"] = _to_json
    return environment.from_string(template)


class _Generation(jinja2.ext.Extension):
    # `{% generation %}` marks what transformers counts as a response; here the mask comes from elsewhere.

    tags = {"generation"}  # noqa: RUF012 - jinja2 declares it so

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Namespace(jinja2.utils.Namespace):
    # Underscored names are the way out of a sandbox.

    def __init__(self, /, **values: object) -> None:
        for name in values:
            _refuse_underscore(name)
        super().__init__(values)

    def __setitem__(self, name: str, value: object) -> None:
        _refuse_underscore(name)
        super().__setitem__(name, value)


def _dictionary(**values: object) -> dict[str, object]:
    return values


def _to_json(
    value: object,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _refuse_underscore(name: str) -> None:
    if name.startswith("_"):
        raise jinja2.exceptions.SecurityError(f"{name!r} begins with an underscore")


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
