"""``python -m training``: see :mod:`training.cli`."""

import os
import sys

# A thread that waits for the others must not spin: on a machine that does anything else besides, spinning slows a
# training several times over. OpenMP reads this once, when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from training.cli import main

sys.exit(main())
