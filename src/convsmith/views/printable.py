"""Names as they can be shown."""

from __future__ import annotations


def printable(text: str) -> str:
    """A name in which nothing moves a terminal's cursor, ends a line, or stands in no XML.

    >>> printable("a\\x1b[2J")
    'a\ufffd[2J'
    """
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
