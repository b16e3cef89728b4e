"""Predict the emotion over time of a long recording."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from serkit.errors import InputError, check_range
from serkit.serving.client import Client
from serkit.serving.local import ExportedModel
from serkit.serving.prediction import Prediction

SECONDS, HOP = 3.0, 1.0


@dataclass(frozen=True)
class Moment(Prediction):
    """Prediction of one window of a recording, with the fields of a prediction.

    Attributes:
        start: where the window starts, in seconds from the start of the recording.
        end: where it ends.

    Example:
        >>> import serkit
        >>> moment = serkit.Moment("a.wav", "sad", {"happy": 0.2, "sad": 0.8}, start=1.0, end=4.0)
        >>> moment.label, moment.start
        ('sad', 1.0)
    """

    start: float = 0.0
    end: float = 0.0


def timeline(
    model: ExportedModel | Client,
    file: Path | str,
    seconds: float = SECONDS,
    hop: float = HOP,
    *,
    speaker: npt.NDArray[Any] | None = None,
) -> Iterator[Moment]:
    """Predict overlapping windows of a recording of any length, one after the other.

    Only a few windows are in memory at a time. A window is predicted as a recording of its own.

    Args:
        model: exported model, or a client of a served one.
        file: WAV, FLAC, MP3 or Ogg Vorbis file.
        seconds: length of a window, 0.5 to 30. A shorter recording is one window.
        hop: from the start of a window to that of the next, 0.1 to 30 seconds. The last window ends
            with the recording.
        speaker: the speaker, as :meth:`ExportedModel.enroll` returns it; not for a client.

    Yields:
        The windows in their order; for a file that cannot be read one with a ``problem``.

    Raises:
        InputError: if ``model`` is a path or an address, ``seconds`` or ``hop`` is out of range, or
            as ``predict_wav`` of the model.

    Example:
        .. code-block:: python

            model = serkit.load_model("saved_models/mine")
            for moment in serkit.timeline(model, "interview.wav"):
                print(moment.start, moment.label, moment.probabilities)
    """
    if isinstance(model, str | Path):
        raise InputError(
            "`model` must be what `serkit.load_model` or `serkit.connect` returns. "
            f"Received: {str(model)!r}."
        )
    check_range("seconds", seconds, 0.5, 30.0)
    check_range("hop", hop, 0.1, 30.0)
    options: dict[str, Any] = {} if speaker is None else {"speaker": speaker}
    try:
        # Pipes and devices, whose data may have no end, are not read.
        if not Path(file).is_file():
            raise OSError("is not a file" if Path(file).exists() else "no such file or directory")
        with soundfile.SoundFile(file) as recording:
            if not len(recording):
                raise OSError("a recording without samples")
            rate = recording.samplerate
            spans = _spans(len(recording), rate, seconds, hop)
            contents = (_cut(recording, *span) for span in spans)
            predictions = model.predict_wav(contents, **options)
            for (start, end), prediction in zip(spans, predictions, strict=True):
                fields = {**vars(prediction), "file": str(file)}
                yield Moment(**fields, start=start / rate, end=end / rate)
    except soundfile.SoundFileError:
        problem = "not a WAV, FLAC, MP3 or Ogg Vorbis file"
        yield Moment(str(file), "", {}, problem, abstain=True)
    except OSError as error:
        yield Moment(str(file), "", {}, str(error), abstain=True)


def _spans(samples: int, rate: int, seconds: float, hop: float) -> list[tuple[int, int]]:
    """Return first sample and end of each window."""
    length = min(samples, round(seconds * rate))
    step = max(1, round(hop * rate))
    starts = [*range(0, samples - length, step), samples - length]
    return [(start, start + length) for start in starts]


def _cut(recording: soundfile.SoundFile, start: int, end: int) -> bytes:
    """Return a part of a recording as a WAV file of its own."""
    recording.seek(start)
    samples = recording.read(end - start, dtype="float32", always_2d=True)
    content = io.BytesIO()
    # A block that is cut off in the file has fewer samples.
    kept = samples if len(samples) else np.zeros((1, recording.channels), np.float32)
    soundfile.write(content, kept, recording.samplerate, format="WAV", subtype="FLOAT")
    return content.getvalue()
