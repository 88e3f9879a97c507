"""``python -m twinlens``: the same as the command ``twinlens``."""

import sys

from twinlens.cli import main

sys.exit(main())
