"""What an open question says to a model: as plain text, or as the messages of a conversation.

Free of torch: servers are asked in the same words as a checkpoint in this process.
"""

from loanword.protocols import OpenPrompt
from loanword.records import Message

BLANK_LINE = "\n\n"


def plain_text(prompt: OpenPrompt, num_shots: int) -> str:
    """The whole prompt without a chat template.

    Of an exchange before, what was asked stands as it was, what was answered follows at once, and a blank line ends it.
    """
    earlier = "".join(f"{asked}{said}{BLANK_LINE}" for asked, said in prompt.history)
    return prompt.system + earlier + _last(prompt, num_shots)


def messages(prompt: OpenPrompt, num_shots: int) -> list[Message]:
    """The conversation that a chat template is applied to; header and shots stand before its last question."""
    said = [Message(role="system", content=prompt.system)] if prompt.system else []
    for asked, answered in prompt.history:
        said += [Message(role="user", content=asked), Message(role="assistant", content=answered)]
    return [*said, Message(role="user", content=_last(prompt, num_shots))]


def _last(prompt: OpenPrompt, num_shots: int) -> str:
    return prompt.header + "".join(prompt.shots[:num_shots]) + prompt.question
