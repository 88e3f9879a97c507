"""The picture of a run: loss, accuracy and learning rate by epoch."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from training.run import Run
from twinlens.store import write_atomically

CURVES: Final = "curves.png"


def draw(record: Run, path: Path) -> None:
    """Draw a run's curves.

    :param record: a run with at least one epoch.
    :param path: the PNG to write.
    """
    numbers = [epoch.epoch for epoch in record.epochs]
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    loss, accuracy, rate = figure.subplots(1, 3)
    learned, kept = "augmented, label smoothing", "averaged weights"
    if record.tuned:
        learned, kept = "augmented, divergence from the answers before", f"weights in {record.tuned.weights}"
    loss.plot(numbers, [epoch.train_loss for epoch in record.epochs], label=f"train ({learned})")
    loss.plot(numbers, [epoch.validation_loss for epoch in record.epochs], label=f"validation ({kept})")
    loss.set_title("Loss")
    accuracy.plot(numbers, [epoch.train_top1 for epoch in record.epochs], label="train (augmented)")
    accuracy.plot(numbers, [epoch.validation_top1 for epoch in record.epochs], label=f"validation ({kept})")
    if best := record.best:
        accuracy.axvline(best.epoch, color="grey", linestyle=":", label=f"best: {best.validation_top1:.4f}")
    accuracy.set_title("Top-1 accuracy")
    rate.plot(numbers, [epoch.lr_body for epoch in record.epochs], label="body")
    rate.plot(numbers, [epoch.lr_head for epoch in record.epochs], label="head")
    rate.set_title("Learning rate at the epoch's end")
    for axes in (loss, accuracy, rate):
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    write_atomically(path, buffer.getvalue())
