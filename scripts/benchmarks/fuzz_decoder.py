"""Fuzz the WAV decoder with damaged files: it must not crash, hang or lose memory.

    python scripts/benchmarks/fuzz_decoder.py  # 200,000 files
    python scripts/benchmarks/fuzz_decoder.py --count 5000 --seed 7

Every string starts as a valid WAV file of one of the common kinds; every second one gets a sample
rate from 1,000 to 1,000,000 Hz in its header. Then up to six changes are made: a bit or a field of
the header is changed, bytes are removed or added, chunks are doubled or get other lengths, or the
end is cut off. The strings pass one by one through the graph of an exported model that decodes and
resamples. For each string the result must be either a rate with finite samples, not more than the
bytes can hold, or a status with the reason. None may take more than 50 ms, three times in a row.
Memory must not grow from the tenth batch of 500 to the last.
"""

import argparse
import math
import struct
import sys
import time
from collections import Counter
from pathlib import Path

import _quick
import numpy as np
import tensorflow as tf
from fuzz_audit import mutate, whole_file

from serkit.audio.decoding import decode_wav
from serkit.audio.resampling import resample

_BATCH, _WARM = 500, 10
_SECONDS, _GROWTH_MIB = 0.05, 64
_NEW_RATE = 16_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    options = _quick.parse(parser, count=1000)
    kinds: Counter[str] = Counter()
    start, slowest = 0.0, 0.0
    batches = -(-options.count // _BATCH)
    warm = min(_WARM, batches - 1)
    # The graph is traced, and each of its branches warmed up, before anything is timed.
    for file in damaged(np.random.default_rng(options.seed)):
        decode(tf.constant(file))
    for number in range(batches):
        files = damaged(np.random.default_rng([options.seed, number]))
        rows = []
        for file in files:
            seconds, row = timed(file)
            rows.append(row)
            slowest = max(slowest, seconds)
        found = [np.array(column) for column in zip(*rows, strict=True)]
        problem = check(files, *found)
        if problem or slowest > _SECONDS:
            print(f"seed {options.seed}, batch {number}: {problem or f'{slowest:.3f} s for one'}")
            return 1
        kinds.update(status.decode() or "decoded" for status in found[0])
        kinds["decoded, with a note"] += int((found[1] != b"").sum())
        if number == warm:
            start = memory()
        if number % 40 == 39:
            print(f"{sum(kinds.values())} …", flush=True)
    growth = memory() - start
    total = sum(kinds.values()) - kinds["decoded, with a note"]
    print(f"{total} files, seed {options.seed}: no crash, the slowest took {1000 * slowest:.0f} ms")
    for kind, count in kinds.most_common():
        print(f"  {count:7} {kind}")
    print(f"memory grew by {growth:.0f} MiB from batch {warm} to the last")
    return int(growth > _GROWTH_MIB)


def damaged(rng: np.random.Generator) -> list[bytes]:
    """Return a batch of files: ten damaged versions of each valid file."""
    files = []
    for _ in range(_BATCH // 10):
        whole = whole_file(rng)
        for number in range(10):
            content = bytearray(whole)
            place = content.find(b"fmt ", 0, 100)
            if number % 2 and place > 0:
                content[place + 12 : place + 16] = struct.pack("<I", rng.integers(1_000, 1_000_001))
            for _ in range(int(rng.integers(0, 7))):
                content = mutate(content, rng)
            files.append(bytes(content))
    return files


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def decode(data: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Return status, note, number of samples, largest absolute resampled sample and rate."""
    wave, rate, status, note = decode_wav(data)
    resampled = resample(wave, rate, _NEW_RATE)
    loudest = tf.reduce_max(tf.abs(tf.concat([resampled, [0.0]], 0)))
    return status, note, tf.size(wave), loudest, rate


def timed(file: bytes) -> tuple[float, list]:
    """Return the seconds for a file, the least of up to three runs, and the results of decode."""
    least = math.inf
    for _ in range(3):
        began = time.perf_counter()
        row = [part.numpy() for part in decode(tf.constant(file))]
        least = min(least, time.perf_counter() - began)
        if least <= _SECONDS:
            break
    return least, row


def check(files, status, note, sizes, loudest, rates) -> str:
    """Return the problem with the results of a batch; empty if there is none."""
    good = status == b""
    lengths = np.array([len(file) for file in files])
    if not np.isfinite(loudest).all():
        return "samples that are not finite"
    if (good != (sizes > 0)).any() or (sizes > lengths).any():
        return "a number of samples that cannot be"
    if (rates[~good] != 1).any() or ((rates[good] < 1_000) | (rates[good] > 1_000_000)).any():
        return "a rate that cannot be"
    return "a note on what was not decoded" if (note[~good] != b"").any() else ""


def memory() -> float:
    """Return the memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


if __name__ == "__main__":
    sys.exit(main())
