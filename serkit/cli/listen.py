"""``serkit listen``: turn spectrograms into WAV files."""

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING

from serkit.cli.arguments import add_spectrograms, spec_of
from serkit.cli.output import add_output, progress_of
from serkit.errors import InputError, RecordingError, check_range

if TYPE_CHECKING:
    import numpy as np

    from serkit.audio.spectrogram import SpectrogramSpec

# Frames and bins of a spectrogram; width and height of a picture.
_SIZE = 224


def add_to(commands) -> None:
    parser = commands.add_parser(
        "listen",
        help="turn spectrograms, for example generated ones, into WAV files",
        description="Writes 16-bit WAV files, DIR/<stem>-000.wav and so on. The phase is made up "
        "(Griffin-Lim), so even a real recording sounds a little rough: give one to hear what is "
        "the best to expect. Of a recording it is the middle 3.6 seconds.",
    )
    add = parser.add_argument
    add(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help=".npy with spectrograms in [-1, 1], (n, 224, 224, 1) or one alone, as a run's "
        "generated/<class>/spectrograms-000.npy; .png, a grey picture of 224 x 224, time to the "
        "right, low frequencies at the bottom; or a recording (.wav, .flac, .mp3, .ogg), to a "
        "spectrogram and back",
    )
    add_spectrograms(parser)
    add("--out", type=Path, required=True, metavar="DIR", help="write WAV files here")
    add(
        "--iterations",
        type=int,
        default=32,
        metavar="N",
        help="run Griffin-Lim so often; default: %(default)s",
    )
    add("--seed", type=int, default=0, metavar="N", help="seed the phases; default: %(default)s")
    add(
        "--first", type=int, metavar="N", help="convert only the first N of each .npy; default: all"
    )
    add("--dark-is-loud", action="store_true", help="read black, not white, as loud in PNG files")
    add("--overwrite", action="store_true", help="replace files in DIR")
    add_output(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read all inputs, then write a WAV file per spectrogram; a bad input means no output."""
    check_range("iterations", options.iterations, 1)
    if options.first is not None:
        check_range("first", options.first, 1)

    from serkit.audio.containers import READABLE_SUFFIXES

    inputs = {file: _read(file, options) for file in options.files}
    outputs = _output_paths(inputs, options)
    progress = progress_of(options)
    sounds = [
        (file, spectrogram, path)
        for file in inputs
        for spectrogram, path in zip(inputs[file], outputs[file], strict=True)
    ]
    for file, spectrogram, path in progress.progress_bar("sound")(sounds, len(sounds)):
        convergence = write_sound(
            path, spectrogram, spec_of(options), options.iterations, options.seed
        )
        if file.suffix.lower() in READABLE_SUFFIXES:
            progress.say(
                f"{file}: spectral convergence {convergence:.3f} after the way there and back; "
                "0 would be perfect"
            )
    for file, paths in outputs.items():
        to_last = f" to {paths[-1].name}" if len(paths) > 1 else ""
        progress.say(f"{file}: {paths[0]}{to_last}")
    return 0


def write_sound(
    path: Path,
    spectrogram: "np.ndarray",
    spec: "SpectrogramSpec",
    iterations: int = 32,
    seed: int = 0,
) -> float:
    """Write the sound of one spectrogram as a WAV file.

    Args:
        path: the WAV file.
        spectrogram: ``(frames, bins, 1)`` in [-1, 1].
        spec: settings of the spectrogram.
        iterations: number of iterations of Griffin-Lim.
        seed: seed of the random phases that Griffin-Lim starts with.

    Returns:
        The spectral convergence of the inversion.
    """
    import numpy as np
    import soundfile
    import tensorflow as tf

    from serkit.audio.inversion import griffin_lim, spectral_convergence
    from serkit.files import replacing

    spectrograms = tf.constant(spectrogram[np.newaxis])
    waveforms = griffin_lim(spectrograms, spec, iterations=iterations, seed=seed)
    # In memory first: libsndfile does not say that a disk is full.
    wav = io.BytesIO()
    soundfile.write(wav, waveforms[0].numpy(), spec.sample_rate, "PCM_16", format="WAV")
    with replacing(path) as partial:
        partial.write_bytes(wav.getvalue())
    return float(spectral_convergence(spectrograms, waveforms, spec)[0])


def _output_paths(
    inputs: "dict[Path, np.ndarray]", options: argparse.Namespace
) -> dict[Path, list[Path]]:
    """Return an output path for each spectrogram of each input file.

    Raises:
        InputError: if two files would have the same output path, or if an output file exists and
            ``--overwrite`` is not given.
    """
    file_by_stem: dict[str, Path] = {}
    for file in inputs:
        earlier_file = file_by_stem.setdefault(file.stem, file)
        if earlier_file != file:
            raise InputError(
                f"{earlier_file} and {file} would both become {file.stem}-000.wav; "
                "give them one after the other, with an --out of their own"
            )
    outputs = {
        file: [options.out / f"{file.stem}-{index:03}.wav" for index in range(len(spectrograms))]
        for file, spectrograms in inputs.items()
    }
    existing = [path for paths in outputs.values() for path in paths if path.exists()]
    if existing and not options.overwrite:
        raise InputError(f"{existing[0]} exists; --overwrite replaces it, or choose another --out")
    return outputs


def _read(file: Path, options: argparse.Namespace) -> "np.ndarray":
    """Read the spectrograms of one file, float32 ``(n, 224, 224, 1)`` in [-1, 1]."""
    import numpy as np

    from serkit.audio.containers import READABLE_SUFFIXES

    if not file.is_file():
        expected = "valid is a .npy, a .png or a recording"
        if file.exists():
            raise RecordingError(f"{file} is a pipe, a device or a folder; {expected}")
        raise InputError(f"{file} does not exist; {expected}")
    suffix = file.suffix.lower()
    if suffix == ".npy":
        return _read_array(file, options.first)
    if suffix == ".png":
        return _read_picture(file, options.dark_is_loud)
    if suffix in READABLE_SUFFIXES:
        from serkit.audio.loading import spectrogram

        return spectrogram(file, spec_of(options))[np.newaxis]
    recordings = ", ".join(sorted(READABLE_SUFFIXES))
    raise InputError(
        f"{file} is not a .npy with spectrograms, a .png picture or a recording ({recordings})"
    )


def _read_array(file: Path, first: int | None) -> "np.ndarray":
    import numpy as np

    try:
        # Memory-mapped, so that only the first spectrograms of a large file are read.
        values = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OverflowError) as error:
        raise InputError(f"{file} is not an array of numbers as numpy.save writes it") from error
    shape: tuple[int, ...] = getattr(values, "shape", ())
    if shape in ((_SIZE, _SIZE), (_SIZE, _SIZE, 1)):
        values = values.reshape(1, _SIZE, _SIZE, 1)
    elif shape[1:] != (_SIZE, _SIZE, 1) or not len(values):
        raise InputError(
            f"{file} has the shape {shape}; valid are (n, 224, 224, 1), (224, 224, 1) and "
            "(224, 224), frames before bins, as the default SpectrogramSpec makes them"
        )
    if values.dtype.kind != "f":
        raise InputError(f"{file} holds {values.dtype}; floating point in [-1, 1] is expected")
    values = values[:first]
    if not np.isfinite(values).all():
        raise InputError(f"{file} holds values that are not finite; valid is -1 to 1")
    low, high = float(values.min()), float(values.max())
    if low < -1 or high > 1:
        raise InputError(f"{file} holds values from {low:g} to {high:g}; valid is -1 to 1")
    return np.array(values, np.float32)


def _read_picture(file: Path, dark_is_loud: bool) -> "np.ndarray":
    import numpy as np
    import tensorflow as tf

    data = file.read_bytes()
    expected = f"a grey PNG of {_SIZE} x {_SIZE} is expected"
    if not data.startswith(b"\x89PNG"):
        raise InputError(f"{file} is no PNG; {expected}")
    try:
        picture = tf.io.decode_png(data).numpy()
    except tf.errors.InvalidArgumentError as error:
        raise InputError(f"{file} is a damaged PNG; {expected}") from error
    height, width, channels = picture.shape
    if (height, width) != (_SIZE, _SIZE):
        raise InputError(f"{file} is {width} x {height}; {expected}")
    if channels in (2, 4) and picture[..., -1].min() < 255:
        raise InputError(f"{file} is transparent in places; {expected}")
    colours = picture[..., : 1 if channels < 3 else 3]
    if (colours != colours[..., :1]).any():
        raise InputError(f"{file} is in colour, which does not say what is loud; {expected}")
    # The top row of the picture is the highest band; the first axis of a spectrogram is frames.
    grey = colours[::-1, :, 0].T
    loud = 255 - grey if dark_is_loud else grey
    return (loud.astype(np.float32) / 127.5 - 1.0)[np.newaxis, ..., np.newaxis]
