"""Client of a served model. Its predictions are those of the exported model."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serkit.errors import InputError, check_range
from serkit.export import signatures
from serkit.serving.prediction import (
    Example,
    Prediction,
    SignatureCall,
    array_examples,
    read_example,
    to_text,
    wrong_outputs,
)
from serkit.serving.retries import ClientSettings, RefusedError, ServerError
from serkit.serving.transport import (
    Address,
    Metadata,
    Transport,
    VersionStatus,
    parse_address,
)


def batches(
    examples: Iterable[Example],
    settings: ClientSettings,
    size_of: Callable[[Any], int],
    shape_of: Callable[[Any], Hashable] = lambda value: None,
) -> Iterator[list[Example]]:
    """Group consecutive examples into batches, in order and lazily.

    Args:
        examples: examples; an example with a problem counts as one example of 0 bytes.
        settings: maximum number of examples and bytes of a batch. A single example with more bytes
            is a batch of its own.
        size_of: returns the size in bytes of a value in a request.
        shape_of: returns the shape of a value, or None for a value that fits any batch. Values of
            different shapes go into different batches, because they do not fit into one array.

    Yields:
        Batches, as lists of examples.
    """
    batch: list[Example] = []
    batch_size, batch_shape = 0, None
    for example in examples:
        size, shape = 0, None
        if not example.problem:
            size, shape = size_of(example.value), shape_of(example.value)
        too_many = len(batch) == settings.batch_examples
        too_large = batch_size + size > settings.batch_bytes
        other_shape = shape is not None and batch_shape is not None and shape != batch_shape
        if batch and (too_many or too_large or other_shape):
            yield batch
            batch, batch_size, batch_shape = [], 0, None
        batch.append(example)
        batch_size += size
        if shape is not None:
            batch_shape = shape
    if batch:
        yield batch


def connect(
    address: str,
    settings: ClientSettings | None = None,
    *,
    model: str = "",
    version: int | None = None,
) -> "Client":
    """Return a client of a model that TF Serving or ``serkit serve`` has loaded.

    The function sends no request. If no server answers, the first request raises the error.

    Args:
        address: ``http://HOST:8501/v1/models/NAME``, ``https://…`` or ``grpc://HOST:8500/NAME``;
            ``/versions/N`` may follow. The address may end after the port if ``model`` is given.
        settings: timeouts, retries, batch sizes, and the token of the server.
        model: the model's name at the server; empty for the name in ``address``. A client cannot
            look the name up, because TF Serving does not list its models.
        version: the model's version; None for the version in ``address``, or the newest.

    Returns:
        A client; close it, or use it as a context manager.

    Raises:
        InputError: if the address is not valid, contradicts ``model`` or ``version``, or is that of
            a gRPC server although there is a token.

    Example:
        .. code-block:: python

            with serkit.connect("http://localhost:8501/v1/models/demo") as client:
                for prediction in client.predict(["a.wav", "b.wav"]):
                    print(prediction.file, prediction.label, prediction.problem)
    """
    model_address = parse_address(address, model, version)
    settings = settings or ClientSettings()
    # Import only the module of the scheme. The REST client needs no TensorFlow; the import of
    # requests takes a tenth of the time of the import of TensorFlow.
    if model_address.scheme == "grpc":
        if settings.token:
            raise InputError(f"`token` must be empty over gRPC. Received: one for {model_address}.")
        from serkit.serving.grpc_transport import GrpcTransport

        return Client(GrpcTransport(model_address, settings), settings)
    from serkit.serving.rest_transport import RestTransport

    return Client(RestTransport(model_address, settings), settings)


class Client:
    """Client of one model. :func:`connect` builds a client. A client is not thread-safe.

    If the server refuses an example, or a file cannot be read, the prediction of this example has a
    ``problem``; the other examples are not affected. The methods return iterators, which send
    requests only as predictions are consumed.

    Args:
        transport: connection to the server.
        settings: timeouts, retries and batch sizes.

    Raises:
        InputError: by the ``predict`` methods, if the model at the address is not one that serkit
            exported, or an argument is not valid.
        ServerError: by the ``predict`` methods, if the server does not answer after all attempts,
            or its answer is not valid.

    Example:
        .. code-block:: python

            with serkit.connect("grpc://localhost:8500/demo") as client:
                print(client.classes)
                predictions = list(client.predict(["a.wav", "b.wav"]))
    """

    def __init__(self, transport: Transport, settings: ClientSettings) -> None:
        self._transport, self._settings = transport, settings
        self._classes: tuple[str, ...] = ()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @property
    def address(self) -> Address:
        """Address of the model at the server."""
        return self._transport.address

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels in the order of the probabilities; the client requests them once."""
        if not self._classes:
            signature = output = signatures.CLASSES
            try:
                (row,) = self._transport.call(signature, {signatures.ANY: [0]}, [output])
            except RefusedError as error:
                self._require_signature(signature)
                raise ServerError(str(error)) from error
            labels = row.get(output, ())
            is_list = isinstance(labels, list | np.ndarray) and len(labels) > 0
            if not is_list or not all(isinstance(label, str | bytes) for label in labels):
                raise self._other_model_error(
                    f"a signature {signature!r} that gives {', '.join(sorted(row))}"
                )
            self._classes = tuple(map(to_text, labels))
        return self._classes

    def status(self) -> tuple[VersionStatus, ...]:
        """Return the state of each version of the model at the server, newest version first."""
        return self._transport.status()

    def metadata(self) -> Metadata:
        """Return the name, version and signatures of the model that answers the requests."""
        return self._transport.metadata()

    def predict(
        self, files: Sequence[Path | str], samples: int | None = None
    ) -> Iterator[Prediction]:
        """Predict files in their order; files are read batch by batch.

        Args:
            files: paths of WAV, FLAC, MP3 or Ogg Vorbis files on this machine.
            samples: number of Monte Carlo samples, 1 or more, for a model with random layers. None
                for the number that was exported with the model.

        Returns:
            An iterator of one prediction per file.

        Raises:
            InputError: if ``samples`` is less than 1, or the model has no random layers.
        """
        return self._predict(self._wav_call(samples), map(read_example, files))

    def predict_wav(
        self, contents: Iterable[bytes], samples: int | None = None
    ) -> Iterator[Prediction]:
        """Predict whole WAV files in memory, named "0", "1", …

        Args:
            contents: bytes of WAV files.
            samples: as for :meth:`predict`.

        Returns:
            An iterator of one prediction per file.

        Raises:
            InputError: as :meth:`predict`.
        """
        examples = (Example(str(index), bytes(wav)) for index, wav in enumerate(contents))
        return self._predict(self._wav_call(samples), examples)

    def predict_waveforms(self, waveforms: Iterable[npt.ArrayLike]) -> Iterator[Prediction]:
        """Predict waveforms, named "0", "1", …

        Args:
            waveforms: float32 ``(samples,)`` each, in [-1, 1], at the rate of the model's spec.
                Consecutive waveforms of the same length are batched.

        Returns:
            An iterator of one prediction per waveform.

        Raises:
            InputError: if a waveform does not have one axis, or is an array of integers.
        """
        call = SignatureCall(signatures.WAVEFORM, signatures.WAVEFORM)
        return self._predict(call, array_examples(waveforms, "waveform", 1))

    def predict_spectrograms(self, spectrograms: Iterable[npt.ArrayLike]) -> Iterator[Prediction]:
        """Predict spectrograms, named "0", "1", …

        Args:
            spectrograms: float32 ``(frames, bins, 1)`` each, in [-1, 1].

        Returns:
            An iterator of one prediction per spectrogram.

        Raises:
            InputError: if a spectrogram does not have three axes.
        """
        call = SignatureCall(signatures.SPECTROGRAM, signatures.SPECTROGRAM)
        return self._predict(call, array_examples(spectrograms, "spectrogram", 3))

    def _wav_call(self, samples: int | None) -> SignatureCall:
        if samples is None:
            return SignatureCall(signatures.WAV, signatures.WAV_BYTES)
        check_range("samples", samples, 1)
        return SignatureCall(
            signatures.SAMPLED, signatures.WAV_BYTES, {signatures.SAMPLES: samples}
        )

    def _predict(self, call: SignatureCall, examples: Iterable[Example]) -> Iterator[Prediction]:
        def shape_of(value: Any) -> Any:
            return getattr(value, "shape", None)

        # All exported models have the signature for WAV files. For another one, ask the server.
        is_signature_checked = call.signature == signatures.WAV
        for batch in batches(examples, self._settings, self._transport.request_size, shape_of):
            if not is_signature_checked:
                self._require_signature(call.signature)
                is_signature_checked = True
            usable_examples = [example for example in batch if not example.problem]
            predictions = iter(self._predict_batch(call, usable_examples))
            for example in batch:
                if example.problem:
                    yield Prediction.failed(example.name, example.problem)
                else:
                    yield next(predictions)

    def _predict_batch(self, call: SignatureCall, examples: Sequence[Example]) -> list[Prediction]:
        if not examples:
            return []
        columns = call.columns(examples)
        # Try twice: after the client requested the classes, the server may have loaded a version
        # with other classes.
        for _ in range(2):
            classes = self.classes
            try:
                rows = self._transport.call(call.signature, columns, signatures.OUTPUTS)
            except RefusedError as error:
                return self._predict_halves(call, examples, error)
            for row in rows:
                if missing := sorted({*signatures.OUTPUTS} - {*row}):
                    raise self._other_model_error(f"no outputs {', '.join(missing)}")
                if wrong := wrong_outputs(row):
                    raise self._other_model_error(f"outputs {', '.join(wrong)} of other types")
            if all(_has_classes(row, classes) for row in rows):
                return [
                    Prediction.of_outputs(example.name, classes, row)
                    for example, row in zip(examples, rows, strict=True)
                ]
            self._classes = ()
        raise ServerError(
            f"{self.address} says that its classes are {', '.join(classes)}, but it predicts others"
        )

    def _predict_halves(
        self, call: SignatureCall, examples: Sequence[Example], error: RefusedError
    ) -> list[Prediction]:
        """Predict the halves of a refused batch, until each refused example is alone."""
        if len(examples) == 1:
            return [Prediction.failed(examples[0].name, str(error))]
        middle = len(examples) // 2
        first_half = self._predict_batch(call, examples[:middle])
        return first_half + self._predict_batch(call, examples[middle:])

    def _require_signature(self, name: str) -> None:
        """Raise InputError if the model does not have the signature."""
        available = self.metadata().signatures
        if name not in available:
            difference = f"no signature {name!r}, only {', '.join(available) or 'none'}"
            if name == signatures.SAMPLED:
                raise InputError(
                    f"`samples` must not be given for the model at {self.address}, which has no "
                    f"random layers ({difference})."
                )
            raise self._other_model_error(difference)

    def _other_model_error(self, difference: str) -> InputError:
        """Return the error for a model that this version of serkit did not export."""
        return InputError(
            f"the model at {self.address} has {difference}; valid is one that this version of "
            "serkit exported: export it again"
        )


def _has_classes(row: Mapping[str, Any], classes: Sequence[str]) -> bool:
    """Return whether a row of outputs is consistent with ``classes``.

    The label must be the most probable of the classes. A row with a status has no label.
    """
    if to_text(row[signatures.STATUS]):
        return True
    probabilities, label = row[signatures.PROBABILITIES], to_text(row[signatures.LABEL])
    if len(probabilities) != len(classes) or label not in classes:
        return False
    return probabilities[classes.index(label)] == max(probabilities)
