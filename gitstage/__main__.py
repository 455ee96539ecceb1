"""`python -m gitstage`."""

import sys

from gitstage.cli import main

sys.exit(main())
