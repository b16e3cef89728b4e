"""``serkit spectrogram``: draw the spectrogram of a recording, or of every one in a corpus."""

import argparse
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from serkit.cli.arguments import add_recordings, add_spectrograms, naming_of, spec_of
from serkit.cli.output import add_output, progress_of
from serkit.errors import InputError, RecordingError, ResumeError
from serkit.formatting import printable

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from serkit.audio.spectrogram import SpectrogramSpec
    from serkit.datasets.corpus import Clip
    from serkit.training.recordings import Skipped

_SETTINGS_FILE = "spectrogram.json"
# Characters that file systems do not allow in a name, or that have a special meaning there.
_UNSAFE = re.compile(r'[%/\\:*?"<>|\x00-\x1f]|^\.')
_MAX_STEM_LENGTH = 40


def add_to(commands) -> None:
    parser = commands.add_parser(
        "spectrogram",
        help="draw the spectrogram of a recording, or of all as greyscale PNG files",
        description="With --out NAME.png, one recording over seconds and Hz, in dB below its "
        "maximum; of a longer one the middle 3.6 s; an existing NAME.png is replaced. With --out "
        "DIR, every usable recording below the ROOTs becomes a greyscale PNG of 224 x 224 pixels "
        "in DIR/CATEGORY: time goes to the right, low frequencies are at the bottom, louder is "
        "lighter. Existing files stay there; after an interruption the same command resumes. "
        "Status 1 if a recording could not be used.",
    )
    add_recordings(parser)
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="NAME.png|DIR",
        help="write the figure of one recording to this file, or a picture of each recording below "
        "ROOT… to this folder",
    )
    parser.add_argument(
        "--waveform",
        action="store_true",
        help="draw the amplitude of one recording over time instead",
    )
    add_spectrograms(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Draw one recording, or write pictures of many; return 1 if a recording is unusable."""
    if options.out.suffix.lower() != ".png":
        root = Path(options.roots[0])
        if options.waveform or (root.is_file() and root.suffix.lower() != ".csv"):
            raise InputError(
                "for one recording, and with --waveform, --out must be a name that ends in .png. "
                f"Received: {printable(str(options.out))}."
            )
        return _write_pictures(options)
    if len(options.roots) > 1:
        raise InputError(
            f"--out {printable(str(options.out))} takes one recording, not {len(options.roots)}; "
            "a folder takes more"
        )
    if options.waveform and (options.kind, options.sample_rate) != ("mel", 16_000):
        raise InputError("--waveform draws no spectrogram: --kind and --sample-rate are not for it")
    file = Path(options.roots[0])
    if file.is_dir():
        raise InputError(f"{file} is a folder; --out DIR, without .png, draws all recordings in it")
    if not file.is_file():
        if file.exists():
            raise RecordingError(f"{file} is a pipe or a device; valid is a recording")
        raise InputError(f"{file} does not exist; valid is a recording")
    figure = _draw_waveform(file) if options.waveform else _draw_spectrogram(file, options)
    from serkit.reporting.page import write_png

    write_png(options.out, figure)
    progress_of(options).say(f"written to {options.out}")
    return 0


def _draw_waveform(file: Path) -> "Figure":
    """Draw a recording's waveform, the mean of its channels, at its original sample rate."""
    import tensorflow as tf

    from serkit.audio.compressed import decode_any
    from serkit.reporting.spectrogram_figures import waveform_figure

    decoded = decode_any(tf.constant(file.read_bytes()))
    if problem := bytes(decoded.status.numpy()).decode():
        raise RecordingError(f"{file}: {problem}")
    return waveform_figure(decoded.waveform.numpy(), int(decoded.sample_rate), _title(file))


def _draw_spectrogram(file: Path, options: argparse.Namespace) -> "Figure":
    from serkit.audio.spectrogram import band_centres
    from serkit.reporting.spectrogram_figures import spectrogram_figure
    from serkit.training.recordings import Skipped

    spec, skipped = spec_of(options), Skipped(log=False)
    computed = list(_compute_spectrograms([str(file)], spec, skipped))
    for path, problem in skipped.files.items():
        raise RecordingError(f"{path}: {problem}")
    ((_, spectrogram),) = computed
    start = _start_seconds(file, spec)
    return spectrogram_figure(
        spectrogram,
        (start, start + spec.frames * spec.hop / spec.sample_rate),
        band_centres(spec),
        spec.range_db,
        title=_title(file),
        scale=spec.kind,
    )


def _title(file: Path) -> str:
    """Return the file's name; bytes that are not UTF-8 become replacement characters."""
    return os.fsencode(file.name).decode("utf-8", "replace")


def _start_seconds(file: Path, spec: "SpectrogramSpec") -> float:
    """Return where the spectrogram starts in the recording, in seconds.

    The start is below 0 for a short recording, which is zero-padded.
    """
    import soundfile

    try:
        duration = soundfile.info(file).duration
    except soundfile.SoundFileError as error:
        raise RecordingError(f"{file}: {error}") from error
    return duration / 2 - spec.frames * spec.hop / spec.sample_rate / 2


def _write_pictures(options: argparse.Namespace) -> int:
    from serkit.datasets.audit import open_recordings
    from serkit.files import write_json
    from serkit.training.recordings import Skipped

    progress = progress_of(options)
    spec = spec_of(options)
    _require_same_settings(options.out, spec)
    audit = open_recordings(
        options.roots, progress.progress_bar("reading"), naming=naming_of(options)
    )
    write_json(options.out / _SETTINGS_FILE, asdict(spec))
    path_of_clip = {clip: _picture_path(clip, options.out) for clip in audit.corpus.clips}
    missing = audit.corpus.where(lambda clip: not path_of_clip[clip].exists())
    copy_count, problems = 0, []
    for finding in audit.rejected:
        # Copies are not problems: the picture of the original recording shows them, too.
        if finding.kind == "duplicate":
            copy_count += finding.files
        else:
            file = Path(audit.corpus.roots[finding.root], finding.path)
            problems.append(f"{file}: {finding.reason}")
    skipped = Skipped(log=False)
    spectrograms = _compute_spectrograms(missing.files(), spec, skipped)
    for index, spectrogram in progress.progress_bar("drawing")(spectrograms, len(missing)):
        _write_picture(path_of_clip[missing.clips[index]], spectrogram)
    problems += [f"{path}: {problem}" for path, problem in skipped.files.items()]
    for line in problems:
        print(f"serkit spectrogram: {printable(line)}", file=sys.stderr)
    progress.say(
        f"{sum(path.exists() for path in path_of_clip.values())} pictures in {options.out}, "
        f"{len(path_of_clip) - len(missing)} of them from before; copies left out: {copy_count}; "
        f"problems: {len(problems)}"
    )
    return 1 if problems else 0


def _require_same_settings(folder: Path, spec: "SpectrogramSpec") -> None:
    """Raise ResumeError if the folder holds pictures that were made with other settings."""
    from serkit.files import read_json_object, remove_partials

    if not (folder / _SETTINGS_FILE).exists():
        return
    stored_settings = read_json_object(folder / _SETTINGS_FILE)
    for name, value in asdict(spec).items():
        stored_value = stored_settings.get(name)
        if stored_value != value:
            raise ResumeError(
                f"{folder} holds pictures of {name}={stored_value!r}, not {value!r}; "
                "choose another folder"
            )
    # Partial files of a killed process end in .png, so readers of the folder would fail on them.
    remove_partials(folder)


def _picture_path(clip: "Clip", folder: Path) -> Path:
    """Return the path of a clip's picture.

    The path contains the digest of the samples. So the path is unique, and does not depend on the
    other clips of the corpus.
    """
    stem = _escaped(Path(clip.path).stem)[:_MAX_STEM_LENGTH]
    return folder / _escaped(clip.category) / f"{stem}-{clip.sha256[:12]}.png"


def _escaped(name: str) -> str:
    """Replace unsafe characters by ``%`` and their code, so that different names stay different."""
    return _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", name)


def _compute_spectrograms(
    files: "list[str]", spec: "SpectrogramSpec", skipped: "Skipped"
) -> Iterator[tuple[int, "np.ndarray"]]:
    """Yield the index in ``files`` and the spectrogram ``(frames, bins)`` of each usable file."""
    from serkit.training.spectrograms import spectrogram_dataset

    if files:
        for indices, spectrograms in spectrogram_dataset(files, spec, skipped=skipped):
            yield from zip(indices.numpy(), spectrograms.numpy()[..., 0], strict=True)


def _write_picture(path: Path, spectrogram: "np.ndarray") -> None:
    import tensorflow as tf

    from serkit.files import replacing
    from serkit.reporting.spectrogram_figures import grey_levels

    with replacing(path) as partial:
        partial.write_bytes(tf.io.encode_png(grey_levels(spectrogram)[..., None]).numpy())
