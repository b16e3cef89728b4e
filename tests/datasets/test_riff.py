import os
import struct

import pytest

from serkit.datasets.findings import UnusableError
from serkit.datasets.headers import read_header

FORMAT = struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)


def _riff(*chunks: tuple[bytes, int, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", size) + data for name, size, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


@pytest.fixture
def header(tmp_path):
    def read(content: bytes):
        path = tmp_path / "x.wav"
        path.write_bytes(content)
        return read_header(path)

    return read


def test_a_whole_file(header):
    found = header(_riff((b"fmt ", 16, FORMAT), (b"data", 16000, bytes(16000))))
    assert (found.seconds, found.missing_seconds, found.length_unknown) == (1.0, 0.0, False)


def test_widths_that_are_no_whole_bytes_are_padded(header):
    twelve_bits = FORMAT[:14] + b"\x0c\x00"
    found = header(_riff((b"fmt ", 16, twelve_bits), (b"data", 16000, bytes(8000))))
    assert (found.seconds, found.missing_seconds) == (1.0, 0.5)


def test_chunks_of_odd_length_are_padded(header):
    odd = (b"LIST", 3, b"abc\0")
    found = header(_riff((b"fmt ", 16, FORMAT), odd, (b"data", 8000, bytes(4000))))
    assert found.missing_seconds == 0.25
    assert found.describe_missing() == "truncated: its header says 0.50 s, 0.25 s are there"


def test_a_few_missing_samples_are_a_slip(header):
    def missing(announced):
        chunks = (b"fmt ", 16, FORMAT), (b"data", announced, bytes(16000))
        return header(_riff(*chunks)).missing_seconds

    assert missing(16_160) == 0
    assert missing(16_200) == 0.0125


@pytest.mark.parametrize(
    ("content", "kind"), [(b"fLaC....", "FLAC"), (b"ID3\4" + bytes(6) + b"\xff\xfb\x90\0", "MP3")]
)
def test_compressed_formats_are_only_identified(header, content, kind):
    assert header(content).kind == kind


@pytest.mark.parametrize("announced", [0, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_lengths_that_mean_not_known(header, announced):
    assert header(_riff((b"fmt ", 16, FORMAT), (b"data", announced, bytes(100)))).length_unknown


def test_no_samples_before_another_chunk_is_no_unknown_length(header):
    behind = (b"LIST", 4, b"abcd")
    found = header(_riff((b"fmt ", 16, FORMAT), (b"data", 0, b""), behind))
    assert (found.length_unknown, found.data_start) == (False, 0)
    loud = (b"data", 0, b"\x7f\x7f\x80\x80" * 50)
    assert header(_riff((b"fmt ", 16, FORMAT), loud)).data_start == 44


def test_no_data_at_all_is_no_unknown_length(header):
    assert not header(_riff((b"fmt ", 16, FORMAT), (b"data", 0, b""))).length_unknown


@pytest.mark.parametrize(
    "content",
    [
        _riff(),
        _riff((b"data", 10, bytes(10))),
        _riff((b"fmt ", 16, FORMAT[:5])),
        _riff((b"fmt ", 16, b"\x01" + bytes(15)), (b"data", 10, bytes(10))),
        _riff((b"junk", 0xFFFFFFFF, b"")),
        _riff(*[(b"junk", 0, b"")] * 5000),
    ],
)
def test_headers_without_a_length(header, content):
    found = header(content)
    assert (found.missing_seconds, found.length_unknown) == (0.0, False)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "lfs-pointer"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html>", "html"),
        (b"<html><body>404", "html"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied", "html"),
        (b"", "unreadable"),
        (b"RIFF", "unreadable"),
        (b"RIFF....AVI ", "unreadable"),
        (bytes(300), "unreadable"),
        (b"\0\0\0\x20ftypM4A ", "format"),
        (b"ID3\x04", "unreadable"),
        (b"ID3\x04\0\0\0\0\0\0FORM....AIFF", "format"),
        (b"OggS" + bytes(22) + b"\x01\x13OpusHead", "format"),
        (b"OggS" + bytes(22) + b"\x01\x1e\x01vorbis", "truncated"),
        (_riff((b"fmt ", 16, b"\x55\x00" + FORMAT[2:])), "format"),
        (_riff((b"fmt ", 40, b"\xfe\xff" + FORMAT[2:] + bytes(8) + b"\x06\x00")), "format"),
    ],
)
def test_other_files_saved_under_a_recording_s_name(header, content, kind):
    with pytest.raises(UnusableError) as caught:
        header(content)
    assert caught.value.kind == kind


def test_folders_and_missing_files_are_unreadable(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "gone", tmp_path / "pipe"):
        with pytest.raises(UnusableError, match="cannot be read"):
            read_header(path)
