"""The command ``python -m training retrain``: its arguments, and what it ends with."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from training.retrain.candidate import Recipe
from training.retrain.child import ended_by_sigterm
from training.retrain.gate import Limits
from training.retrain.request import Request
from training.retrain.steps import retrain, summary
from training.retrain.watch import watch
from training.rounding import WEIGHTS
from training.run import as_json
from twinlens.arguments import integer, number
from twinlens.errors import TwinlensError
from twinlens.publishing import publisher

RUNS: Final = Path("runs")


def add_parser(commands: Any) -> None:
    """Declare the command.

    :param commands: what :meth:`argparse.ArgumentParser.add_subparsers` gave.
    """
    parser = commands.add_parser(
        "retrain",
        help="learn what was reviewed since, and publish it if it is not worse",
        description="Let the model in use learn on from the reviewed photos of a data set, compare it with itself as "
        "it was on the fixed test split and on reviewed photos that nothing learns from, and publish it only if "
        "nothing speaks against that. A refused candidate is kept with the reasons, and ends it with status 1.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    limits, recipe = Limits(), Recipe()
    add("data", type=Path, metavar="DATA", help="folder of the data set, which has a manifest")
    add(
        "--model", type=Path, required=True, metavar="MODELS/NAME", default=argparse.SUPPRESS, help="the model's folder"
    )
    add(
        "--out",
        type=Path,
        default=argparse.SUPPRESS,
        help="folder of the retraining, made anew (runs/NAME-TIME); with --watch the folder of those folders (runs)",
    )
    add(
        "--watch",
        type=integer(1),
        metavar="N",
        default=argparse.SUPPRESS,
        help="go on for ever: retrain whenever N photos were reviewed since",
    )
    add("--dry-run", action="store_true", help="do everything but publish")
    add("--resume", action="store_true", help="go on with the retraining in --out that was stopped")
    add("--who", metavar="NAME", default=argparse.SUPPRESS, help="recorded as who published (whoever is logged in)")
    add(
        "--trained-on",
        type=Path,
        metavar="RUN",
        default=argparse.SUPPRESS,
        help="run or manifest that the model in use was trained on, where DATA has none of it",
    )
    add("--weights", choices=WEIGHTS, default=argparse.SUPPRESS, help="what weights are rounded to (as in use)")
    add("--no-page", action="store_true", help="do not try the candidate in the built page, which needs Chromium")
    add("--json", action="store_true", help="print what retrain.json holds; with --watch a line for each retraining")
    gate = parser.add_argument_group("the gate")
    gate.add_argument(
        "--tolerance", type=number(0, 0.5), default=limits.tolerance, help="accuracy that may be lost, as a share"
    )
    gate.add_argument(
        "--label-margin", type=number(0, 1), default=limits.label_margin, help="of a label's recall that may be lost"
    )
    gate.add_argument(
        "--label-photos",
        type=integer(1),
        default=limits.label_photos,
        help="photos that a label must lose to be refused",
    )
    gate.add_argument(
        "--enough", type=integer(1), default=limits.enough, help="photos from which on nothing lost has to be shown"
    )
    gate.add_argument(
        "--test-changes",
        type=number(0, 1),
        default=limits.test_changes,
        help="share of test, and of validation, that may be relabelled",
    )
    gate.add_argument(
        "--nll", type=number(0, 10), default=limits.nll, help="by which the negative log-likelihood may rise, in nats"
    )
    gate.add_argument(
        "--not-sure", type=number(0, 1), default=limits.not_sure, help='by which the share of "not sure" may rise'
    )
    learning = parser.add_argument_group("the training")
    learning.add_argument("--epochs", type=integer(1), default=recipe.epochs, help="most epochs")
    learning.add_argument("--lr-body", type=number(0, 1), default=recipe.lr_body, help="learning rate of the body")
    learning.add_argument("--lr-head", type=number(0, 1), default=recipe.lr_head, help="of the last layer")
    learning.add_argument(
        "--train-size", type=integer(8), default=argparse.SUPPRESS, help="edge of the crops (the served input's)"
    )
    learning.add_argument("--batch-size", type=integer(2), default=recipe.batch_size, help="photos in a step")
    learning.add_argument("--seed", type=integer(0), default=recipe.seed, help="of the order and the crops")
    learning.add_argument("--device", choices=["auto", "cpu", "cuda"], default=recipe.device, help="where it runs")
    learning.add_argument("--workers", type=integer(0), default=argparse.SUPPRESS, help="processes that augment")
    parser.set_defaults(func=run)


def run(options: argparse.Namespace) -> int:
    """Retrain, and say on stdout what came of it; whatever is said meanwhile goes to stderr.

    :return: the exit status: 0 if the candidate was published, or passed a dry run; 1 if it was refused.
    :raises TwinlensError: as :func:`training.retrain.steps.retrain` does; ``invalid_arguments`` for ``--resume`` with
        ``--watch``.
    """

    def given(kind: type[Any]) -> Any:
        names = (entry.name for entry in fields(kind))
        return kind(**{name: getattr(options, name) for name in names if hasattr(options, name)})

    watching: int | None = getattr(options, "watch", None)
    if watching is not None and options.resume:
        raise TwinlensError(
            "invalid_arguments",
            "--watch begins retrainings of its own. Finish the one that was stopped first: --resume --out ITS-FOLDER, "
            "without --watch.",
        )
    stamp = f"{options.model.resolve().name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    request = Request(
        data=options.data,
        model=options.model,
        out=getattr(options, "out", RUNS if watching else RUNS / stamp),
        who=publisher(getattr(options, "who", None)),
        trained_on=getattr(options, "trained_on", None),
        weights=getattr(options, "weights", None),
        limits=given(Limits),
        recipe=given(Recipe),
        page=not options.no_page,
        dry_run=options.dry_run,
        resume=options.resume,
    )
    stdout = sys.stdout

    def tell(record: dict[str, Any], out: Path) -> None:
        line = json.dumps(record, ensure_ascii=False) if watching else as_json(record).decode().rstrip()
        stdout.write(f"{line if options.json else summary(record, out)}\n")
        stdout.flush()

    with ended_by_sigterm(), contextlib.redirect_stdout(sys.stderr):
        if watching is not None:
            watch(request, watching, tell)
            return 0
        record = retrain(request)
    tell(record, request.out)
    return 1 if record["outcome"] == "refused" else 0
