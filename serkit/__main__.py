"""``python -m serkit`` does what the ``serkit`` command does."""

import sys

from serkit.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
