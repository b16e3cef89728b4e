"""Fuzz the audit with damaged recordings and odd names: it must not crash, hang or omit a file.

    python scripts/benchmarks/fuzz_audit.py  # 20,000 files
    python scripts/benchmarks/fuzz_audit.py --count 500 --seed 7

Every file starts as a valid WAV, FLAC, MP3 or Ogg file of one of the common kinds. Then bytes of
the header are changed; chunks are moved, doubled, cut off or get other lengths; or the name is
changed. The audit runs on a batch of files at a time, in another process with limited memory and
time. It must report every file as a clip or as rejected, and all its measures must be finite. If a
batch fails, its files are kept, and the command that repeats it is printed.
"""

import argparse
import csv
import io
import itertools
import math
import multiprocessing
import os
import resource
import shutil
import struct
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile
from _quick import parse as parse_options

_BATCH = 500
_SECONDS = 120
_MEMORY = 4 << 30
_INTERESTING = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
_COMPRESSED = {"FLAC": "PCM_16", "MP3": "MPEG_LAYER_III", "OGG": "VORBIS"}
_CODECS = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "IMA_ADPCM", "GSM610")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parse_options(parser, count=500)
    kinds: Counter[str] = Counter()
    for seed in itertools.count(options.seed):
        folder = Path(tempfile.mkdtemp())
        write_batch(folder, seed)
        problem, found = run_watched(folder, seed)
        if problem:
            print(f"seed {seed}: {problem}; kept in {folder}; again: --count 1 --seed {seed}")
            return 1
        kinds.update(found)
        shutil.rmtree(folder)
        # Some files get the same name, so a batch may have fewer files.
        if sum(kinds.values()) >= options.count:
            break
    print(f"{sum(kinds.values())} files, every one accounted for: {dict(kinds.most_common())}")
    return 0


def write_batch(folder: Path, seed: int) -> None:
    """Write up to ``_BATCH`` damaged files."""
    rng = np.random.default_rng(seed)
    # Write one valid file, because an audit without a usable clip is an error.
    (folder / "DC").mkdir()
    (folder / "DC" / "a01.wav").write_bytes(whole_file(rng))
    for _ in range(_BATCH - 1):
        content = bytearray(whole_file(rng))
        for _ in range(rng.integers(0, 4)):
            content = mutate(content, rng)
        path = folder / os.fsdecode(odd_name(rng))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError:
            # The name may need a folder where there is a file, or a file where there is a folder.
            continue


def whole_file(rng: np.random.Generator) -> bytes:
    rate = int(rng.choice((8_000, 16_000, 24_414, 44_100, 48_000)))
    samples = rng.normal(0, 0.2, (int(rate * rng.uniform(0.0, 0.4)), int(rng.integers(1, 3))))
    buffer, codec = io.BytesIO(), str(rng.choice(_CODECS))
    if rng.random() < 0.25:
        kind = str(rng.choice(tuple(_COMPRESSED)))
        rate = 16_000 if kind == "MP3" else rate
        soundfile.write(buffer, samples.clip(-1, 1), rate, _COMPRESSED[kind], format=kind)
        return buffer.getvalue()
    if codec == "GSM610":
        samples = samples[:, :1]
    kind = "WAVEX" if rng.random() < 0.2 and codec in _CODECS[:6] else "WAV"
    soundfile.write(buffer, samples.clip(-1, 1), rate, codec, format=kind)
    return buffer.getvalue()


def mutate(content: bytearray, rng: np.random.Generator) -> bytearray:
    """Return the content after one random change, most often in the first hundred bytes."""
    header = min(len(content), 100)
    position = int(rng.integers(0, max(header, 1)))
    match rng.integers(0, 9):
        case 0:  # a bit
            if content:
                content[position] ^= 1 << int(rng.integers(0, 8))
        case 1:  # a field of four bytes
            content[position : position + 4] = struct.pack("<I", int(rng.choice(_INTERESTING)))
        case 2:  # a field of two bytes
            content[position : position + 2] = struct.pack(
                "<H", int(rng.choice(_INTERESTING)) & 0xFFFF
            )
        case 3:  # cut off anywhere
            del content[int(rng.integers(0, len(content) + 1)) :]
        case 4:  # some bytes lost in the header
            del content[position : position + int(rng.integers(1, 20))]
        case 5:  # some bytes too many
            content[position:position] = rng.bytes(int(rng.integers(1, 20)))
        case 6:  # a chunk of odd or impossible length in front of the data
            size = int(rng.choice((0, 1, 3, 7, 0xFFFFFFFF)))
            content[36:36] = b"LIST" + struct.pack("<I", size) + b"abcdefg"
        case 7:  # a second header
            content[position:position] = content[:header]
        case _:  # something else altogether
            texts = (
                b"",
                b"<html>",
                b"version https://git-lfs.github.com/spec/v1\n",
                rng.bytes(200),
            )
            return bytearray(texts[int(rng.integers(0, len(texts)))])
    return content


def odd_name(rng: np.random.Generator) -> bytes:
    """Return a file name as in one of the four corpora, sometimes with random changes."""
    names = (
        f"Actor_07/03-01-{rng.integers(1, 10):02}-01-02-01-07.wav",
        f"1001_{rng.choice(('DFA', 'IEO', 'MTI', 'QQQ'))}_ANG_XX.wav",
        f"KL/su{rng.integers(0, 17):02}.wav",
        f"OAF_Fear/{rng.choice(('OAF', 'YAF', 'OA', 'XAF'))}_back_fear.wav",
    )
    name = bytearray(str(rng.choice(names)).encode())
    for _ in range(int(rng.choice((0, 0, 0, 0, 0, 1, 2)))):
        position = int(rng.integers(0, len(name) - 4))
        odd = (
            b" ",
            b"\xff",
            "ü".encode(),
            b"=",
            b",",
            b'"',
            b"\n",
            b"'",
            b"..",
            b"\x01",
            b"-",
            b"0",
        )
        name[position : position + int(rng.integers(0, 2))] = odd[int(rng.integers(0, len(odd)))]
    # Every file gets a folder with a random number, so that few files get the same name.
    return b"%d/" % int(rng.integers(0, 10_000)) + bytes(name).replace(b"/..", b"/_")


def run_watched(folder: Path, seed: int) -> tuple[str, Counter]:
    """Audit in a process with a time limit; return the problem, if any, and the files by kind."""
    context = multiprocessing.get_context("spawn")
    results = context.SimpleQueue()
    process = context.Process(target=audit_batch, args=(folder, seed, results))
    process.start()
    process.join(_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
        return f"still running after {_SECONDS} s", Counter()
    if process.exitcode or results.empty():
        return f"the process ended with status {process.exitcode}", Counter()
    return results.get()


def audit_batch(folder: Path, seed: int, results) -> None:
    from serkit.datasets.audit import audit
    from serkit.datasets.custom import Naming

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    root, naming, files = reading(folder, seed)
    found = audit([root], naming=Naming(naming))
    out = folder.with_name(folder.name + "-out")
    found.write(out)
    shutil.rmtree(out)
    kinds = Counter({"usable": len(found.corpus)})
    for finding in found.rejected:
        kinds[finding.kind] += finding.files
    numbers = [n for c in found.corpus.clips for n in (c.duration, c.peak, c.rms)]
    problem = ""
    if sum(kinds.values()) != files:
        problem = f"{sum(kinds.values())} files accounted for, {files} were there"
    elif not all(map(math.isfinite, numbers)):
        problem = "a measured number is not finite"
    results.put((problem, kinds))


def reading(folder: Path, seed: int) -> tuple[str, str, int]:
    """Return the root and the naming pattern to audit with, and the number of recordings.

    In turn by seed: the naming schemes of the corpora, a pattern, or a table of labels.
    """
    # Files count as recordings if the name ends in .wav and no folder or file starts with a dot.
    names = [
        os.path.relpath(os.path.join(where, name), os.fsencode(folder))
        for where, _, names in os.walk(os.fsencode(folder))
        for name in names
        if name.lower().endswith(b".wav") and b"/." not in os.path.join(where, name)
    ]
    if seed % 3 == 0:
        return str(folder), "", len(names)
    if seed % 3 == 1:
        pattern = r"(?P<speaker>\d*).*_(?P<label>ANG|fear)"
        return f"mine={folder}", pattern, len(names)
    table = folder / "table.csv"
    with open(table, "w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "speaker"])
        writer.writerows((os.fsdecode(n), "sad", number % 7) for number, n in enumerate(names))
    return str(table), "", len(names)


if __name__ == "__main__":
    sys.exit(main())
