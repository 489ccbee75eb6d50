"""`python -m detector` is the console script."""

import sys

from detector.cli.main import main

sys.exit(main())
