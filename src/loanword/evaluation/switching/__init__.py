"""Where responses leave the language that they were to be in.

In: responses. Out: one `Switching` a response. Three levels are looked at: letters of another script (`scripts`), words
of another language in the same script (`words`), and clauses of one (`clauses`). What is quoted, named, coded, measured
or asked about does not count (`exempt`). `lines` has the pass rates of the Language Confusion Benchmark beside it,
`mixed` makes text of which it is known where it switches, and `rates` counts errors.
"""
