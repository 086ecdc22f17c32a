"""What an answer says without its looks: no Markdown, and the words that carry grammar alone."""

from markdown_it import MarkdownIt

_MARKDOWN = MarkdownIt("commonmark").enable("table")

WORDS_OF_GRAMMAR = frozenset(
    word
    for words in (
        "a an the of to in on at by for with from as into onto upon within about",
        "that this these those it its which who whom whose here there",
        "is are was were be been being and so also then such very quite rather just really",
    )
    for word in words.split()
)
"""English words without a stance: no negation, no modal verb, no quantity."""


def plain(answer: str) -> list[str]:
    """What an answer says without its Markdown: a text a paragraph, heading, item or cell; code is left out."""
    blocks = [token.children or [] for token in _MARKDOWN.parse(answer) if token.type == "inline"]
    texts = ["".join(" " if child.type.endswith("break") else child.content for child in block) for block in blocks]
    return [text for text in map(str.strip, texts) if text]
