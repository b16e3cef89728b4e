"""Options of commands whose work may be done on a Ray cluster."""

import argparse
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from serkit.grid.ray_engine import RaySettings


def add_engine(parser: argparse.ArgumentParser) -> None:
    """The options, all of one group."""
    group = parser.add_argument_group("where the work is done")
    add = group.add_argument
    add(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="local: one piece after the other, in this process; ray: as many at a time as a "
        "cluster has room for, pip install 'serkit[ray]'; default: %(default)s",
    )
    add("--address", default="", help="of a cluster, host:port; default: this machine alone")
    add("--cpus", type=float, default=1.0, help="that Ray sets aside for a piece; default: 1")
    add("--gpus", type=float, default=0.0, help="the same, such as 0.5; default: 0")
    add(
        "--threads",
        type=int,
        default=0,
        help="that TensorFlow has for a piece; numbers depend on it in their last bits; default: "
        "as many as the machine has cores",
    )
    add("--retries", type=int, default=3, help="of a piece whose node was lost; default: 3")
    add(
        "--share",
        default="",
        metavar="URL",
        help="where machines without a common folder exchange results, such as s3://bucket/run",
    )


def engine(options: argparse.Namespace) -> AbstractContextManager[Any]:
    """The engine that the options ask for, which ends with the block.

    Raises:
        InputError: for values that are not valid, or if Ray is not installed.
        GridError: if nobody answers at the address.
    """
    from serkit.errors import InputError
    from serkit.grid.engine import LocalEngine
    from serkit.grid.ray_engine import RayEngine

    if options.engine == "local":
        for name in ("address", "share"):
            if getattr(options, name):
                raise InputError(f"--{name} without --engine ray; valid are both, or neither")
        if options.threads:
            import tensorflow as tf

            tf.config.threading.set_intra_op_parallelism_threads(options.threads)
            tf.config.threading.set_inter_op_parallelism_threads(options.threads)
        return nullcontext(LocalEngine())
    return RayEngine(ray_settings(options))


def ray_settings(options: argparse.Namespace) -> "RaySettings":
    """What the options say of Ray.

    Raises:
        InputError: for values that are not valid.
    """
    from serkit.grid.ray_engine import RaySettings

    return RaySettings(
        *(options.address, options.cpus, options.gpus, options.threads, options.retries),
        share=options.share,
    )
