"""Which responses judges prefer."""

from loanword.records import Preference
from loanword.report.quality.preferences import preference_score


def test_a_win_counts_whole_and_a_tie_half():
    outcomes = [("arm", "arm"), ("arm", "arm"), ("tie", "tie"), ("arm", "control"), ("control", "control")]
    found = preference_score([_preference(str(number), *pair) for number, pair in enumerate(outcomes)])
    assert found.win_rate is not None
    assert found.win_rate.value == (2 + 0.5 + 0.5) / 5
    assert found.consistency == 4 / 5
    # Verdicts for one of the two: four for the arm and one for the control where it stood first, two where not.
    assert found.first_share == 5 / 8
    assert found.outcomes == {"arm": 2, "tie": 1, "inconsistent": 1, "control": 1}


def test_a_comparison_that_could_not_be_read_is_in_no_rate():
    pairs = [_preference("a", "arm", "arm"), _preference("b", "arm", "unparsed"), _preference("c", "tie", "tie")]
    found = preference_score(pairs)
    assert found.win_rate is not None
    assert (found.win_rate.value, found.consistency, found.outcomes["unparsed"]) == (0.75, 1.0, 1)
    none = preference_score([_preference("b", "unparsed", "unparsed")])
    assert (none.win_rate, none.consistency, none.first_share) == (None, None, None)


def _preference(id: str, first: str, second: str) -> Preference:
    outcome = "unparsed" if "unparsed" in (first, second) else first if first == second else "inconsistent"
    given = {"id": id, "benchmark": "llmeval", "subject": "s", "verdicts": (first, second), "outcome": outcome}
    return Preference.model_validate(given)
