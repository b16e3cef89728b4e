"""Option ``--quick`` of every benchmark: small sizes, to check that the benchmark runs."""

import argparse
import os
from typing import Any

# As serkit's commands set them. TensorFlow reads them when it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def parse(parser: argparse.ArgumentParser, **small: Any) -> argparse.Namespace:
    """Add ``--quick`` to a parser, and parse the command line.

    Args:
        parser: parser of the benchmark.
        small: default values of options with ``--quick``, by name.
    """
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    if parser.parse_args().quick:
        parser.set_defaults(**small)
    return parser.parse_args()
