"""From a budget of text to rows, and from rows to what was read on the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loanword.errors import UserError
from loanword.recipe import Budget, StepsConfig
from loanword.tokens.mix import Joined, Mixture, Turns
from loanword.tokens.rows import TokenRows
from loanword.tokens.turns import parts, tempered, whole_weights


@dataclass(frozen=True)
class Seen:
    """What a model has read, padding of a corpus left out; `num_tokens` counts target and replay together."""

    num_rows: int
    num_tokens: int
    num_target_bytes: int = 0
    num_target_tokens: int = 0
    num_replay_tokens: int = 0


@dataclass(frozen=True)
class Weights:
    """What several corpora count for beside each other; nothing of it acts where there is one.

    `written` is one weight a corpus; `by_size` multiplies it by how much of the budget's unit the corpus holds. The
    product is raised to 1 / temperature.
    """

    written: tuple[float, ...] = (1.0,)
    by_size: bool = False
    temperature: float = 1.0

    def shares(self, sizes: Sequence[int]) -> tuple[float, ...]:
        """The share of text of each corpus of so many units; they add up to one."""
        weights = [weight * size for weight, size in zip(self.written, sizes, strict=True)] if self.by_size else None
        return tempered(weights or self.written, self.temperature)


ONE = Weights()


@dataclass(frozen=True)
class BudgetedRows:
    """The rows [0, num_rows) that hold a budget's documents, replay on top.

    `whole` counts nothing beyond the last document of the budget, in each target corpus; `trunk` is the same up to
    `num_common_rows`, from where a larger budget goes on.
    """

    trunk: Mixture
    whole: Mixture
    num_common_rows: int

    @property
    def num_rows(self) -> int:
        """Rows of the whole budget."""
        return self.whole.num_rows

    def cut_row(self, decay_row: int, steps: StepsConfig) -> int:
        """Where the trunk is cut for a decay that begins at a row: no later than trunk and whole are the same."""
        if not isinstance(self.whole.target, Joined):
            return decay_row
        return min(decay_row, self.num_common_rows - self.num_common_rows % steps.batch_rows)

    def seen(self, last_row: int) -> Seen:
        """What rows [0, last_row) hold."""
        target, source = self.whole.target, self.whole.source
        assert isinstance(target, TokenRows | Joined)
        num_target_rows = self.whole.target_rows_before(last_row)
        num_target_tokens = target.tokens_in_rows(0, num_target_rows)
        num_replay_tokens = self.whole.source_rows_before(last_row) * target.row_tokens if source is not None else 0
        return Seen(
            num_rows=last_row,
            num_tokens=num_target_tokens + num_replay_tokens,
            num_target_bytes=target.bytes_in_rows(0, num_target_rows),
            num_target_tokens=num_target_tokens,
            num_replay_tokens=num_replay_tokens,
        )


def budgeted_rows(
    target: Path | Sequence[Path],
    budget: Budget,
    steps: StepsConfig,
    *,
    source: Path | Sequence[Path] | None = None,
    measure: Path | Sequence[Path] | None = None,
    replay: float = 0.0,
    weights: Weights = ONE,
    source_weights: Weights | None = None,
    allow_epochs: bool = False,
    seed: int = 0,
) -> BudgetedRows:
    """The rows of a budget over tokens artifacts; a budget of tokens is counted in `measure`, without it in `target`.

    Each of several target corpora has its share of the budget, in the same documents under every tokenizer, and its
    rows come spread evenly over the whole. Sources take turns within the share of `replay`: by their shares of text, or
    row by row where they have no weights.

    Raises:
        UserError: the budget is larger than a corpus and epochs were not allowed.
    """
    once = [TokenRows(folder, steps.row_tokens) for folder in _several(target)]
    measured = [TokenRows(folder, steps.row_tokens) for folder in _several(measure)] or [None] * len(once)
    sizes = [_size(each, budget.unit, base) for each, base in zip(once, measured, strict=True)]
    shares = weights.shares(sizes)
    limited, unlimited = list[TokenRows](), list[TokenRows]()
    for folder, each, base, amount in zip(_several(target), once, measured, parts(budget.amount, shares), strict=True):
        part = Budget(**{budget.unit: amount})
        limit_tokens = each.tokens_of_documents(each.documents_for_budget(part, base, allow_epochs=allow_epochs))
        num_epochs = max(1, -(-limit_tokens // each.num_tokens))
        limited.append(TokenRows(folder, steps.row_tokens, limit_tokens))
        unlimited.append(TokenRows(folder, steps.row_tokens, num_epochs * each.num_tokens))
    # Rows are as long in every corpus, and its text is so many tokens a unit.
    turns = whole_weights(
        [share * each.num_tokens / size for share, each, size in zip(shares, once, sizes, strict=True)]
    )
    replayed = _replayed([TokenRows(folder, steps.row_tokens) for folder in _several(source)], source_weights)
    num_rows = sum(each.num_rows for each in limited)
    whole = Mixture(_joined(limited, turns), num_rows, replayed, replay, seed)
    trunk = Mixture(_joined(unlimited, turns), num_rows, replayed, replay, seed)
    num_common = whole.num_rows
    if isinstance(whole.target, Joined):
        num_common = whole.rows_for_target(whole.target.first_end())
    return BudgetedRows(trunk, whole, num_common)


def _several(folders: Path | Sequence[Path] | None) -> Sequence[Path]:
    return [folders] if isinstance(folders, Path) else folders or ()


def _size(stream: TokenRows, unit: str, base: TokenRows | None) -> int:
    """How much of a budget's unit a corpus holds."""
    counted = {"documents": stream.num_documents, "bytes": stream.num_bytes, "tokens": (base or stream).num_tokens}
    return counted[unit]


def _joined(streams: Sequence[TokenRows], turns: Sequence[int]) -> TokenRows | Joined:
    return streams[0] if len(streams) == 1 else Joined(streams, turns)


def _replayed(streams: Sequence[TokenRows], weights: Weights | None) -> Turns | None:
    if not streams:
        return None
    if weights is None:
        return Turns(streams)
    shares = weights.shares([stream.num_bytes for stream in streams])
    tokens = [share * stream.num_tokens / stream.num_bytes for share, stream in zip(shares, streams, strict=True)]
    return Turns(streams, whole_weights(tokens))


def first_rows(target: Path, steps: StepsConfig, num_steps: int, *, source: Path | None, replay: float,
               seed: int) -> Mixture:  # fmt: skip
    """The rows of tokens artifacts in the order in which further pretraining reads them, enough for so many steps.

    Raises:
        UserError: the corpus is too small for them.
    """
    rows = TokenRows(target, steps.row_tokens)
    replayed = None if source is None else TokenRows(source, steps.row_tokens)
    mixture = Mixture(rows, rows.num_rows, replayed, replay, seed)
    num_read = num_steps * steps.batch_rows
    if mixture.num_rows < num_read:
        raise UserError(
            "probe.num_steps",
            f"{num_steps:,} steps read {num_read:,} rows, and the corpus fills {mixture.num_rows:,}",
            expected=f"at most {mixture.num_rows // steps.batch_rows:,} steps",
            do="lower it, lower probe.steps.batch_tokens, or give more text",
        )
    return mixture
