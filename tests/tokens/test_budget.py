"""Budgets: the same text for every vocabulary, and counts that say what was read."""

from collections import Counter
from pathlib import Path

import pytest

from loanword.errors import UserError
from loanword.recipe import Budget, StepsConfig
from loanword.tokens.budget import BudgetedRows, Weights, budgeted_rows
from loanword.tokens.stream import tokenize_corpus
from tests.tokens.fakes import Characters
from tests.tokens.written import written

STEPS = StepsConfig(peak_learning_rate=1e-3, row_tokens=16, batch_tokens=32)


@pytest.fixture
def corpora(tmp_path: Path) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for language, letter in (("zh", "z"), ("en", "e"), ("sw", "s"), ("vi", "v")):
        folders[language] = tmp_path / language
        folders[language].mkdir()
        texts = [letter * (5 + number % 7) for number in range(100)]
        tokenize_corpus(written(texts, tmp_path / "corpora" / language), Characters(), folders[language], language)
    return folders


def test_a_budget_counts_only_whole_documents_of_the_target(corpora: dict[str, Path]) -> None:
    rows = budgeted_rows(corpora["zh"], Budget(documents=10), STEPS)
    num_bytes = sum(5 + number % 7 for number in range(10))
    seen = rows.seen(rows.num_rows)
    assert seen.num_target_bytes == num_bytes
    # BOS and EOS of each document are tokens without bytes.
    assert seen.num_target_tokens == num_bytes + 2 * 10
    counted = sum(int((rows.whole.row(index).labels >= 0).sum()) for index in range(rows.num_rows))
    assert counted == num_bytes + 10


def test_replay_comes_on_top(corpora: dict[str, Path]) -> None:
    plain = budgeted_rows(corpora["zh"], Budget(bytes=300), STEPS)
    mixed = budgeted_rows(corpora["zh"], Budget(bytes=300), STEPS, source=corpora["en"], replay=0.25)
    before, after = plain.seen(plain.num_rows), mixed.seen(mixed.num_rows)
    assert after.num_target_bytes == before.num_target_bytes
    assert after.num_replay_tokens == 16 * (mixed.num_rows - plain.num_rows) > 0
    assert mixed.num_rows == pytest.approx(plain.num_rows / 0.75, abs=1)


def test_several_sources_have_the_share_of_one_between_them_and_equal_parts_of_it(corpora: dict[str, Path]) -> None:
    others = [corpora[language] for language in ("en", "sw", "vi")]
    alone = budgeted_rows(corpora["zh"], Budget(bytes=500), STEPS, source=others[:1], replay=0.3)
    rows = budgeted_rows(corpora["zh"], Budget(bytes=500), STEPS, source=others, replay=0.3)
    assert rows.seen(rows.num_rows) == alone.seen(alone.num_rows)
    letters = Counter(_letter(rows, index) for index in range(rows.num_rows))
    num_others = rows.num_rows - letters["z"]
    assert num_others == round(0.3 * rows.num_rows) > 10
    assert all(abs(letters[letter] - num_others / 3) < 1 for letter in "esv")
    assert rows.seen(rows.num_rows).num_replay_tokens == 16 * num_others


def test_one_source_is_read_alike_by_itself_and_as_one_of_one(corpora: dict[str, Path]) -> None:
    one, listed = (
        budgeted_rows(corpora["zh"], Budget(bytes=300), STEPS, source=source, replay=0.25, seed=5)
        for source in (corpora["en"], [corpora["en"]])
    )
    for index in range(one.num_rows):
        assert one.whole.row(index).ids.tolist() == listed.whole.row(index).ids.tolist()


def _letter(rows: BudgetedRows, index: int) -> str:
    """The letter whose row it is; corpora are of one letter each."""
    (letter,) = {chr(id - 3) for id in rows.whole.row(index).ids.tolist() if id > 2}
    return letter


def test_a_smaller_budget_is_the_start_of_a_larger_one(corpora: dict[str, Path]) -> None:
    small, large = (
        budgeted_rows(corpora["zh"], Budget(bytes=amount), STEPS, source=corpora["en"], replay=0.2)
        for amount in (200, 500)
    )
    for index in range(small.num_rows):
        assert small.trunk.row(index).ids.tolist() == large.trunk.row(index).ids.tolist()
        assert small.trunk.row(index).labels.tolist() == large.trunk.row(index).labels.tolist()


def test_a_budget_of_base_tokens_is_the_same_text_under_another_tokenizer(
    corpora: dict[str, Path], tmp_path: Path
) -> None:
    rows = budgeted_rows(corpora["zh"], Budget(tokens=101), STEPS, measure=corpora["zh"])
    assert rows.seen(rows.num_rows).num_target_tokens >= 101


def target_texts(rows: BudgetedRows, num_rows: int) -> Counter[str]:
    """Characters of the first rows of the whole, by letter; every language here is written with one."""
    return Counter(
        chr(id - 3) for index in range(num_rows) for id in rows.whole.row(index).ids.tolist() if id not in (1, 2)
    )


def test_each_corpus_has_its_share_of_the_budget_in_the_same_documents(corpora: dict[str, Path]) -> None:
    targets = [corpora["sw"], corpora["zh"]]
    rows = budgeted_rows(targets, Budget(documents=40), STEPS, weights=Weights((1.0, 3.0)))
    read = target_texts(rows, rows.num_rows)
    assert read["s"] == sum(5 + number % 7 for number in range(10))
    assert read["z"] == sum(5 + number % 7 for number in range(30))
    assert rows.seen(rows.num_rows).num_target_bytes == read["s"] + read["z"]


def test_corpora_are_spread_evenly_over_the_whole(corpora: dict[str, Path]) -> None:
    targets = [corpora["sw"], corpora["zh"]]
    rows = budgeted_rows(targets, Budget(bytes=700), STEPS, weights=Weights((1.0, 3.0)))
    half = target_texts(rows, rows.num_rows // 2)
    assert 0.15 < half["s"] / half.total() < 0.35
    assert rows.seen(rows.num_rows // 2).num_target_bytes == pytest.approx(half.total(), abs=2)


def test_a_smaller_budget_of_several_corpora_is_the_start_of_a_larger_one(corpora: dict[str, Path]) -> None:
    targets, weights = [corpora["sw"], corpora["zh"], corpora["vi"]], Weights((1.0, 3.0, 2.0))
    small, large = (budgeted_rows(targets, Budget(bytes=size), STEPS, weights=weights) for size in (500, 1400))
    cut = small.cut_row(small.num_rows, STEPS)
    assert 0 < small.num_rows - cut <= 6
    for index in range(cut):
        assert small.trunk.row(index).ids.tolist() == large.trunk.row(index).ids.tolist()
        assert small.trunk.row(index).ids.tolist() == small.whole.row(index).ids.tolist()


def test_weights_by_size_and_temperature_act_on_the_shares() -> None:
    assert Weights((1.0, 1.0), by_size=True).shares([100, 300]) == pytest.approx((0.25, 0.75))
    assert Weights((1.0, 1.0), by_size=True, temperature=2).shares([100, 900]) == pytest.approx((0.25, 0.75))
    assert Weights((3.0, 1.0)).shares([100, 900]) == pytest.approx((0.75, 0.25))


def test_replay_of_several_corpora_takes_its_shares_of_text(corpora: dict[str, Path]) -> None:
    rows = budgeted_rows(
        corpora["zh"],
        Budget(bytes=700),
        STEPS,
        source=[corpora["en"], corpora["vi"]],
        replay=0.5,
        source_weights=Weights((1.0, 3.0)),
    )
    read = target_texts(rows, rows.num_rows)
    assert 0.2 < read["e"] / (read["e"] + read["v"]) < 0.3


def test_a_corpus_that_is_too_small_for_its_share_asks_for_epochs(corpora: dict[str, Path]) -> None:
    targets, weights = [corpora["sw"], corpora["zh"]], Weights((9.0, 1.0))
    with pytest.raises(UserError, match=r"epochs of the sw corpus"):
        budgeted_rows(targets, Budget(bytes=1000), STEPS, weights=weights)
    rows = budgeted_rows(targets, Budget(bytes=1000), STEPS, weights=weights, allow_epochs=True)
    read = target_texts(rows, rows.num_rows)
    assert read["s"] == pytest.approx(900, abs=11) and read["z"] == pytest.approx(100, abs=11)


def test_a_corpus_whose_share_is_less_than_a_document_ends_the_common_rows_where_it_would_begin(
    corpora: dict[str, Path],
) -> None:
    targets = [corpora["sw"], corpora["zh"]]
    steps = STEPS.model_copy(update={"row_tokens": 4, "batch_tokens": 8})
    rows = budgeted_rows(targets, Budget(documents=100), steps, weights=Weights((250.0, 1.0)))
    for index in range(rows.num_common_rows):
        assert rows.trunk.row(index).ids.tolist() == rows.whole.row(index).ids.tolist()
    # The Chinese corpus has no row of the budget; the trunk would read its first one here.
    assert rows.num_common_rows == 125 < rows.num_rows
