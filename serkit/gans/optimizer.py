"""Keras' Adam with TensorFlow's fused update."""

import keras
import tensorflow as tf


class Adam(keras.optimizers.Adam):
    """Adam that updates each variable in one pass over memory, without temporary copies.

    The steps equal those of Keras' Adam within rounding. Keras composes a step of ten ops, each of
    which reads and writes as many values as there are weights.

    Source: Kingma & Ba (2015), arXiv:1412.6980, in the form of its section 2, last paragraph.
    """

    def update_step(self, gradient, variable, learning_rate) -> None:
        if self.amsgrad:
            return super().update_step(gradient, variable, learning_rate)
        gradient = tf.convert_to_tensor(gradient)
        dtype = gradient.dtype
        step = tf.cast(self.iterations + 1, dtype)
        index = self._get_variable_index(variable)
        betas = tf.cast(self.beta_1, dtype), tf.cast(self.beta_2, dtype)
        places = map(_handle, (variable, self._momentums[index], self._velocities[index]))
        tf.raw_ops.ResourceApplyAdam(
            **dict(zip(("var", "m", "v"), places, strict=True)),
            beta1_power=betas[0] ** step, beta2_power=betas[1] ** step,
            lr=tf.cast(learning_rate, dtype), beta1=betas[0], beta2=betas[1],
            epsilon=tf.cast(self.epsilon, dtype), grad=gradient,
        )  # fmt: skip
        return None


def _handle(variable) -> tf.Tensor:
    """Return the resource handle of a Keras variable, or of the TensorFlow variable behind it.

    Keras passes both kinds of variables to ``update_step``.
    """
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle
