"""``--quick`` of every benchmark: small sizes, to see that it still runs."""

import argparse
from typing import Any


def parse(parser: argparse.ArgumentParser, **small: Any) -> argparse.Namespace:
    """Parse the command line; with ``--quick`` these defaults hold instead.

    Args:
        parser: of the benchmark; gets ``--quick``.
        small: values of options by name; what is given on the command line wins.
    """
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    if parser.parse_args().quick:
        parser.set_defaults(**small)
    return parser.parse_args()
