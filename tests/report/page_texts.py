"""What a page says, without what is not its own to say."""

import re
from html.parser import HTMLParser

LATIN_WORDS = re.compile(r"(?:\b[A-Za-z][a-z]+\b[ ,]+){3,}[a-z]+")


class Texts(HTMLParser):
    """The texts that a page shows, those of code, names in other languages and its script left out."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inside: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style", "code", "header", "blockquote"):
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.inside and tag == self.inside[-1]:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if not self.inside and data.strip():
            self.found.append(data)


def english_sentences(page: str) -> list[str]:
    """Texts of a page with four Latin words or more in a row."""
    return [text for text in Texts(page).found if LATIN_WORDS.search(text)]
