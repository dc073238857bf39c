#!/usr/bin/env python3
"""mdBook's preprocessor of book.toml: brings pages that lie outside of docs/ into the book.

A page of docs/ may link to a page elsewhere in the repository, such as a library's own. In the book it stands below the
chapter that links to it first. Of links to other files, sources for example, the text is kept. Decisions stand below
their index, so that nobody has to list a new one twice.
"""
import json
import pathlib
import posixpath
import re
import sys

import pages

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Outside:
    """Where each page is in the book, by its path from the root of the repository."""

    def __init__(self, chapters: list) -> None:
        self.places = {posixpath.join("docs", it["path"]): it["path"] for it in chapters}
        self.found: list[tuple[str, str]] = []

    def place(self, path: str) -> str | None:
        """The page's place in the book; a new one, if there is such a page."""
        if path not in self.places and path.endswith(".md") and not path.startswith("docs/"):
            if (ROOT / path).is_file():
                name = re.sub(r"/?README\.md$", "", path) or "readme"
                self.places[path] = "outside/" + name.removesuffix(".md").replace("/", "-") + ".md"
                self.found.append((path, self.places[path]))
        return self.places.get(path)

    def rewrite(self, text: str, path: str, place: str) -> str:
        """`text` of the page `path`, with links as they are in the book at `place`."""

        def moved(leads_to: str) -> str | None:
            there = self.place(leads_to)
            is_in_docs = leads_to.startswith("docs/") and (ROOT / leads_to).is_file()
            if there is None and is_in_docs and not place.startswith("outside/"):
                there = posixpath.relpath(leads_to, "docs")
            return there and posixpath.relpath(there, posixpath.dirname(place) or ".")

        return pages.rewrite(text, path, moved)


def walk(items: list) -> list:
    chapters = [it["Chapter"] for it in items if isinstance(it, dict) and "Chapter" in it]
    return [it for own in chapters for it in (own, *walk(own["sub_items"]))]


def chapter(text: str, place: str, parent: dict) -> dict:
    title = next((it.lstrip("# ") for it in text.splitlines() if it.startswith("# ")), place)
    names = [*parent["parent_names"], parent["name"]]
    return {"Chapter": {"name": title.replace("`", ""), "content": text, "number": None, "sub_items": [],
                        "path": place, "source_path": None, "parent_names": names}}


def add_decisions(chapters: list) -> None:
    index = next(it for it in chapters if it["path"] == "decisions/README.md")
    for page in sorted((ROOT / "docs/decisions").glob("[0-9]*.md")):
        index["sub_items"].append(chapter(page.read_text(), f"decisions/{page.name}", index))


def main() -> None:
    if sys.argv[1:2] == ["supports"]:
        return
    _, book = json.load(sys.stdin)
    add_decisions(walk(book.get("items") or book.get("sections")))
    chapters = [it for it in walk(book.get("items") or book.get("sections")) if it["path"]]
    outside = Outside(chapters)
    for own in chapters:
        path = posixpath.join("docs", own["path"])
        own["content"] = outside.rewrite(own["content"], path, own["path"])
        while outside.found:
            found, place = outside.found.pop(0)
            text = outside.rewrite((ROOT / found).read_text(), found, place)
            own["sub_items"].append(chapter(text, place, own))
    json.dump(book, sys.stdout)


if __name__ == "__main__":
    main()
