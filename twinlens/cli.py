"""The command line: ``twinlens serve``, ``site``, ``classify``, ``compare``, ``review``, ``feedback``, ``index``,
``models`` and ``rollback``.

Options stand over the environment's settings. An error is one line that says what was wrong and what to do, and ends
with status 2; ``classify`` and ``compare`` end with status 1 where some of the files could not be answered, ``models``
where a version cannot be used.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import twinlens
from twinlens.arguments import integer, path
from twinlens.errors import TwinlensError
from twinlens.settings import ROOT, Settings, variable
from twinlens.similar.arguments import add_parser as add_index

_OF_SETTINGS: Final = ("models", "model", "page", "host", "port")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    :param arguments: what stands after the program's name; the process's own by default.
    :return: the exit status: 0, 1 where a file could not be answered, 2 for an error that ended the command.
    """
    options = _parser().parse_args(arguments)
    if sys.stdout is None:
        sys.stderr.write("twinlens: cannot_write: standard output is closed.\n")
        return 2
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may hold what the terminal's encoding, or any, cannot write; JSON is UTF-8 everywhere.
        json_too = getattr(options, "json", False)
        sys.stdout.reconfigure(encoding="utf-8" if json_too else None, errors="backslashreplace")
    try:
        given = {name: getattr(options, name, None) for name in _OF_SETTINGS}
        set_here = {variable(name): str(value) for name, value in given.items() if value is not None}
        settings = Settings.from_environment({**os.environ, **set_here})
        if options.command == "serve":
            from twinlens.serve import serve  # BentoML takes a second to import, which classify need not wait for

            serve(settings)
            return 0
        if options.command == "site":
            from twinlens.site.write import write_site

            written = write_site(settings.page, settings.model_folder, options.out, options.gallery)
            sys.stdout.write(
                f"{written.path}: {written.model} {written.version}, {written.files} files, "
                f"{written.size / 1e6:.1f} MB\n"
            )
            return 0
        if options.command == "compare":
            from twinlens.compare.command import compare

            return compare(
                options.a,
                options.b,
                options.data,
                settings,
                split=options.split,
                out=options.out,
                as_json=options.json,
            )
        if options.command == "review":
            from twinlens.review.command import review

            return review(
                options.data,
                settings,
                who=options.who,
                issues=options.issues,
                feedback=options.feedback,
                port=options.at,
                page=options.review_page,
                judged=not options.no_model,
            )
        if options.command == "feedback":
            from twinlens.feedback.command import feedback

            return feedback(settings, options.what, options)
        if options.command == "models":
            from twinlens.models import models

            return models(settings, options.model, as_json=options.json)
        if options.command == "rollback":
            from twinlens.models import rollback

            return rollback(settings, options.version_name, options.who)
        if options.command == "index":
            from twinlens.similar.command import run

            return run(options, settings)
        if options.out is not None:
            from twinlens.bulk.command import ENGINES, classify_to

            return classify_to(
                options.files,
                options.out,
                settings,
                top_k=options.top_k,
                engine=options.engine or ENGINES[0],
                workers=options.workers,
                address=options.ray_address,
            )
        if options.engine or options.workers or options.ray_address:
            raise TwinlensError(
                "invalid_arguments",
                "--engine, --workers and --ray-address are for many photos: say --out FILE.parquet too.",
            )
        from twinlens.classify import classify

        return classify(options.files, settings, top_k=options.top_k, as_json=options.json)
    except TwinlensError as error:
        sys.stderr.write(f"twinlens: {error.code}: {error}\n")
        return 2
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a full disk, a closed output, a home folder that BentoML cannot write to
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"twinlens: cannot_write: {where}{error.strerror or error}\n")
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="twinlens",
        description="One image classifier that gives the same answer over HTTP and in the visitor's browser.",
        epilog="Every setting is an environment variable too; README.md lists them.",
    )
    parser.add_argument("--version", action="version", version=f"twinlens {twinlens.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve the model over HTTP, and the page")
    serve.add_argument("--host", help="address to listen on (127.0.0.1; 0.0.0.0 for every one that the machine has)")
    serve.add_argument("--port", help="port to listen on (3000)")
    site = commands.add_parser(
        "site",
        help="write the page and its model as a folder for any static host",
        description="Write the page, and of the model what the page reads, as a folder that works from any path of any "
        "static host, with header files for the usual ones. A folder that holds anything else is never replaced.",
    )
    site.add_argument("out", type=path, metavar="OUT", help="folder to write")
    site.add_argument(
        "--gallery", type=path, metavar="FILE", help="what `twinlens index gallery` wrote, for the page to search"
    )
    classify = commands.add_parser("classify", help="classify image files, as the server would")
    classify.add_argument("files", nargs="+", type=path, metavar="FILE", help="an image, or a folder of images")
    form = classify.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="write JSON Lines: one object a file")
    form.add_argument("--out", type=path, metavar="FILE", help="write a Parquet file: a row a photo, also if it failed")
    classify.add_argument("--top-k", type=integer(1), default=5, metavar="K", help="how many labels at most (5)")
    bulk = classify.add_argument_group("with --out", "Many photos, in several processes; one that was stopped goes on.")
    bulk.add_argument("--engine", choices=("processes", "ray"), help="what runs it (processes)")
    bulk.add_argument(
        "--workers", type=integer(1), default=0, metavar="N", help="processes (as many as there are cores)"
    )
    bulk.add_argument("--ray-address", metavar="ADDRESS", help="of a Ray cluster (one on this machine, for this job)")
    compare = commands.add_parser(
        "compare",
        help="put two models side by side on the same photos",
        description="Put two models side by side on the same photos: accuracy, size and speed of both, and the photos "
        "on which they differ.",
    )
    compare.add_argument("a", type=path, metavar="A", help="folder of a model, or of one of its versions")
    compare.add_argument("b", type=path, metavar="B", help="the other one's")
    compare.add_argument("--data", type=path, required=True, metavar="PHOTOS", help="one folder a label, or any photos")
    compare.add_argument(
        "--split", choices=("train", "validation", "test"), help="which photos, if PHOTOS has splits (validation)"
    )
    compare.add_argument("--out", type=path, metavar="FILE", help="write a page of HTML, the differing photos in it")
    compare.add_argument("--json", action="store_true", help="print every figure as one JSON object")
    review = commands.add_parser(
        "review",
        help="look at doubtful photos of a data set, and correct their labels",
        description="Serve a page on this machine with the photos of a data set, the most doubtful first: confirm, "
        "relabel, set aside, undo, all by the keyboard. Every decision is a line of DATA/.reviews.jsonl and a new "
        "manifest; no photo is changed or deleted.",
    )
    review.add_argument("data", type=path, metavar="DATA", help="folder of the data set, which has a manifest")
    review.add_argument("--who", metavar="NAME", help="recorded with each decision (whoever is logged in)")
    review.add_argument("--issues", type=path, metavar="FILE", help="check.json (report/data/NAME/check.json, if any)")
    review.add_argument(
        "--feedback",
        metavar="ADDRESS",
        help="server whose feedback is looked at, with the token of TWINLENS_FEEDBACK_TOKEN (the settings' own store)",
    )
    review.add_argument("--no-model", action="store_true", help="do not ask the model in use about the photos")
    review.add_argument(
        "--port", dest="at", type=integer(1, 65535), default=3001, metavar="PORT", help="port to listen on (3001)"
    )
    review.add_argument(
        "--page",
        dest="review_page",
        type=path,
        default=ROOT / "web" / "dist-review",
        metavar="FOLDER",
        help=argparse.SUPPRESS,
    )
    _add_feedback(commands)
    models = commands.add_parser("models", help="list models with their versions, figures, and who published them")
    models.add_argument("--json", action="store_true", help="write JSON Lines: one object a version")
    rollback = commands.add_parser(
        "rollback",
        help="put an earlier version of the model in use",
        description="Put an earlier version of the model in use, after seeing that it is whole. Running servers take "
        "it up by themselves.",
    )
    rollback.add_argument("version_name", nargs="?", metavar="VERSION", help="which (what the one in use has replaced)")
    rollback.add_argument("--who", metavar="NAME", help="recorded in the log (whoever is logged in)")
    add_index(commands)
    for command in (serve, site):
        command.add_argument("--page", type=path, metavar="FOLDER", help="folder of the built page")
    for command in (serve, site, classify, review, models, rollback):
        command.add_argument("--models", type=path, metavar="FOLDER", help="folder that holds the models")
        command.add_argument("--model", metavar="NAME", help="name of the model in use")
    return parser


def _add_feedback(commands: Any) -> None:
    feedback = commands.add_parser(
        "feedback",
        help="look at what visitors said of answers",
        description="Look at what visitors said of answers, in the store that TWINLENS_FEEDBACK names. Decisions are "
        "made in `twinlens review`.",
    )
    what = feedback.add_subparsers(dest="what", required=True, metavar="WHAT")
    listed = what.add_parser("list", help="what was said, in the order in which it came")
    listed.add_argument("--state", choices=("new", "accepted", "relabelled", "set-aside"), help="only what is in it")
    stats = what.add_parser("stats", help="how much there is")
    for each in (listed, stats):
        each.add_argument("--json", action="store_true", help="write JSON: list one object a line, stats one object")
    remove = what.add_parser("remove", help="forget one visitor's word, and its photo if nobody else spoke of it")
    remove.add_argument("id", metavar="ID", help="of the feedback, as `list` shows it")
