"""The card of one run's model: what it is, what it was made of, how it scores, and what is not known of it.

In: the records of a study's runs, and the recipe of the run that is given out. Out: Markdown with the Hub's YAML front
matter; every number in it is computed from the records, none is typed.
"""
