"""What files of ratings show, as tables for the terminal."""

from collections.abc import Sequence

from loanword.cli.agreement import Alone, Found
from loanword.cli.amounts import table
from loanword.cli.chat import printable
from loanword.cli.rating_files import RatingFile
from loanword.report.trust.concordance import Measured
from loanword.report.trust.rated import OVERALL, GroupAgreement, ItemAgreement
from loanword.report.trust.rated_systems import SystemAgreement
from loanword.report.wording import p_text

NONE = "-"


def show(found: Found, files: Sequence[RatingFile]) -> None:
    """Prints everything that was found; what is not there is a dash, and why stands below its table."""
    for role, file in zip(("judge", "other"), files, strict=False):
        print(f"{role}: {printable(file.title)}")
        for note in file.notes:
            print(f"  {note}")
    if found.systems:
        _show_systems(found)
    if found.items:
        _show_items(found.items)
    for title, groups in (("category", found.categories), ("language", found.languages)):
        if groups:
            _show_groups(title, groups)
    for alone in found.alone:
        _show_alone(alone)
    print("\nIn brackets: 95 % bootstrap intervals, over systems where systems are compared, else over examples.")


def _show_systems(found: Found) -> None:
    print(f"\nmeans of {max(one.num_systems for one in found.systems)} systems of both")
    header = ("  item", "Spearman", "Kendall", "same order")
    table([header, *(_system_row(one) for one in found.systems)])
    print()
    header = ("  item", "judge - other", "judge's spread", "other's spread")
    rows = (
        (f"  {one.item}", _text(one.bias, signed=True), f"{one.spread:.3f}", f"{one.other_spread:.3f}")
        for one in found.systems
    )
    table([header, *rows])
    _reasons([(one.item, one.reasons) for one in found.systems])
    print("  same order: pairs of systems that the other tells apart; a tie of the judge is half. Spread: largest mean")
    print("  minus smallest.")
    if found.only_one_has:
        print(f"  only one of both has: {printable(', '.join(found.only_one_has))} (--same NAME=OTHER)")


def _system_row(one: SystemAgreement) -> tuple[str, ...]:
    return f"  {one.item}", _text(one.spearman), _text(one.kendall), _text(one.order)


def _show_items(items: Sequence[ItemAgreement]) -> None:
    print(f"\n{items[0].num_responses:,} responses of both, to {items[0].num_examples:,} examples")
    header = ("  item", "responses", "Spearman", "Kendall", "same order")
    table([header, *((f"  {_item(one.item)}", f"{one.num_responses:,}", *_order(one)) for one in items)])
    print()
    header = ("  item", "quadratic kappa", "alpha", "equal", "judge - other")
    table([header, *((f"  {_item(one.item)}", *_values(one)) for one in items)])
    _reasons([(_item(one.item), one.reasons) for one in items])
    which = "to one example " * any(one.order_within for one in items)
    print(f"  same order: pairs of responses {which}that the other tells apart; a tie of the judge is half.")
    print("  alpha: Krippendorff's, of ordered categories. Repeats and raters are averaged first.")


def _order(one: ItemAgreement) -> tuple[str, ...]:
    return _text(one.spearman), _text(one.kendall), _text(one.order)


def _values(one: ItemAgreement) -> tuple[str, ...]:
    return _text(one.kappa), _text(one.alpha), _text(one.equal), _text(one.bias, signed=True)


def _show_groups(title: str, groups: Sequence[GroupAgreement]) -> None:
    print(f"\nby {title}, {_item(groups[0].agreement.item)}")
    header = (f"  {title}", "responses", "Spearman", "quadratic kappa", "judge - other")
    rows = (
        (
            f"  {printable(one.group)}",
            f"{one.agreement.num_responses:,}",
            _text(one.agreement.spearman),
            _text(one.agreement.kappa),
            _text(one.agreement.bias, signed=True),
        )
        for one in groups
    )
    table([header, *rows])
    _reasons([(printable(one.group), one.agreement.reasons) for one in groups])


def _show_alone(alone: Alone) -> None:
    print(f"\n{printable(alone.name)} alone")
    header = ("  item", "responses", "highest score", "given to", "spread of systems")
    rows = (
        (
            f"  {one.item}",
            f"{one.num_responses:,}",
            f"{one.top:g}",
            _text(one.at_top, scale=100, digits=1, unit=" %"),
            NONE if one.spread is None else f"{one.spread:.3f}",
        )
        for one in alone.saturation
    )
    table([header, *rows])
    if alone.repeats:
        print("\n  several scores for one response, by repeats or raters")
        header = ("  item", "responses", "pairs that are equal", "alpha")
        rows = (
            (
                f"  {one.item}",
                f"{one.num_responses:,}",
                _text(one.equal, scale=100, digits=1, unit=" %"),
                _text(one.alpha),
            )
            for one in alone.repeats
        )
        table([header, *rows])
        _reasons([(one.item, [number.why for number in (one.equal, one.alpha)]) for one in alone.repeats])
    if alone.lengths:
        _show_lengths(alone)
    if alone.systems:
        _show_ranks(alone)


def _show_lengths(alone: Alone) -> None:
    print("\n  length of responses in characters and score")
    given = any(one.given_other for one in alone.lengths)
    header = ("  item", "responses", "Spearman", *(["the other's score held constant"] * given))
    rows = (
        (
            f"  {_item(one.item)}",
            f"{one.num_responses:,}",
            _text(one.spearman),
            *([_text(one.given_other)] * given),
        )
        for one in alone.lengths
    )
    table([header, *rows])
    numbers = [(one.item, [found.why for found in (one.spearman, one.given_other) if found]) for one in alone.lengths]
    _reasons(numbers)


def _show_ranks(alone: Alone) -> None:
    print(f"\n  systems by {_item(alone.ranked_by)}, each minus the next over the examples of both")
    pairs = {one.first: one for one in alone.neighbours}
    rows: list[tuple[str, ...]] = []
    for one in alone.systems:
        pair = pairs.get(one.system)
        beside = (NONE,) * 4
        if pair is not None:
            difference = pair.paired.difference
            gain = NONE if pair.pairing_gain is None else f"{pair.pairing_gain:.2f}x"
            beside = (
                _text(Measured(difference.value, difference.low, difference.high), signed=True),
                f"{pair.standard_error:.4f}",
                gain,
                p_text(pair.adjusted_p),
            )
        rows.append((f"  {printable(one.system)}", f"{one.num_examples:,}", _text(one.mean), *beside))
    table([("  system", "examples", "mean", "minus the next", "error", "paired gain", "p (Holm)"), *rows])
    told = sum(one.is_told_apart for one in alone.neighbours)
    print(f"  {told} of {len(alone.neighbours)} differ from the next by more than 1.96 paired standard errors")


def _item(item: str) -> str:
    return "mean of items" if item == OVERALL else printable(item)


def _text(number: Measured | None, *, scale: float = 1, digits: int = 3, unit: str = "", signed: bool = False) -> str:
    """A number with its interval in brackets, or a dash."""
    if number is None or number.value is None:
        return NONE

    def shown(value: float) -> str:
        return f"{scale * value:{'+' * signed}.{digits}f}"

    if number.low is None or number.high is None:
        return f"{shown(number.value)}{unit}"
    return f"{shown(number.value)}{unit} [{shown(number.low)}, {shown(number.high)}]"


def _reasons(of: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Why numbers or intervals are not there, once a reason."""
    names: dict[str, list[str]] = {}
    for name, reasons in of:
        for reason in dict.fromkeys(reasons):
            if reason:
                names.setdefault(reason, []).append(name)
    for reason, found in names.items():
        shown = ", ".join(found[:4]) + f" and {len(found) - 4} more" * (len(found) > 4)
        print(f"  {shown}: {printable(reason)}")
