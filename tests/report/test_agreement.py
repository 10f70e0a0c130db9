"""How far judges can be trusted, from the ratings of runs: whom each is compared with, and what is said of it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pytest
import scipy.stats

from loanword.records import Item, JudgeFacts, Rating
from loanword.report.facts import BenchmarkFacts, Manifest
from loanword.report.gather import Artifact, RunRecords
from loanword.report.judged import Judged
from loanword.report.trust.judges import JudgeTrust, all_trusts, judge_trust, trust_note, trust_notes, trust_over
from loanword.report.trust.rated import OVERALL, ItemAgreement
from loanword.report.trust.tables import trust_tables

ITEMS = ("accuracy", "fluency")
NUM_EXAMPLES = 60
Kind = Literal["rules", "model", "panel", "people"]
Scores = Sequence[Mapping[str, float]]


def facts(kind: Kind, *, items: Iterable[str] = ITEMS, rubric: str = "llm-eval-0-3", combines: Sequence[str] = ()):
    scales = tuple(Item(name=name, lowest=0, highest=3) for name in items)
    return JudgeFacts(name=kind, kind=kind, title=kind, rubric=rubric, items=scales, combines=tuple(combines))


def rating(place: int, scores: Mapping[str, float], repeat: int = 0, **others) -> Rating:
    return Rating(
        id=f"q{place}",
        benchmark="open",
        subject=("story", "code")[place % 2],
        repeat=repeat,
        outcome="rated" if scores else "unparsed",
        scores=dict(scores),
        num_characters=100 + 7 * place,
        **others,
    )


def judged(of: JudgeFacts, *repeats: Scores) -> Judged:
    given = [rating(place, scores, number) for number, all_ in enumerate(repeats) for place, scores in enumerate(all_)]
    return Judged(of, tuple(given))


def run_of(judges: Mapping[str, Judged], label: str = "run") -> RunRecords:
    return RunRecords(
        label=label,
        settings={},
        seed=0,
        artifacts={},
        likelihoods={},
        grades={},
        benchmarks={"open": BenchmarkFacts(name="open", title="Open", language="sw")},
        curves={},
        summaries={},
        measures=(),
        conversations=None,
        judged={("open", name): one for name, one in judges.items()},
    )


def scores_of(seed: int, noise: float = 0.0, shift: int = 0) -> list[dict[str, float]]:
    """Scores that follow one truth, with noise of their own."""
    truth = np.random.default_rng(1).integers(0, 4, (NUM_EXAMPLES, 2)).astype(float)
    own = np.random.default_rng(seed).normal(0, noise, truth.shape) if noise else np.zeros(truth.shape)
    given = np.clip(np.round(truth + own) + shift, 0, 3)
    return [dict(zip(ITEMS, map(float, row), strict=True)) for row in given]


def by_item(trust: JudgeTrust) -> dict[str, ItemAgreement]:
    return {one.item: one for one in trust.peers[0].items}


def column(scores: Scores, item: str) -> list[float]:
    return [one[item] for one in scores]


def rho(one: Sequence[float], other: Sequence[float]) -> float:
    return float(cast(Any, scipy.stats.spearmanr(one, other)).statistic)


def test_a_judge_is_compared_with_people_on_every_item_and_on_their_mean():
    ours, theirs = scores_of(2, 0.8), scores_of(3, 0.4)
    found = judge_trust(run_of({"gpt": judged(facts("model"), ours), "crowd": judged(facts("people"), theirs)}), "open")
    agreed = by_item(found["gpt"])
    assert list(agreed) == [OVERALL, *ITEMS]
    for item in ITEMS:
        expected = rho(column(ours, item), column(theirs, item))
        assert agreed[item].spearman.value == pytest.approx(expected)
        assert agreed[item].bias.value == pytest.approx(np.mean(column(ours, item)) - np.mean(column(theirs, item)))
    means = [[sum(one.values()) / 2 for one in side] for side in (ours, theirs)]
    assert agreed[OVERALL].spearman.value == pytest.approx(rho(*means))
    assert [one.group for one in found["gpt"].peers[0].subjects] == ["code", "story"]
    assert sum(one.agreement.num_responses for one in found["gpt"].peers[0].subjects) == NUM_EXAMPLES
    assert found["crowd"].peers == ()


def test_several_raters_and_repeats_are_averaged_and_compared_with_each_other():
    raters = [scores_of(seed, 0.7) for seed in (4, 5, 6)]
    repeats = [scores_of(7, 0.3), scores_of(7, 0.3)]
    run = run_of({"gpt": judged(facts("model"), *repeats), "crowd": judged(facts("people"), *raters)})
    found = judge_trust(run, "open")
    mean = np.mean([column(one, "accuracy") for one in raters], axis=0).tolist()
    expected = rho(column(repeats[0], "accuracy"), mean)
    assert by_item(found["gpt"])["accuracy"].spearman.value == pytest.approx(expected)
    assert found["gpt"].repeats[0].equal.value == 1
    assert found["gpt"].repeats[0].alpha.value == pytest.approx(1)
    crowd = found["crowd"].repeats[0]
    assert (crowd.num_responses, crowd.num_scores) == (NUM_EXAMPLES, 3 * NUM_EXAMPLES)
    assert crowd.alpha.value is not None
    assert 0.3 < crowd.alpha.value < 0.95
    assert "alpha between raters: accuracy 0." in trust_note(found["crowd"])


def test_without_people_other_judges_stand_in_and_the_note_says_so():
    run = run_of({"a": judged(facts("model"), scores_of(2, 0.5)), "b": judged(facts("model"), scores_of(3, 0.5))})
    note = trust_note(judge_trust(run, "open")["a"])
    assert note.startswith("not checked against people; agrees with judge b on the mean of items: rho 0.")
    assert note.endswith("on 60 ratings")


def test_a_judge_that_is_alone_is_said_to_be_unchecked():
    trust = judge_trust(run_of({"a": judged(facts("model"), scores_of(2))}), "open")["a"]
    assert (trust.peers, trust_note(trust)) == ((), "not checked against people")


def test_rules_are_called_rules_and_share_only_what_people_rated_too():
    given = [{"accuracy": one["accuracy"], "form": 3.0} for one in scores_of(2, 0.5)]
    rules = judged(facts("rules", items=("accuracy", "form"), rubric="rules"), given)
    found = judge_trust(run_of({"rules": rules, "crowd": judged(facts("people"), scores_of(3))}), "open")
    assert list(by_item(found["rules"])) == ["accuracy"]
    assert trust_note(found["rules"]).startswith("rules, not a reader; agrees with people on accuracy: rho 0.")
    headings = [group.title for table in trust_tables([run_of({"rules": rules})]) for group in table.groups]
    assert headings == ["rules: rules that look for accepted answers and named properties, not a reader"]


def test_where_no_response_has_all_items_the_first_that_is_compared_is_named_and_shown_by_category():
    halves = [{ITEMS[place // 2 % 2]: one[ITEMS[place // 2 % 2]]} for place, one in enumerate(scores_of(2, 0.5))]
    run = run_of({"gpt": judged(facts("model"), halves), "crowd": judged(facts("people"), scores_of(3))})
    trust = judge_trust(run, "open")["gpt"]
    assert list(by_item(trust)) == list(ITEMS)
    assert trust_note(trust).startswith("agrees with people on accuracy: rho 0.")
    assert trust_note(trust).endswith("on 30 ratings")
    assert [(one.group, one.agreement.item) for one in trust.peers[0].subjects] == [
        ("code", "accuracy"),
        ("story", "accuracy"),
    ]
    flat = judged(facts("model"), [{"accuracy": 3.0} for _ in halves])
    note = trust_note(judge_trust(run_of({"gpt": flat, "crowd": run.judged["open", "crowd"]}), "open")["gpt"])
    assert note == "agreement with people on accuracy is undefined on 60 ratings (gpt: all scores are equal)"


def test_judges_without_an_item_in_common_are_compared_by_rank_alone():
    form = judged(facts("rules", items=("form",), rubric="rules"), [{"form": one["accuracy"]} for one in scores_of(2)])
    found = judge_trust(run_of({"rules": form, "crowd": judged(facts("people"), scores_of(3, 0.2))}), "open")
    (agreed,) = found["rules"].peers[0].items
    assert agreed.spearman.value is not None
    assert (agreed.item, agreed.kappa.value, agreed.bias.why) == (OVERALL, None, "the scales differ")


def test_a_panel_is_not_compared_with_its_own_judges_nor_quality_with_coherence():
    run = run_of(
        {
            "a": judged(facts("model"), scores_of(2, 0.5)),
            "both": judged(facts("panel", combines=("a",)), scores_of(2, 0.5)),
            "a (coherence)": judged(facts("model", rubric="coherence"), scores_of(5)),
        }
    )
    assert [one.peers for one in judge_trust(run, "open").values()] == [(), (), ()]


def test_what_was_not_rated_is_never_a_zero():
    ours, theirs = scores_of(2, 0.6), scores_of(3, 0.2)
    lost: Scores = [{} if place % 3 == 0 else one for place, one in enumerate(ours)]
    partly: Scores = [{"accuracy": one["accuracy"]} if place % 2 else one for place, one in enumerate(theirs)]
    run = run_of({"gpt": judged(facts("model"), lost), "crowd": judged(facts("people"), partly)})
    trust = judge_trust(run, "open")["gpt"]
    agreed = by_item(trust)
    kept = [place for place in range(NUM_EXAMPLES) if place % 3]
    assert agreed["accuracy"].num_responses == len(kept)
    assert agreed["fluency"].num_responses == agreed[OVERALL].num_responses == sum(not place % 2 for place in kept)
    expected = np.mean([ours[place]["accuracy"] - theirs[place]["accuracy"] for place in kept])
    assert agreed["accuracy"].bias.value == pytest.approx(expected)
    assert (trust.num_responses, trust.num_judgements) == (len(kept), NUM_EXAMPLES)


def test_points_are_shares_of_what_an_example_is_worth():
    def marks(side: int) -> Judged:
        points = [2.0, 10.0]
        given = [
            rating(place, {"points": points[place % 2] * ((place + side) % 4) / 4}, points=points[place % 2])
            for place in range(NUM_EXAMPLES)
        ]
        return Judged(facts("model" if side else "people", items=("points",), rubric="points"), tuple(given))

    agreed = by_item(judge_trust(run_of({"a": marks(1), "crowd": marks(0)}), "open")["a"])["points"]
    expected = np.mean([((place + 1) % 4 - place % 4) / 4 for place in range(NUM_EXAMPLES)])
    assert agreed.bias.value == pytest.approx(expected)


def test_runs_are_taken_together_and_pairs_are_within_examples():
    people = [scores_of(3, 0.3), scores_of(4, 0.3)]
    runs = [
        run_of({"gpt": judged(facts("model"), scores_of(5, 0.6, -shift)), "crowd": judged(facts("people"), of)}, label)
        for label, of, shift in (("one", people[0], 0), ("other", people[1], 1))
    ]
    gpt, _ = trust_over(runs, "open")
    agreed = by_item(gpt)["accuracy"]
    assert (agreed.num_responses, agreed.num_examples, agreed.order_within) == (120, 60, True)
    assert gpt.saturation[0].spread == pytest.approx(
        np.ptp([np.mean(column(scores_of(5, 0.6, -shift), "accuracy")) for shift in (0, 1)])
    )
    assert set(trust_notes(all_trusts(runs))) == {
        (label, "open", judge) for label in ("one", "other") for judge in ("gpt", "crowd")
    }


def test_responses_that_runs_share_count_once():
    judges = {"gpt": judged(facts("model"), scores_of(5, 0.6)), "crowd": judged(facts("people"), scores_of(3))}
    shared = Artifact("responses.open", Path("store/responses/1"), Manifest(name="1", stage="responses"))
    runs = [
        replace(run_of(judges, label), artifacts={"responses.open": replace(shared, folder=Path(folder))})
        for label, folder in (("one", "store/1"), ("same", "store/1"), ("other", "store/2"))
    ]
    gpt, _ = trust_over(runs, "open")
    assert by_item(gpt)["accuracy"].num_responses == 2 * NUM_EXAMPLES
    assert (gpt.num_judgements, gpt.labels) == (2 * NUM_EXAMPLES, ("one", "same", "other"))


def test_what_length_earns_is_told_apart_from_what_it_is_worth():
    length = np.arange(NUM_EXAMPLES)
    liked = [{"accuracy": float(round(3 * place / NUM_EXAMPLES))} for place in length]
    people = [{"accuracy": one["accuracy"]} for one in scores_of(2)]
    alone = judge_trust(run_of({"gpt": judged(facts("model", items=ITEMS[:1]), liked)}), "open")["gpt"].lengths[0]
    assert alone.spearman.value is not None
    assert alone.spearman.value > 0.9
    assert alone.given_other is None
    run = run_of(
        {
            "gpt": judged(facts("model", items=ITEMS[:1]), liked),
            "crowd": judged(facts("people", items=ITEMS[:1]), people),
        }
    )
    both = judge_trust(run, "open")["gpt"].lengths[0]
    assert both.given_other is not None
    assert both.given_other.value is not None
    assert both.given_other.value > 0.9


def test_few_ratings_and_equal_ones_are_told_with_their_reason():
    ours: Scores = [{"accuracy": 3.0, "fluency": float(place % 4)} for place in range(8)]
    run = run_of({"gpt": judged(facts("model"), ours), "crowd": judged(facts("people"), scores_of(2)[:8])})
    agreed = by_item(judge_trust(run, "open")["gpt"])
    assert (agreed["accuracy"].spearman.value, agreed["accuracy"].spearman.why) == (None, "gpt: all scores are equal")
    assert agreed["fluency"].spearman.value is not None
    assert agreed["fluency"].spearman.low is None
    tables = {table.key: table for table in trust_tables([run])}
    (group,) = tables["trust.open"].groups
    assert [cell.text for cell in group.rows[1]][:3] == ["Accuracy", "8", "\u2013"]
    assert "Accuracy: gpt: all scores are equal" in group.note
    assert "fewer than 10 examples: no interval" in group.note
    said = json.loads(json.dumps(tables["trust.open"].to_json()))
    assert said["rows"][1]["spearman"] is None


def test_tables_name_the_language_and_hold_what_was_measured():
    people = judged(facts("people"), scores_of(3, 0.3), scores_of(4, 0.3))
    run = run_of({"gpt": judged(facts("model"), scores_of(5, 0.4)), "crowd": people})
    tables = {table.key: table for table in trust_tables([run])}
    assert list(tables) == ["trust_alone.open", "trust.open", "trust_categories.open"]
    assert tables["trust.open"].title == "Agreement of judges: Open (Swahili)"
    agreed = by_item(judge_trust(run, "open")["gpt"])
    (row,) = [row for row in tables["trust.open"].to_json()["rows"] if row["item"] == "Fluency"]
    assert row["alpha"] == {
        "value": agreed["fluency"].alpha.value,
        "low": agreed["fluency"].alpha.low,
        "high": agreed["fluency"].alpha.high,
    }
    assert "equal_low" in tables["trust_alone.open"].to_csv().splitlines()[0]
    assert [len(group.rows) for group in tables["trust_categories.open"].groups] == [2]


def test_runs_without_judges_have_no_tables():
    assert trust_tables([run_of({})]) == ()
    assert trust_notes(all_trusts([run_of({})])) == {}
