"""Who judges responses to open questions, by which rubric, and what the judgements come to as numbers.

In: Responses, and a judge. Out: Judgements (raw replies, judgements.jsonl); of these, without any model, Ratings and
Preferences. No reply that cannot be read is ever a number.
"""
