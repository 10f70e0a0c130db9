"""Open questions as ids, and what a model says to them.

In: OpenPrompts. Out: one Generated each, in order. A prompt without `chat` is BOS and the ids of its whole text, one
with `chat` the ids of the conversation under the model's template: shots are never encoded apart. Where more is asked
afterwards (`later`), what the context has left is shared out equally between this response and those to come.
"""

from collections.abc import Callable, Sequence

from transformers import PreTrainedModel

from loanword.errors import UserError
from loanword.model.generate import stop_ids
from loanword.model.load import context_tokens
from loanword.model.open_prompts import messages, plain_text
from loanword.model.prompts import Ids, reserved_tokens
from loanword.model.reply import Reply, StopStrings, generator_for
from loanword.model.side_by_side import grow
from loanword.protocols import Generated, OpenPrompt, Progress
from loanword.records import Decoding, Message
from loanword.tokenizer.interface import Tokenizer

EncodePrompt = Callable[[Sequence[Message]], Sequence[int]]
"""The ids that a response to some messages is generated after, by the model's chat template."""


def respond(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    encode_prompt: EncodePrompt | None,
    prompts: Sequence[OpenPrompt],
    decoding: Decoding,
    micro_batch_tokens: int,
    progress: Progress,
) -> list[Generated]:
    """The response to each prompt, in order.

    Raises:
        UserError: a prompt with `chat` for a model that stores no chat template.
    """
    limit, ends = context_tokens(model), stop_ids(model, tokenizer)
    most = limit - reserved_tokens(limit, decoding.max_new_tokens)
    fitted = fit_open_prompts(prompts, tokenizer, encode_prompt, most)
    replies: list[Reply | None] = []
    for prompt, fit in zip(prompts, fitted, strict=True):
        if fit is None:
            replies.append(None)
            continue
        room = response_room(prompt, tokenizer, limit - len(fit[0]), decoding)
        generator = generator_for(decoding.seed, prompt.id) if decoding.temperature else None
        replies.append(Reply(fit[0], room, ends, StopStrings(tokenizer, decoding.stop), generator))
    done = replies.count(None)

    def advance(num_more: int) -> None:
        nonlocal done
        done += num_more
        progress(done, len(prompts), "questions")

    advance(0)
    grow(model, [reply for reply in replies if reply is not None], decoding, micro_batch_tokens, advance)
    num_shots = [fit[1] if fit else 0 for fit in fitted]
    return [_generated(tokenizer, reply, shots) for reply, shots in zip(replies, num_shots, strict=True)]


def response_room(prompt: OpenPrompt, tokenizer: Tokenizer, left_tokens: int, decoding: Decoding) -> int:
    """Tokens that a response may have where the context has so many left behind its prompt, at least one."""
    room = left_tokens - decoding.kept_tokens
    if prompt.later:
        asked_later = sum(map(len, tokenizer.encode_batch(list(prompt.later))))
        room = (room - asked_later) // (1 + len(prompt.later))
    return min(decoding.max_new_tokens, max(1, room))


def fit_open_prompts(
    prompts: Sequence[OpenPrompt], tokenizer: Tokenizer, encode_prompt: EncodePrompt | None, most_tokens: int
) -> list[tuple[Ids, int] | None]:
    """Each prompt's ids, with as many of its shots as fit, dropped from the end one by one, and their number.

    None for a question that is longer than `most_tokens` without any shot.

    Raises:
        UserError: a prompt with `chat`, and no template.
    """
    fitted: list[tuple[Ids, int] | None] = [None] * len(prompts)
    waiting = {index: len(prompt.shots) for index, prompt in enumerate(prompts)}
    while waiting:
        asked = [(prompts[index], num_shots) for index, num_shots in waiting.items()]
        for index, ids in zip(waiting, _encode(asked, tokenizer, encode_prompt), strict=True):
            if len(ids) <= most_tokens:
                fitted[index] = ids, waiting[index]
        waiting = {index: shots - 1 for index, shots in waiting.items() if shots and fitted[index] is None}
    return fitted


def _encode(
    asked: Sequence[tuple[OpenPrompt, int]], tokenizer: Tokenizer, encode_prompt: EncodePrompt | None
) -> list[Ids]:
    plain = [plain_text(prompt, num_shots) for prompt, num_shots in asked if not prompt.chat]
    encoded = iter(tokenizer.encode_batch(plain))
    made: list[Ids] = []
    for prompt, num_shots in asked:
        if not prompt.chat:
            made.append((tokenizer.bos_id, *next(encoded)))
        elif encode_prompt is None:
            raise _no_template(prompt)
        else:
            made.append(tuple(encode_prompt(messages(prompt, num_shots))))
    return made


def _generated(tokenizer: Tokenizer, reply: Reply | None, num_shots: int) -> Generated:
    if reply is None or reply.ended is None:
        return Generated("", 0, 0, "too long")
    text = reply.watch.before(tokenizer.decode(reply.said))
    return Generated(text, num_shots, len(reply.said), reply.ended, num_prompt_tokens=len(reply.prompt))


def _no_template(prompt: OpenPrompt) -> UserError:
    return UserError(
        f"question {prompt.id!r}",
        "is asked as a conversation, but the model stores no chat template",
        expected="a model that was tuned on conversations",
        do="ask without chat = true, or name a tuned checkpoint",
    )
