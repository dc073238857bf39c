"""The commands of a document, as they stand there, for the test that their mark names."""

import pathlib
import re
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]


def commands(page: str, test: str) -> list[str]:
    """The blocks of a page of the documents that are marked with a test of `tests/packages`."""
    marked = re.escape(f" {test} -->")
    text = (ROOT / page).read_text()
    found = re.findall(rf"<!-- checked: tests/packages/\S+{marked}\n( *```sh\n.*?)```", text, re.DOTALL)
    assert found, f"{page} has no commands for {test}"
    return [textwrap.dedent(it).split("\n", 1)[1] for it in found]


def put(text: str, places: dict[str, str]) -> str:
    """Something in the place of what only a reader has."""
    for shown, meant in places.items():
        assert shown in text, f"`{shown}` is not shown:\n{text}"
        text = text.replace(shown, meant)
    return text
