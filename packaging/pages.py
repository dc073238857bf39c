"""Links of a page of the documents that is to stand in another place: in the book, or where packages install it."""

import posixpath
import re
from collections.abc import Callable

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)#\s]*)(#[^)]*)?\)")


def rewrite(text: str, path: str, moved: Callable[[str], str | None]) -> str:
    """`text` of the page `path`, whose links to other files lead where `moved` says. Both name files by their path from the
    root of the repository. Of a link to what is not there, the words are kept."""

    def link(found: re.Match) -> str:
        mark, words, target, anchor = found[1], found[2], found[3], found[4] or ""
        if not target or "://" in target or target.startswith("mailto:"):
            return found[0]
        there = moved(posixpath.normpath(posixpath.join(posixpath.dirname(path), target)))
        return words if there is None else f"{mark}[{words}]({there}{anchor})"

    return LINK.sub(link, text)
