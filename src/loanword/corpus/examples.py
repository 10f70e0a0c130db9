"""A few of the documents that each rule removed or changed: the same few, however the work was divided."""

from bisect import insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from loanword.records import Removed

NUM_EXAMPLES = 20
SHOWN_CHARACTERS = 500
_BEFORE_CHANGE = 100


class _Example(NamedTuple):
    key: int
    removed: Removed


class Examples:
    """Of what is offered for a rule, the few with the smallest keys; of equal keys one."""

    def __init__(self) -> None:
        self._of_rule: dict[str, list[_Example]] = {}

    def offer(self, rule: str, key: int, make: Callable[[], Removed]) -> None:
        """Takes one more document into account; `make` is called for those that come among the few."""
        kept = self._of_rule.setdefault(rule, [])
        if (len(kept) == NUM_EXAMPLES and key >= kept[-1].key) or any(key == example.key for example in kept):
            return
        insort(kept, _Example(key, make()), key=lambda example: example.key)
        del kept[NUM_EXAMPLES:]

    def merge(self, other: "Examples") -> None:
        """Takes into account what another process saw."""
        for rule, kept in other._of_rule.items():
            for example in kept:
                self.offer(rule, example.key, lambda example=example: example.removed)

    def records(self) -> Iterator[Removed]:
        """The examples of each rule in turn, smallest key first."""
        for _, kept in sorted(self._of_rule.items()):
            yield from (example.removed for example in kept)

    def to_plain(self) -> dict[str, list[tuple[int, str]]]:
        """A value that JSON can hold."""
        return {rule: [(one.key, one.removed.to_json()) for one in kept] for rule, kept in self._of_rule.items()}

    @staticmethod
    def from_plain(plain: Mapping[str, Iterable[tuple[int, str]]], where: object) -> "Examples":
        """What `to_plain` gave."""
        made = Examples()
        for rule, kept in plain.items():
            made._of_rule[rule] = [_Example(key, Removed.from_json(line, where=where)) for key, line in kept]
        return made


def removed_example(rule: str, id: str, text: str, because: str = "") -> Removed:
    """A document that a rule removed, cut short."""
    return Removed(rule=rule, id=id, text=_cut(text, 0), because=because)


def changed_example(rule: str, id: str, text: str, became: str) -> Removed:
    """A document that a rule changed, before and after, from shortly before the first difference."""
    start = max(0, _common_start(text, became) - _BEFORE_CHANGE)
    return Removed(rule=rule, id=id, text=_cut(text, start), became=_cut(became, start))


def _cut(text: str, start: int) -> str:
    end = start + SHOWN_CHARACTERS
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")


def _common_start(one: str, other: str) -> int:
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
