"""``python -m derive``: the command ``derive``."""

import sys

from derive.cli import main

sys.exit(main())
