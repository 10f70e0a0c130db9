"""How the numbers of the report are made, in words, with the constants that the code uses."""

from loanword.report import statistics
from loanword.report.comparisons import MARGIN_ACCURACY, MARGIN_BITS_PER_BYTE
from loanword.report.saying import say
from loanword.report.wording import decimal, percent, plain


def rules() -> list[tuple[str, str]]:
    """Name and text of each rule."""
    return [
        (
            "Bits per byte",
            "Negative log-likelihood of the held-out documents, summed, in bits, over the sum of their UTF-8 bytes. "
            "Special tokens carry neither. Perplexity is the exponential of the same sum in nats over the number of "
            "tokens.",
        ),
        (
            "Intervals",
            say(
                "All are {confidence} intervals. Likelihoods: percentile bootstrap over documents, {resamples} "
                "resamples, the same for every run. Accuracy: Wilson. Mean over subjects: bootstrap over questions "
                "within subjects. They speak of other documents and questions of the same kind; of other training "
                "seeds only where an arm has several, whose mean then stands with an interval over seeds and examples.",
                confidence=percent(statistics.CONFIDENCE, 0),
                resamples=plain(statistics.NUM_RESAMPLES),
            ),
        ),
        (
            "Paired tests",
            "Likelihoods: paired bootstrap over documents, Student\u2019s interval and p on its standard error; the "
            "same over questions for ratings, points and means over subjects. Arms of several seeds: paired by seed "
            "too. Answers that are right or wrong, and responses that switch or do not: exact McNemar test over the "
            "questions that both runs answered, interval by Bonett and Price. Alignment: exact sign test over "
            "sentences, interval by bootstrap. p-values are adjusted by Holm within each table, over all of it where "
            "its note says nothing else.",
        ),
        (
            "Verdicts",
            say(
                "Not enough data: fewer than {fewest} shared examples, whatever p is. Helps or hurts: otherwise, with "
                "an adjusted p below {level} and an interval on one side of zero. Not enough data again: otherwise, "
                "with an interval that reaches beyond {bits} bits per byte, {points} points or a tenth of a "
                "rating\u2019s scale. In all other cases: no difference larger than the far end of the interval.",
                fewest=plain(statistics.SMALLEST_NUM_EXAMPLES),
                level=decimal(statistics.SIGNIFICANCE, 2),
                bits=decimal(MARGIN_BITS_PER_BYTE, 1),
                points=plain(100 * MARGIN_ACCURACY),
            ),
        ),
        (
            "Best run",
            "The run with the fewest bits per byte of the target language. It was chosen on the documents that it is "
            "reported on, which flatters it a little.",
        ),
        (
            "Overlap",
            "A text holds an example where a run of the example's words (of its characters where words are not "
            "separated by spaces) is in it, or where one stretch of it holds most of the example's words in any order. "
            "Touched minus clean: Newcombe's interval for different examples; a bootstrap where examples earn parts.",
        ),
        (
            "Missing",
            "Planned and not finished. It is shown as missing and enters no number. A dash is something that the run "
            "does not plan.",
        ),
    ]
