"""The command ``twinlens index``: make an index of photos, change it, ask it, write the page's gallery of it."""

from __future__ import annotations

import argparse
import json
import sys

from twinlens.classifier import Classifier
from twinlens.classify import read_file
from twinlens.errors import TwinlensError
from twinlens.folders import readable
from twinlens.settings import Settings
from twinlens.similar.build import Outcome, add, build, gone, rebuild, remove
from twinlens.similar.folder import Description, describe
from twinlens.similar.found import listed
from twinlens.similar.gallery import write_gallery
from twinlens.similar.index import Index
from twinlens.similar.options import Options
from twinlens.store import open_current


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Do what was asked for.

    :return: the exit status: 1 if a photo could not be read, else 0.
    :raises TwinlensError: what is wrong with the index, the photos, the model or the arguments.
    """
    action: str = options.action
    if action == "search":
        return _search(options, settings)
    if action == "info":
        found = describe(options.index)
        body = json.dumps(found.model_dump(mode="json"), ensure_ascii=False, indent=2)
        _say(body if options.json else "\n".join(summary(found)))
        return 0
    if action == "gallery":
        opened = Index(options.index, open_current(settings.model_folder).digest)
        written = write_gallery(opened, options.out, options.dimensions)
        header = written.header
        found_by_it = "" if header.recall_at_10 is None else f", recall@10 {header.recall_at_10:.3f} of the index's own"
        _say(
            f"{options.out}: {header.photos} photos, {header.dimensions} dimensions, {written.bytes / 1e6:.2f} MB"
            f"{found_by_it}\nsha256 {written.sha256}"
        )
        return 0
    outcome = _change(action, options, settings)
    sys.stderr.write(listed(outcome.failed))
    _say("\n".join(told(outcome)))
    return 1 if outcome.failed else 0


def _change(action: str, options: argparse.Namespace, settings: Settings) -> Outcome:
    if action == "build":
        chosen = _options(options, Options())
        return build(options.photos, options.out, settings, chosen, options.workers)
    if action == "add":
        return add(options.index, options.photos, settings, options.workers)
    if action == "rebuild":
        search, projection = describe(options.index).search, describe(options.index).projection
        before = Options(projection.asked_for, search.asked_for, search.wanted)
        return rebuild(options.index, settings, _options(options, before))
    ids = list(options.ids)
    if options.missing is not None:
        ids += gone(options.index, options.missing, settings)
        if not ids:
            raise TwinlensError("invalid_arguments", "Every photo of the index is there: nothing was removed.")
    if not ids:
        raise TwinlensError("invalid_arguments", "Say which photos: their ids, or --missing PHOTOS.")
    return remove(options.index, ids, settings)


def _options(given: argparse.Namespace, before: Options) -> Options:
    dimensions = None if given.no_projection else given.dimensions or before.dimensions
    return Options(dimensions, given.kind or before.kind, given.recall or before.recall)


def _search(options: argparse.Namespace, settings: Settings) -> int:
    classifier = Classifier.current(settings)
    index = Index(options.index, classifier.version.digest)
    pixels = classifier.pixels(classifier.read_header(read_file(options.photo, settings.max_body_bytes)))
    _, embeddings = classifier.scores_and_embeddings(pixels[None])
    found = index.search(embeddings[0], options.k)
    if options.json:
        _say(json.dumps({"file": readable(options.photo), "neighbours": found}, ensure_ascii=False))
    else:
        _say("\n".join(f"{each['score']:.3f}  {each['id']}" for each in found))
    return 0


def told(outcome: Outcome) -> list[str]:
    """What was done, in a few lines."""
    done = f"{outcome.added} photos added, {outcome.removed} removed, {outcome.computed} embeddings computed"
    failed = f"; {len(outcome.failed)} files could not be read" if outcome.failed else ""
    return [f"{done}, index {'made anew' if outcome.rebuilt else 'changed'}{failed}", *summary(outcome.description)]


def summary(found: Description) -> list[str]:
    """What an index holds, in a few lines."""
    search, projected, good = found.search, found.projection, found.precision_at_5
    model = found.model
    effort = {"flat": "", "hnsw": f", efSearch {search.effort}", "ivfpq": f", nprobe {search.effort}"}[search.kind]
    lines = [
        f"{found.photos} photos ({found.labelled} with a label, {found.removed} removed ones in it), "
        f"model {model.name} {model.version}",
        f"{search.kind}{effort}, {projected.dimensions} dimensions, {projected.explained:.1%} of the variance",
    ]
    then = f", measured when there were {found.measured_on}" if found.measured_on != found.photos else ""
    if search.recall_at_10 is not None:
        below = "" if search.recall_at_10 >= search.wanted else f", less than the {search.wanted:g} that was wanted"
        lines.append(f"recall@10 {search.recall_at_10:.4f} on photos held out{below}{then}")
    if good is not None:
        lines.append(
            f"precision@5 {good.projected:.4f}, {good.embedding:.4f} without the projection: "
            f"it costs {good.loss:.4f}{then}"
        )
    return lines


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
