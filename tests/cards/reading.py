"""Reads rendered Markdown back with a CommonMark parser that knows tables, as a site would."""

from markdown_it import MarkdownIt

PARSER = MarkdownIt("commonmark").enable("table")


def tokens(text):
    """All tokens, inline ones too."""
    for token in PARSER.parse(text):
        yield token
        yield from token.children or ()


def html(text):
    """Raw HTML that a site would render, other than comments."""
    found = [token.content for token in tokens(text) if token.type in ("html_block", "html_inline")]
    return [content for content in found if not content.strip().startswith("<!-- datadreamer:")]


def headings(text):
    parsed = PARSER.parse(text)
    return [parsed[at + 1].content for at, token in enumerate(parsed) if token.type == "heading_open"]


def fences(text):
    return [token.content for token in tokens(text) if token.type == "fence"]


def tables(text):
    """Every table as a list of rows of cell sources."""
    found = []
    for at, token in enumerate(parsed := PARSER.parse(text)):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("td_open", "th_open"):
            found[-1][-1].append(parsed[at + 1].content)
    return found


def links(text):
    return [token.attrs["href"] for token in tokens(text) if token.type == "link_open"]
