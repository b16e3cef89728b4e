"""Compare an exported model with its conversions to ONNX and LiteRT, with and without 8 bits.

    python scripts/benchmarks/bench_formats.py saved_models/mine RECORDINGS

RECORDINGS should be of speakers whom the model was not trained on. `ms` is the median time from the
waveform to the probabilities of one recording, in two threads. Differences are those of the
probabilities to the SavedModel's.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import _quick
import joblib
import numpy as np
import numpy.typing as npt
import onnxruntime
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from serkit.audio.compressed import decode_any
from serkit.audio.loading import load_whole
from serkit.datasets.audit import audit
from serkit.export.portable import convert_model
from serkit.export.versions import find_version, read_details
from serkit.formatting import markdown_table
from serkit.metrics.classification import score

Predict = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]


def saved_model(folder: Path) -> Predict:
    loaded = tf.saved_model.load(str(folder))
    signature = loaded.signatures["waveform"]
    return lambda waveform: signature(waveform=waveform[np.newaxis])["probabilities"][0].numpy()


def onnx(file: Path) -> Predict:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(str(file), options)
    return lambda waveform: session.run(["probabilities"], {"waveform": waveform})[0]


def litert(file: Path) -> Predict:
    run = Interpreter(str(file), num_threads=2).get_signature_runner()
    return lambda waveform: run(waveform=waveform)["probabilities"]


def size_of(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="folder of an exported model")
    parser.add_argument("recordings", help="folder of labelled recordings")
    parser.add_argument("--clips", type=int, default=200, help="use so many, spread over all")
    options = _quick.parse(parser, clips=4)
    version = find_version(options.model)
    details = read_details(version, classes=list, spec=dict)
    classes, rate = details["classes"], details["spec"]["sample_rate"]
    corpus = audit([options.recordings]).corpus
    step = max(1, len(corpus) // options.clips)
    truth = [classes.index(label) for label in corpus.labels("emotion")[::step]]
    waveforms = [
        load_whole(tf.constant(Path(file).read_bytes()), rate, None, decode_any).waveform.numpy()
        for file in corpus.files()[::step]
    ]
    rows, expected = [], None
    with tempfile.TemporaryDirectory() as folder:
        made = {"SavedModel": (version, saved_model(version))}
        for form, load in (("onnx", onnx), ("litert", litert)):
            for int8 in (False, True):
                name = f"{form}{', 8 bits' if int8 else ''}"
                file = convert_model(version, Path(folder, name), form, int8=int8)
                made[name] = (file, load(file))
        for name, (path, predict) in made.items():
            probabilities, seconds = [], []
            for waveform in waveforms:
                began = time.perf_counter()
                probabilities.append(predict(waveform))
                seconds.append(time.perf_counter() - began)
            found = np.stack(probabilities)
            expected = found if expected is None else expected
            labels = found.argmax(axis=1)
            rows.append(
                [
                    name,
                    f"{size_of(path) / 1e6:.1f}",
                    f"{1000 * np.median(seconds):.1f}",
                    f"{np.abs(found - expected).max():.1e}",
                    f"{100 * np.mean(labels == expected.argmax(axis=1)):.1f} %",
                    f"{100 * score(truth, labels, len(classes)).uar:.1f}",
                ]
            )
    print(f"{len(waveforms)} recordings, {joblib.cpu_count()} cores")
    header = ["format", "MB", "ms", "largest difference", "same label", "UAR, per cent"]
    print(markdown_table(header, rows))


if __name__ == "__main__":
    main()
