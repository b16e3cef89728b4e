"""``fit`` over several machines."""

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from serkit.errors import InputError

Logs = dict[str, float]


def fit(
    model: keras.Model,
    batches: tf.data.Dataset,
    *,
    epochs: int,
    steps_per_epoch: int,
    initial_epoch: int = 0,
    validation_data: tf.data.Dataset | None = None,
    class_weight: Mapping[int, float] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | str = "auto",
) -> None:
    """Keras' ``fit``; under a ``MultiWorkerMirroredStrategy`` a loop of our own.

    Under the strategy every worker calls this with the same arguments, and gets its share of each
    batch; losses and metrics are means over all of them. What batch normalisation has seen is
    averaged after each epoch. Callbacks run on every worker, on the same numbers: files that they
    write are the same.

    Args:
        model: compiled; of the strategy that it was made under, whose layers, losses and
            ``train_step`` it keeps.
        batches: endless, in the same order wherever they are made.
        epochs: after which training ends.
        steps_per_epoch: batches of one.
        initial_epoch: epochs that went before.
        validation_data: inputs and labels, once through.
        class_weight: by class number, what its examples count.
        callbacks: Keras callbacks.
        verbose: as for Keras' ``fit``.

    Raises:
        InputError: if a batch cannot be shared out evenly.

    Source: keras-team/keras issue 20585, of what Keras' own lacks.
    """
    strategy = model.distribute_strategy
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        model.fit(
            batches,
            initial_epoch=initial_epoch,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            validation_data=validation_data,
            class_weight=class_weight,
            callbacks=list(callbacks),
            shuffle=False,
            verbose=verbose,
        )
        return
    with strategy.scope():
        together = _Together(model, strategy)
        shares = together.shares(_weighted(batches, class_weight))
        calls = keras.callbacks.CallbackList(
            list(callbacks),
            add_history=True,
            add_progbar=verbose not in (0, "auto"),
            model=model,
            epochs=epochs,
            steps=steps_per_epoch,
            verbose=verbose,
        )
        model.stop_training = False
        calls.on_train_begin()
        for epoch in range(initial_epoch, epochs):
            logs = together.epoch(shares, steps_per_epoch, epoch, calls)
            if validation_data is not None:
                logs |= together.validated(validation_data)
            calls.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        calls.on_train_end()


class _Together:
    """Steps that all workers take together."""

    def __init__(
        self, model: keras.Model, strategy: tf.distribute.MultiWorkerMirroredStrategy
    ) -> None:
        self._model, self._strategy = model, strategy
        self._train, self._test = map(self._compiled, (model.train_step, model.test_step))

    def shares(self, batches: tf.data.Dataset) -> tf.data.Iterator:
        """Of each batch this worker's share, in as many parts as it has devices."""
        size = tf.nest.flatten(batches.element_spec)[0].shape[0]
        replicas = self._strategy.num_replicas_in_sync
        if size % replicas:
            raise InputError(
                f"batches of {size} examples for {replicas} devices; valid is a multiple of these"
            )

        def mine(context: tf.distribute.InputContext) -> tf.data.Dataset:
            own = replicas // context.num_input_pipelines
            first = own * context.input_pipeline_id

            def share(array: tf.Tensor) -> tf.Tensor:
                parts = tf.reshape(array, [replicas, size // replicas, *array.shape[1:]])
                return parts[first : first + own]

            shared = batches.map(lambda *arrays: tf.nest.map_structure(share, arrays))
            return shared.unbatch().prefetch(2 * own)

        return iter(self._strategy.distribute_datasets_from_function(mine))

    def epoch(
        self,
        shares: tf.data.Iterator,
        steps: int,
        number: int,
        calls: keras.callbacks.CallbackList,
    ) -> Logs:
        """An epoch's steps, with what is reported in the end."""
        self._model.reset_metrics()
        calls.on_epoch_begin(number)
        for step in range(steps):
            calls.on_train_batch_begin(step)
            logs = _numbers(self._train(next(shares)))
            calls.on_train_batch_end(step, logs)
        self._agree()
        return _numbers(self._model.get_metrics_result())

    def validated(self, batches: tf.data.Dataset) -> Logs:
        """The same numbers of other examples, all of which each worker goes through."""
        self._model.reset_metrics()
        for batch in batches:
            logs = _numbers(self._test(batch))
        return {f"val_{name}": value for name, value in logs.items()}

    def _compiled(self, step: Callable) -> Callable:
        @tf.function
        def compiled(data):
            logs = self._strategy.run(step, args=(data,))
            mean = tf.distribute.ReduceOp.MEAN
            return {
                name: self._strategy.reduce(mean, value, axis=None) for name, value in logs.items()
            }

        return compiled

    def _agree(self) -> None:
        """Put together what each worker knows by itself.

        Batch normalisation's moving statistics are averaged. Sums and counts of metrics are added
        up: a recall over all examples is no mean of recalls over some.
        """
        for variable in self._model.non_trainable_variables:
            if "moving_" in variable.path:
                self._assign(variable, tf.distribute.ReduceOp.MEAN)
        for metric in self._model.metrics:
            for variable in metric.variables:
                self._assign(variable, tf.distribute.ReduceOp.SUM)

    def _assign(self, variable: keras.Variable, how: tf.distribute.ReduceOp) -> None:
        found = self._strategy.run(lambda: tf.identity(variable.value))
        variable.assign(self._strategy.reduce(how, found, axis=None))


def _numbers(logs: Mapping[str, tf.Tensor]) -> Logs:
    return {name: float(np.asarray(value)) for name, value in logs.items()}


def _weighted(
    batches: tf.data.Dataset, class_weight: Mapping[int, float] | None
) -> tf.data.Dataset:
    """As Keras does it: an example counts what its class counts."""
    if class_weight is None:
        return batches
    weights = tf.constant([class_weight[number] for number in sorted(class_weight)])

    def weighted(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, ...]:
        numbers = tf.argmax(y, axis=1) if len(y.shape) == 2 else tf.cast(y, tf.int64)
        return x, y, tf.gather(weights, numbers)

    return batches.map(weighted)
