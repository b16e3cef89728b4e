"""Measure serkit on a GPU: spectrograms in tf.data, training steps, peak memory.

    scripts/benchmarks/gpu.sh RECORDINGS  # each part in a process of its own

The part `spectrograms` computes spectrograms on the GPU inside tf.data, and on the CPU, and prints
which kernels the profiler saw on the GPU. `dcgan` is an optimizer step of the 2021 report's DCGAN
with Discriminator2; `vgg16-half-freeze` is the training of the report's best classifier. Peak
memory is that of TensorFlow's allocator on the GPU. Without a GPU, `--logical` uses a second
logical device of the CPU, to check that the script runs; the numbers then mean nothing.
"""

import argparse
import collections
import tempfile
import time
from pathlib import Path

import _quick
import tensorflow as tf

_BATCH = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("root", nargs="?", type=Path, help="default: the built-in corpus")
    parser.add_argument("--logical", action="store_true", help="a logical device, without a GPU")
    parser.add_argument("--batch", type=int, default=_BATCH)
    parser.add_argument("--width", type=float, default=1.0, help="of the DCGAN")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--size", type=float, default=0.2, help="of the built-in corpus")
    options = _quick.parse(parser, batch=2, width=0.02, steps=1, size=0.005)
    device = gpu(options.logical)
    print(f"\n{options.part} on {device}", flush=True)
    with tf.device(device):
        PARTS[options.part](options, device)
    if not options.logical:
        peak = tf.config.experimental.get_memory_info(device)["peak"]
        print(f"  peak memory of the GPU: {peak / 2**20:.0f} MiB")


def gpu(logical: bool) -> str:
    """Return the name of the first GPU, or of a second logical device of the CPU."""
    if logical:
        (cpu,) = tf.config.list_physical_devices("CPU")
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
        return "CPU:1"
    if not tf.config.list_physical_devices("GPU"):
        raise SystemExit("TensorFlow finds no GPU; --logical checks that the script runs")
    return "GPU:0"


def spectrograms(options: argparse.Namespace, device: str) -> None:
    """Print clips per second on the GPU and on the CPU, and the GPU's kernels."""
    from serkit.datasets.synthetic import SyntheticSettings, write_synthetic_corpus

    with tempfile.TemporaryDirectory() as folder:
        root = options.root or Path(folder, "recordings")
        if options.root is None:
            write_synthetic_corpus(root, SyntheticSettings(size=options.size))
        files = sorted(map(str, root.rglob("*.wav")))
        for name in (device, "CPU:0"):
            seconds = read(files, name, options.batch)
            print(f"  computed on {name}: {len(files) / seconds:.0f} clips/s")
        tf.profiler.experimental.start(folder)
        read(files, device, options.batch)
        tf.profiler.experimental.stop()
        for kernel, milliseconds in kernels(Path(folder)).most_common(8):
            print(f"  {milliseconds:8.1f} ms in {kernel}")


def read(files: list[str], device: str, batch: int) -> float:
    """Return the seconds for all files, after the graph is built."""
    from serkit.audio.spectrogram import SpectrogramSpec
    from serkit.training.spectrograms import spectrogram_dataset

    dataset = spectrogram_dataset(
        files, SpectrogramSpec(), device=f"/device:{device}", clips_per_transform=batch
    )
    for _ in dataset.take(1):
        began = time.perf_counter()
    for _ in dataset:
        pass
    return time.perf_counter() - began


def kernels(folder: Path) -> collections.Counter[str]:
    """Return the milliseconds of each kernel that the profiler saw on GPUs."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    (file,) = folder.rglob("*.xplane.pb")
    space.ParseFromString(file.read_bytes())
    milliseconds: collections.Counter[str] = collections.Counter()
    for plane in space.planes:
        if plane.name.startswith("/device:GPU"):
            names = {key: metadata.name for key, metadata in plane.event_metadata.items()}
            for line in plane.lines:
                for event in line.events:
                    milliseconds[names[event.metadata_id]] += event.duration_ps / 1e9
    return milliseconds


def dcgan(options: argparse.Namespace, device: str) -> None:
    """Print the seconds of an optimizer step in float32 and in mixed bfloat16."""
    from _gan_step import SerkitStep

    from serkit.studies.cost import median_seconds

    for dtype in ("float32", "bfloat16"):
        step = SerkitStep(options.batch, dtype == "bfloat16", options.width)
        taken = median_seconds(step.run, options.steps)
        print(f"  {dtype}, batch {options.batch}: {taken:.3f} s a step")


def half_freeze(options: argparse.Namespace, device: str) -> None:
    """Print the spectrograms per second through the frozen layers, once, and in training."""
    from _classifier_step import SerkitClassifier

    from serkit.training.precision import fastest_precision

    precision = fastest_precision()
    ours = SerkitClassifier("vgg16-half-freeze", options.batch, precision)
    once = min(ours.features() for _ in range(3))
    taken = min(ours.steps(options.steps))
    print(
        f"  {precision}, batch {options.batch}: {options.batch / once:.0f} images/s through the "
        f"frozen layers, once; {options.batch / taken:.0f} images/s in training"
    )


PARTS = {"spectrograms": spectrograms, "dcgan": dcgan, "vgg16-half-freeze": half_freeze}


if __name__ == "__main__":
    main()
