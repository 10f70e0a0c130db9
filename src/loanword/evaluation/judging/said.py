"""What of a response is judged: a text a turn."""

from loanword.records import OpenQuestion, Response

BETWEEN_TURNS = "\n\n"


def asked_question(response: Response) -> OpenQuestion:
    """What was asked."""
    assert response.asked is not None, "what is judged was asked as an open question"
    return response.asked


def was_not_answered(response: Response) -> bool:
    """Whether there is nothing to judge: the question did not fit the model's context.

    Of a turn that takes several calls the last did not: what the first brought is no answer.
    """
    return response.ended == "too long" and (not response.texts or len(asked_question(response).turns) == 1)


def turn_texts(response: Response) -> tuple[str, ...]:
    """What was said turn by turn; fewer texts than turns where the conversation had outgrown the context.

    A turn that takes several calls is answered by the last one.
    """
    return response.texts[-len(asked_question(response).turns) :]


def response_text(response: Response) -> str:
    """A response as one text."""
    return BETWEEN_TURNS.join(turn_texts(response))
