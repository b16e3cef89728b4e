"""Branches of a graph that are seldom taken, kept from costing anything where they are not."""

from collections.abc import Callable

import tensorflow as tf


def rare(function: Callable) -> Callable:
    """Let a branch of ``tf.cond`` be a call.

    TensorFlow lowers ``tf.cond`` to switches and still goes through every op of the branch that is
    not taken, to mark it as dead; with the rare kinds of WAV behind calls, decoding the usual kind
    took a quarter less time. A call that is not inlined is one op; where it is taken, it costs some
    microseconds.

    Args:
        function: of tensors, and of other values that seldom differ from call to call.

    Returns:
        The same function, for eager code and for graphs, which can be exported.
    """
    apart = {"_noinline": True}
    # One trace for all lengths: a new one for each would take longer than what it is for.
    return tf.function(
        function, autograph=False, reduce_retracing=True, experimental_attributes=apart
    )
