import io

import numpy as np
import pytest
import soundfile

from serkit.audio.containers import (
    COMPRESSED,
    describe_error,
    identify,
    mend_mp3,
    mend_wav,
    ogg_is_whole,
)

ID3 = b"ID3\x04\0\0\0\0\x01\x02" + bytes(130)


def _identify(data: bytes) -> str:
    return identify(io.BytesIO(data))


@pytest.mark.parametrize(
    ("form", "subtype", "name"),
    [
        *(("WAV", "PCM_16", "WAV"), ("WAVEX", "FLOAT", "WAV"), ("FLAC", "PCM_24", "FLAC")),
        *(("OGG", "VORBIS", "Ogg Vorbis"), ("MP3", "MPEG_LAYER_III", "MP3")),
        *(("OGG", "OPUS", "Opus"), ("AIFF", "PCM_16", "AIFF"), ("W64", "PCM_16", "W64")),
        *(("RF64", "PCM_16", "RF64"), ("AU", "PCM_16", "AU"), ("CAF", "PCM_16", "CAF")),
    ],
)
def test_what_libsndfile_writes_is_known(wav_bytes, rng, form, subtype, name):
    data = wav_bytes(rng.uniform(-0.5, 0.5, 16_000), subtype=subtype, format=form)
    assert _identify(data) == name
    if name in ("FLAC", "MP3"):
        assert _identify(ID3 + ID3 + data) == name
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            assert sound.subtype in COMPRESSED[name]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"", "an empty file"),
        (b"\xef\xbb\xbf \n<!DOCTYPE html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"\0\0\0\x20ftypM4A ", "MPEG-4"),
        # ADTS: MPEG-4 without, MPEG-2 with a checksum.
        *((b"\xff\xf1\x50\x80", "AAC"), (b"\xff\xf8\x50\x80", "AAC")),
        # Layer III of MPEG 1, 2 and 2.5; layer II; a version, bit rate or rate that there is not.
        *((b"\xff\xfb\x90\0", "MP3"), (b"\xff\xf3\x80\0", "MP3"), (b"\xff\xe3\x80\0", "MP3")),
        (b"\xff\xfd\x90\0", "MPEG layer II"),
        *((b"\xff\xeb\x90\0", ""), (b"\xff\xfb\xf0\0", ""), (b"\xff\xfb\x9c\0", "")),
        *((b"OggS", "Ogg"), (b"RIFF....AVI ", ""), (b"ID3\x04", ""), (b"not audio", "")),
    ],
)
def test_other_first_bytes(data, name):
    assert _identify(data) == name


def test_an_ogg_file_ends_with_a_page_that_says_so(wav_bytes, rng):
    data = wav_bytes(rng.uniform(-0.5, 0.5, 48_000), subtype="VORBIS", format="OGG")
    last = data.rindex(b"OggS")
    for whole, content in ((True, data), (False, data[:-1]), (False, data[:last]), (False, b"")):
        assert ogg_is_whole(io.BytesIO(content)) is whole


def test_an_mp3_of_variable_bit_rate_without_a_tag_is_read_to_its_end(untagged_mp3):
    data, samples = untagged_mp3
    for content in (data, ID3 + data):
        assert len(soundfile.read(io.BytesIO(content))[0]) < samples / 2
        mended, tells_length = mend_mp3(content)
        assert not tells_length
        assert len(soundfile.read(io.BytesIO(mended))[0]) == samples


def test_an_mp3_with_a_tag_is_left_as_it_is(wav_bytes, rng):
    data = wav_bytes(rng.uniform(-0.5, 0.5, 9_000), subtype="MPEG_LAYER_III", format="MP3")
    assert mend_mp3(data) == (data, True)
    assert mend_mp3(ID3 + data) == (ID3 + data, True)


def test_a_wav_header_gets_the_length_that_is_there(wav_bytes, rng):
    data = wav_bytes(rng.uniform(-0.5, 0.5, 1_000))
    streamed = data[:4] + bytes(4) + data[8:40] + bytes(4) + data[44:]
    assert not len(soundfile.read(io.BytesIO(streamed))[0])
    assert mend_wav(streamed, 44) == data


def test_errors_are_told_without_the_file():
    with pytest.raises(soundfile.LibsndfileError) as caught:
        soundfile.SoundFile(io.BytesIO(b"x"))
    assert "BytesIO" in str(caught.value)
    assert "BytesIO" not in describe_error(caught.value)
    assert describe_error(ValueError("")) == "it is damaged or cut off"
    assert describe_error(np.linalg.LinAlgError("Error : a b. ")) == "a b"
