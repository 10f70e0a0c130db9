"""From a budget of text to rows, and from rows to what was read on the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loanword.errors import UserError
from loanword.recipe import Budget, StepsConfig
from loanword.tokens.mix import Mixture, Turns
from loanword.tokens.rows import TokenRows


@dataclass(frozen=True)
class Seen:
    """What a model has read, padding of a corpus left out; `num_tokens` counts target and replay together."""

    num_rows: int
    num_tokens: int
    num_target_bytes: int = 0
    num_target_tokens: int = 0
    num_replay_tokens: int = 0


@dataclass(frozen=True)
class BudgetedRows:
    """The rows [0, num_rows) that hold a budget's documents, replay on top.

    `whole` counts nothing beyond the budget's last document in its last target row; `trunk` is the same but for that
    row, where a larger budget goes on.
    """

    trunk: Mixture
    whole: Mixture

    @property
    def num_rows(self) -> int:
        """Rows of the whole budget."""
        return self.whole.num_rows

    def seen(self, last_row: int) -> Seen:
        """What rows [0, last_row) hold."""
        target, source = self.whole.target, self.whole.source
        assert isinstance(target, TokenRows)
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
    target: Path,
    budget: Budget,
    steps: StepsConfig,
    *,
    source: Path | Sequence[Path] | None = None,
    measure: Path | None = None,
    replay: float = 0.0,
    allow_epochs: bool = False,
    seed: int = 0,
) -> BudgetedRows:
    """The rows of a budget over tokens artifacts; a budget of tokens is counted in `measure`, without it in `target`.

    Several sources take turns row by row within the share of `replay`.

    Raises:
        UserError: the budget is larger than the corpus and epochs were not allowed.
    """
    once = TokenRows(target, steps.row_tokens)
    base_tokens = None if measure is None else TokenRows(measure, steps.row_tokens)
    num_documents = once.documents_for_budget(budget, base_tokens, allow_epochs=allow_epochs)
    limit_tokens = once.tokens_of_documents(num_documents)
    num_epochs = -(-limit_tokens // once.num_tokens)
    limited = TokenRows(target, steps.row_tokens, limit_tokens)
    unlimited = TokenRows(target, steps.row_tokens, num_epochs * once.num_tokens)
    sources = [source] if isinstance(source, Path) else source or ()
    replayed = Turns([TokenRows(folder, steps.row_tokens) for folder in sources]) if sources else None
    whole = Mixture(limited, limited.num_rows, replayed, replay, seed)
    trunk = Mixture(unlimited, limited.num_rows, replayed, replay, seed)
    return BudgetedRows(trunk, whole)


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
