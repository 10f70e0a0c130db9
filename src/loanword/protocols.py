"""What the rooms ask of each other, free of torch.

A LanguageModel may be a checkpoint in this process or a server elsewhere; evaluation cannot tell.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from loanword.errors import UserError
from loanword.records import Decoding, Execution, Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Progress = Callable[[int, int, str], None]
"""`progress(done, total, unit)`: how far a stage is; safe to call often."""


def silent(done: int, total: int, unit: str) -> None:
    """A Progress that nobody watches."""


Say = Callable[[str], None]
"""`say(sentence)`: something that whoever started a stage should know; never needed to understand its output."""


def quiet(sentence: str) -> None:
    """A Say that nobody hears."""


def unchanged(micro_batch_tokens: int) -> None:
    """A `Work.resize` that nobody keeps."""


@dataclass(frozen=True)
class Work:
    """Everything a stage may touch: finished inputs to read, one directory to fill.

    A killed stage is called again with the same `out` and what it had left there. `scratch` lies inside
    `out`, outlives a kill, and is removed before the artifact is finished. `logs` is for what people watch and no
    artifact holds; None where nobody watches. `resize` is told the micro-batch in tokens that fits, where that of
    `execution` does not: a resumed stage starts with it, and provenance shows it. `server_key` opens the server of
    `execution`, and `judge_key` that of judges; they are written nowhere. `cache` outlives the artifact, and is shared
    by all of a store: for what is paid for; None where there is no such place.
    """

    inputs: Mapping[str, Path]
    out: Path
    seed: int
    execution: Execution
    progress: Progress = silent
    say: Say = quiet
    resize: Callable[[int], None] = unchanged
    logs: Path | None = None
    cache: Path | None = None
    server_key: str | None = field(default=None, repr=False)
    judge_key: str | None = field(default=None, repr=False)

    @property
    def scratch(self) -> Path:
        """Folder for what a resumed stage continues from; made on first use."""
        folder = self.out / ".scratch"
        folder.mkdir(exist_ok=True)
        return folder

    def source(self, name: str) -> Path:
        """Where an outside file or folder, named relative to the data root, lies on this machine."""
        return Path(self.execution.data) / name


@dataclass(frozen=True)
class Stage:
    """One part of the pipeline: the function, the version that its output carries, and how it is scheduled.

    `whole_machine`: runs alone, on all threads. `trains`: whether a config is run in `execution.processes` processes
    at once, each of which calls the function; only the first one's files count. `model_input`: the input whose loaded
    model stages in one process share. `on_device`: that it works on a device though it neither trains in that way nor
    has such an input. `position`: for a stage that makes cuts of one trajectory, where along it a
    config stands, and what the trajectory is apart from that; a cut may continue from a smaller one, given as the
    input `nearest`.
    """

    run: Callable[[Any, Work], None]
    version: int = 1
    whole_machine: bool = False
    trains: Callable[[Any], bool] | None = None
    model_input: str | None = None
    on_device: bool = False
    position: Callable[[Any], tuple[int, Record]] | None = None


@dataclass(frozen=True)
class ChoicePrompt:
    """One multiple-choice question and the few-shot header that it shares with its subject.

    The prompt is `header + shots[0] + ... + shots[k-1] + question`; a model drops shots from the end
    until the prompt fits its context, never the question.
    """

    id: str
    header: str
    shots: tuple[str, ...]
    question: str
    choices: tuple[str, ...]


@dataclass(frozen=True)
class ChoiceScores:
    """Log-likelihood in nats of each choice after the prompt, the shots that fitted, the ids that were read."""

    log_likelihoods_nats: tuple[float, ...]
    num_shots: int
    choice_ids: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class OpenPrompt:
    """A question that is answered in words; its text is put together as that of a ChoicePrompt.

    With `chat` the model's own template is applied: `system`, where there is one, is the system's message, the rest
    the user's. Without it `system` stands before the header as plain text. `history` are the exchanges before, what the
    user said and what was answered, and `later` what the user will say afterwards; as plain text an exchange is what
    was asked, what was answered, and a blank line, and header and shots stand before the last question.
    """

    id: str
    header: str
    shots: tuple[str, ...]
    question: str
    system: str = ""
    chat: bool = False
    history: tuple[tuple[str, str], ...] = ()
    later: tuple[str, ...] = ()


@dataclass(frozen=True)
class Generated:
    """What was said, how many shots fitted, and how it ended.

    "stopped": by EOS or before a stop string, which is not in the text; "cut": at the most tokens that were asked
    for, or where the context was full; "too long": the question does not fit the context, and nothing was said.
    `refused` where a filter of what may be said ended it, or the model said so apart from its text.
    """

    text: str
    num_shots: int
    num_tokens: int
    ended: Literal["stopped", "cut", "too long"]
    model: str = ""
    num_prompt_tokens: int = 0
    refused: bool = False


class Refused(UserError):
    """What was asked is refused, and would be whenever it is asked: another question may well be answered."""


@dataclass(frozen=True)
class TextLikelihood:
    """Negative log-likelihood in nats of a text's tokens, and what it is divided by."""

    nats: float
    num_tokens: int
    num_bytes: int


SERVER_KEYS = ("LOANWORD_API_KEY", "OPENAI_API_KEY")
"""Where the environment holds the key of the server that an Execution names; the first that is set."""
JUDGE_KEYS = ("LOANWORD_JUDGE_KEY", "LOANWORD_API_KEY")
"""The same of the server that has judges, to which no key is sent that was meant for another program."""
SERVED = "served.json"
"""In the artifact of a base: the name under which a server has the model, where it has no checkpoint."""


class LanguageModel(Protocol):
    """What evaluation speaks to. Results keep the order of what was asked, and do not depend on it.

    `described` is what is known of whoever answers, besides the checkpoint.
    """

    @property
    def described(self) -> Mapping[str, str]: ...

    def choose(self, prompts: Sequence[ChoicePrompt], progress: Progress = silent) -> list[ChoiceScores]: ...

    def choose_singly(self, prompts: Sequence[ChoicePrompt]) -> list[ChoiceScores] | None:
        """What `choose` gives, each prompt read whole and by itself; None where nothing is ever shared."""
        ...

    def likelihoods(
        self, texts: Sequence[str], *, window_tokens: int, stride_tokens: int, progress: Progress = silent
    ) -> list[TextLikelihood]: ...

    def generate(
        self, prompts: Sequence[OpenPrompt], decoding: Decoding, progress: Progress = silent
    ) -> list[Generated]: ...


class SentenceEncoder(Protocol):
    """A model whose own vectors of sentences can be looked at."""

    def vectors(
        self, texts: Sequence[str], pooling: Literal["mean", "last"], progress: Progress = silent
    ) -> "NDArray[np.float32]":
        """Vectors of every layer, [layer, sentence, width], in order; layer 0 is the embeddings."""
        ...

    def num_cut(self, texts: Sequence[str]) -> int:
        """How many texts are longer than the context: of those only the beginning is read."""
        ...
