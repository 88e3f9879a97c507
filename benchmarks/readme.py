"""``python -m benchmarks.readme [--check]``: fill the docs' generated tables, so that no figure there is typed by hand.

``<!-- results:NAME:begin -->`` .. ``<!-- results:NAME:end -->`` holds the goals of ``docs/results/NAME.json``;
``<!-- settings:begin -->`` .. ``<!-- settings:end -->`` holds the table of settings, ``<!-- model:begin -->`` .. the
accuracy of the shipped model; ``<!-- conversion:begin -->`` .. the networks of ``docs/results/convert.json``, and
``<!-- networks:begin -->`` .. those of ``docs/results/networks.json``, ``<!-- server:begin -->`` .. the servers of
``docs/results/server.json``, ``<!-- page:begin -->`` .. the pages of ``docs/results/page.json``,
``<!-- loadtest:begin -->`` .. the devices of ``docs/results/loadtest.json``, and
``<!-- teaching:begin -->`` .. the ways to learn of ``docs/results/teaching.json``.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from pathlib import Path
from typing import Final

from benchmarks.convert.table import conversion_table
from benchmarks.devices import loadtest_table
from benchmarks.page.table import page_table
from benchmarks.results import RESULTS, ROOT, measured_with, read_result
from benchmarks.serving.table import server_table
from benchmarks.teaching import teaching_table
from twinlens.errors import TwinlensError
from twinlens.settings import table
from twinlens.store import open_current, write_atomically

DOCS: Final = ROOT / "docs"
DOCUMENTS: Final = (
    ROOT / "README.md",
    DOCS / "bulk.md",
    DOCS / "container.md",
    DOCS / "data.md",
    DOCS / "networks.md",
    DOCS / "similar.md",
    DOCS / "decisions" / "015-teaching.md",
)

_TABLES: Final = "settings|model|conversion|networks|server|teaching|page|loadtest"
_BLOCK: Final = re.compile(
    rf"(?P<begin><!-- (?P<name>{_TABLES}|results:[a-z0-9-]+):begin -->\n)(?P<body>.*?)(?P<end><!-- (?P=name):end -->)",
    re.DOTALL,
)
_MARK: Final = re.compile(rf"<!-- (?:{_TABLES}|results:[^ ]*?):(?:begin|end) -->")


def filled(text: str, results: Path) -> str:
    """A Markdown text with every generated block written anew.

    :param results: the folder of the result files.
    :raises TwinlensError: ``invalid_data`` if a block has no end, or names a result file that is not there.
    """
    if len(_MARK.findall(text)) != 2 * len(_BLOCK.findall(text)):
        raise TwinlensError("invalid_data", "A generated block has no end, or no beginning.")

    def body(match: re.Match[str]) -> str:
        name = match["name"]
        if name == "settings":
            content = table()
        elif name == "model":
            content = accuracy_table(ROOT / "bentos" / "clothing")
        elif name == "networks":
            content = networks_table(results / "networks.json")
        elif name == "conversion":
            content = conversion_table(results / "convert.json")
        elif name == "server":
            content = server_table(results / "server.json")
        elif name == "teaching":
            content = teaching_table(results / "teaching.json")
        elif name == "page":
            content = page_table(results / "page.json")
        elif name == "loadtest":
            content = loadtest_table(results / "loadtest.json")
        else:
            content = goals_table(results / f"{name.removeprefix('results:')}.json")
        return f"{match['begin']}{content}\n{match['end']}"

    return _BLOCK.sub(body, text)


def accuracy_table(model: Path) -> str:
    """Accuracy of the version in use of a model, from its ``evaluation.json``, with the command that measures it.

    :param model: the model's folder, ``MODELS/NAME``.
    :raises TwinlensError: as :func:`twinlens.store.open_current` does.
    """
    version = open_current(model)
    evaluation = json.loads((version.path / "evaluation.json").read_bytes())
    lines = ["| Split | Top-1 | 95 % interval | Photos |", "| --- | --- | --- | --- |"]
    for split, found in evaluation.items():
        low, high = found["interval"]
        lines.append(f"| {split} | {found['top1']:.4f} | {low:.3f} to {high:.3f} | {found['n']} |")
    command = f"python -m training evaluate {model.relative_to(ROOT).as_posix()} --split test --data PHOTOS"
    return "\n".join(
        [*lines, "", f"`{command}`; see the [card]({(version.path / 'MODEL_CARD.md').relative_to(ROOT)})."]
    )


def networks_table(path: Path) -> str:
    """The result as Markdown.

    :param path: the result file.
    :raises TwinlensError: ``invalid_data`` if there is no such file.
    """
    content = read_result(path)
    lines = [
        "| Network | Initial weights | Test top-1 | 95 % interval | MB for the page | Server, ms | Page, ms |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in content["rows"]:
        low, high = row["interval"]
        lines.append(
            f"| `{row['network']}` | {row['initial']} | {row['test_top1']:.4f} | {low:.3f} to {high:.3f} "
            f"| {row['megabytes'][0]:.2f} | {row['server_ms']:.1f} | {row['page_ms']:.1f} |"
        )
    return "\n".join([*lines, "", measured_with(content)])


def goals_table(path: Path) -> str:
    """The goals of a result file as a Markdown table, with the command and the machine that they were measured with.

    Where the file has a ``spread``, the 10th and the 90th percentile over the rounds stand beside a value.

    :raises TwinlensError: ``invalid_data`` if there is no such file.
    """
    content = read_result(path)
    lines = ["| Figure | Measured | Asked for | Met |", "| --- | --- | --- | --- |"]
    spread = content.get("spread", {})
    for goal in content["goals"]:
        value = "not measured" if goal["value"] is None else f"{goal['value']:g}"
        if found := spread.get(goal["name"]):
            value += f" ({found['p10']:g} to {found['p90']:g})"
        bound = f"{'≥' if goal['better'] == 'higher' else '≤'} {goal['goal']:g}"
        met = "yes" if goal["met"] else "**no**"
        lines.append(f"| `{goal['name']}` ({goal['unit']}) | {value} | {bound} | {met} |")
    return "\n".join([*lines, "", measured_with(content)])


def main(arguments: list[str] | None = None) -> int:
    """Write the tables, or with ``--check`` tell whether they are up to date; status 1 if they are not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readme", description="Fill the docs' generated tables.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a table is out of date")
    options = parser.parse_args(arguments)
    status = 0
    for document in DOCUMENTS:
        old = document.read_text(encoding="utf-8")
        try:
            new = filled(old, RESULTS)
        except TwinlensError as error:
            sys.stderr.write(f"{error}\n")
            return 2
        if not options.check:
            write_atomically(document, new.encode())
        elif new != old:
            lines = old.splitlines(True), new.splitlines(True)
            sys.stdout.writelines(difflib.unified_diff(*lines, document.name, "generated"))
            sys.stderr.write(f"{document.name} is out of date: run `make readme`.\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
