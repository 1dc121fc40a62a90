"""`python -m handler.cli`: the command line where no script is installed."""

import sys

from handler.cli import main

sys.exit(main())
