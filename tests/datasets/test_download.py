import hashlib
import io
import json
import tarfile
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from filelock import FileLock

from serkit.datasets import download as download_module
from serkit.datasets.download import SOURCES, download
from serkit.errors import DownloadError, InputError

WAVS = {name: name.encode() * 1000 for name in ("a.wav", "b.wav", "c.WAV")}


class Server(ThreadingHTTPServer):
    """Serves ``files`` by path; the next answer for a path in ``breaks`` ends after so many bytes.

    ``log`` holds each request's path and range.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.breaks, self.log = {}, {}, []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"

    def paths(self) -> list[str]:
        return sorted(path for path, _ in self.log)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.log.append((self.path, asked))
        body = self.server.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        start = int(asked[6:-1]) if asked else 0
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body) - start))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        end = self.server.breaks.pop(self.path, None)
        self.close_connection = end is not None
        self.wfile.write(body[start:end])

    def log_message(self, *arguments) -> None:
        pass


@pytest.fixture
def server(running):
    return running(Server())


@pytest.fixture
def get(tmp_path):
    def run(source, **options):
        return download(source, tmp_path / "to", **{"pause": lambda seconds: None} | options)

    return run


@pytest.fixture
def publish_zip(server):
    """Put a zip of ``members`` on the server; give RAVDESS' source as it would be for that."""

    def publish(members):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        body = server.files["/speech.zip"] = buffer.getvalue()
        return replace(
            SOURCES["ravdess"],
            address=server.url("/speech.zip"),
            checksum=f"md5:{hashlib.md5(body).hexdigest()}",
            size=len(body),
            recordings=len(WAVS),
        )

    return publish


@pytest.fixture
def ravdess(publish_zip):
    return publish_zip({f"Actor_01/{name}": content for name, content in WAVS.items()})


def entry(number, name, content=b"", **more):
    md5 = hashlib.md5(content).hexdigest()
    file = {"id": number, "filename": name, "filesize": len(content), "md5": md5}
    return {"label": name, "dataFile": file, **more}


@pytest.fixture
def publish_list(server):
    """Put a list of files on the server; give TESS' source as it would be for that."""

    def publish(entries):
        answer = {"status": "OK", "data": {"latestVersion": {"files": entries}}}
        server.files["/list"] = json.dumps(answer).encode()
        return replace(
            SOURCES["tess"],
            address=server.url("/list"),
            files_address=server.url("/datafile/"),
            recordings=len(WAVS),
        )

    return publish


@pytest.fixture
def tess(server, publish_list):
    entries = [entry(7, "readme.txt"), entry(8, "._a.wav")]
    for number, (name, content) in enumerate(WAVS.items()):
        server.files[f"/datafile/{number}"] = content
        entries.append(entry(number, name, content, directoryLabel="OAF_angry/x"))
    by_type = {"type": "SHA-256", "value": hashlib.sha256(WAVS["a.wav"]).hexdigest().upper()}
    entries[2]["dataFile"]["checksum"] = by_type
    del entries[2]["dataFile"]["md5"]
    return publish_list(entries)


def pointer(content):
    oid = hashlib.sha256(content).hexdigest()
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {len(content)}\n"
    ).encode()


@pytest.fixture
def publish_tar(server):
    """Put a tar.gz on the server; give CREMA-D's source as it would be for ``WAVS``' pointers."""

    def publish(members):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
            for name, content in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        server.files["/commit.tar.gz"] = buffer.getvalue()
        table = hashlib.sha256()
        for name in sorted(LFS):
            oid = hashlib.sha256(LFS[name]).hexdigest()
            table.update(f"{oid} {len(LFS[name])} {name}\n".encode())
        return replace(
            SOURCES["crema-d"],
            address=server.url("/commit.tar.gz"),
            files_address=server.url("/media/"),
            checksum=f"sha256:{table.hexdigest()}",
            recordings=len(LFS),
        )

    return publish


# Two files with the same bytes under different labels, as there are in CREMA-D.
LFS = {"1_B.wav": b"b" * 900, "1_A.wav": b"a" * 5000, "2_A.wav": b"a" * 5000}
POINTERS = {
    "CREMA-D-1/README.md": b"read me",
    "CREMA-D-1/AudioMP3/1_A.mp3": pointer(b"mp3"),
    "CREMA-D-1/other/AudioWAV/3.wav": pointer(b"x"),
    **{f"CREMA-D-1/AudioWAV/{name}": pointer(content) for name, content in LFS.items()},
}


@pytest.fixture
def cremad(server, publish_tar):
    server.files |= {f"/media/{name}": content for name, content in LFS.items()}
    return publish_tar(POINTERS)


def content(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_the_zip_comes_is_unpacked_and_not_asked_for_again(server, get, ravdess, tmp_path):
    folder = get(ravdess)
    assert folder == tmp_path / "to/ravdess"
    wanted = {f"ravdess/Actor_01/{name}": wav for name, wav in WAVS.items()}
    assert content(tmp_path / "to") == wanted
    before = folder.parent.stat().st_mtime_ns
    assert get(ravdess) == folder
    assert server.paths() == ["/speech.zip"]
    assert folder.parent.stat().st_mtime_ns == before


def test_a_folder_that_is_a_link_to_another_disk_is_filled(get, ravdess, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "ravdess").symlink_to(tmp_path / "disk")
    get(ravdess)
    assert len(list((tmp_path / "to" / "ravdess").rglob("*.[wW][aA][vV]"))) == len(WAVS)
    assert (tmp_path / "to" / "ravdess").is_symlink()


def test_a_zip_is_gone_on_with_after_a_kill(server, get, ravdess, tmp_path):
    class KilledError(BaseException):
        pass

    def killed(seconds):
        raise KilledError

    server.breaks["/speech.zip"] = 1000
    with pytest.raises(KilledError):
        get(ravdess, pause=killed)
    get(ravdess)
    assert server.log == [("/speech.zip", None), ("/speech.zip", "bytes=1000-")]
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["ravdess"]


def test_a_kill_while_unpacking_leaves_no_half_corpus(server, get, ravdess, monkeypatch, tmp_path):
    def killed(archive, folder):
        (folder / "Actor_01").mkdir(parents=True)
        (folder / "Actor_01/half.wav").write_bytes(b"RI")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(zipfile.ZipFile, "extractall", killed)
        with pytest.raises(KeyboardInterrupt):
            get(ravdess)
    assert not (tmp_path / "to/ravdess").exists()
    assert len(content(get(ravdess))) == len(WAVS)
    assert server.paths() == ["/speech.zip"]
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["ravdess"]


def test_files_left_by_a_kill_after_the_last_step_are_removed(server, get, ravdess, tmp_path):
    get(ravdess)
    left = tmp_path / "to/.partial-ravdess-download"
    left.mkdir()
    (left / "archive.zip").write_bytes(b"left")
    get(ravdess)
    assert not left.exists()
    assert server.paths() == ["/speech.zip"]


@pytest.mark.parametrize("name", ["../evil.wav", "/evil.wav", "a/../../evil.wav", "..\\evil.wav"])
def test_a_zip_that_would_write_elsewhere_is_refused(get, publish_zip, tmp_path, name):
    source = publish_zip({"a.wav": b"a", "b.wav": b"b", name: b"evil"})
    with pytest.raises(DownloadError, match=r"refused.*evil\.wav"):
        get(source)
    assert list(tmp_path.rglob("*.wav")) == []


def test_a_zip_with_another_number_of_recordings_is_refused(get, publish_zip, tmp_path):
    source = publish_zip({"a.wav": b"a", "b.wav": b"b", "._c.wav": b"", "notes.txt": b"c"})
    with pytest.raises(DownloadError, match=r"has 2 recordings instead of 3.*by hand: https://zen"):
        get(source)
    assert not (tmp_path / "to/ravdess").exists()


def test_a_damaged_zip_is_refused(server, get, ravdess):
    body = server.files["/speech.zip"] = b"<html>"
    source = replace(ravdess, checksum=f"md5:{hashlib.md5(body).hexdigest()}")
    with pytest.raises(DownloadError, match="zip"):
        get(source)


def test_a_wrong_zip_is_refused_and_thrown_away(server, get, ravdess, tmp_path):
    server.files["/speech.zip"] = server.files["/speech.zip"][:-1] + b"!"
    with pytest.raises(DownloadError, match=rf"instead of {ravdess.checksum}"):
        get(ravdess)
    assert list((tmp_path / "to").iterdir()) == []


def test_a_zip_that_unpacks_to_much_more_is_refused(server, get, ravdess, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in WAVS:
            archive.writestr(name, bytes(1_000_000))
    body = server.files["/speech.zip"] = buffer.getvalue()
    checksum = f"md5:{hashlib.md5(body).hexdigest()}"
    with pytest.raises(DownloadError, match="refused: it unpacks to 3000000 bytes"):
        get(replace(ravdess, size=len(body), checksum=checksum))
    assert list(tmp_path.rglob("*.wav")) == []


def test_a_folder_with_other_things_in_it_is_left_alone(server, get, ravdess, tmp_path):
    (tmp_path / "to/ravdess").mkdir(parents=True)
    get(ravdess)
    mine = tmp_path / "to/ravdess/Actor_01/a.wav"
    (tmp_path / "to/ravdess/Actor_01/b.wav").unlink()
    mine.write_bytes(b"mine")
    server.log.clear()
    with pytest.raises(InputError, match="the 3 recordings"):
        get(ravdess)
    assert mine.read_bytes() == b"mine"
    assert server.log == []


def test_two_processes_do_not_mix(server, get, ravdess, tmp_path):
    work = tmp_path / "to/.partial-ravdess-download"
    work.mkdir(parents=True)
    with FileLock(work / ".lock"), pytest.raises(DownloadError, match="another process"):
        get(ravdess)
    assert server.log == []
    assert get(ravdess).is_dir()


def test_the_zip_s_progress_is_in_mib_and_the_others_in_files(get, ravdess, tess, cremad):
    totals = []

    def track(items, total):
        totals.append(total)
        return items

    for source in (ravdess, tess, cremad):
        get(source, track=track)
    assert totals == [1, 3, 3]


def test_listed_files_come_and_are_not_asked_for_again(server, get, tess, tmp_path):
    server.breaks["/datafile/1"] = 1000
    folder = get(tess)
    wanted = {f"tess/OAF_angry/x/{name}": wav for name, wav in WAVS.items()}
    assert content(tmp_path / "to") == wanted
    numbers = [f"/datafile/{number}" for number in (0, 1, 1, 2)]
    assert server.paths() == [*numbers, "/list"]
    assert ("/datafile/1", "bytes=1000-") in server.log
    assert get(tess) == folder
    assert len(server.log) == 5


def test_a_listed_file_that_is_longer_than_listed_is_refused(server, get, tess, tmp_path):
    server.files["/datafile/1"] += b"!"
    with pytest.raises(DownloadError, match="more than the 5000 bytes"):
        get(tess)
    assert not (tmp_path / "to/tess/OAF_angry/x/b.wav").exists()


def test_only_missing_or_wrong_files_are_requested(server, get, tess):
    folder = get(tess) / "OAF_angry/x"
    (folder / "a.wav").unlink()
    (folder / "b.wav").write_bytes(b"damaged")
    (folder / "notes.txt").write_bytes(b"mine")
    server.log.clear()
    get(tess)
    assert server.paths() == ["/datafile/0", "/datafile/1", "/list"]
    assert content(folder) == {**WAVS, "notes.txt": b"mine"}


def test_a_listed_file_that_cannot_be_had_costs_none_of_the_others(server, get, tess, tmp_path):
    folder = tmp_path / "to/tess/OAF_angry/x"
    folder.mkdir(parents=True)
    (folder / "b.wav").write_bytes(b"mine")
    right = server.files["/datafile/1"]
    server.files["/datafile/1"] = right[::-1]
    with pytest.raises(DownloadError, match=r"/datafile/1 had the checksum md5:"):
        get(tess)
    assert (folder / "b.wav").read_bytes() == b"mine"
    assert not list(folder.glob(".partial-b*"))
    server.files["/datafile/1"] = right
    assert len(content(get(tess))) == len(WAVS)


@pytest.mark.parametrize(
    "evil",
    [
        entry(1, "../evil.wav"),
        entry(1, "x/evil.wav"),
        entry(1, "..\\evil.wav"),
        entry(1, "evil.wav", directoryLabel="a/../.."),
    ],
)
def test_a_listed_name_that_is_no_plain_one_is_refused(server, get, publish_list, evil):
    server.files["/datafile/1"] = b""
    with pytest.raises(DownloadError, match=r"refused.*evil\.wav"):
        get(publish_list([evil]))
    assert server.paths() == ["/list"]


def test_a_path_listed_twice_is_refused(server, get, publish_list):
    entries = [entry(1, "a.wav"), entry(2, "b.wav"), entry(3, "b.wav")]
    with pytest.raises(DownloadError, match=r"lists b\.wav 2 times"):
        get(publish_list(entries))
    assert server.paths() == ["/list"]


def test_another_number_of_listed_files_is_an_error_and_they_are_kept(server, get, tess, tmp_path):
    with pytest.raises(DownloadError, match="has 3 recordings instead of 4"):
        get(replace(tess, recordings=4))
    assert len(content(tmp_path / "to/tess")) == 3


@pytest.mark.parametrize(
    "files",
    [
        *(None, [{}], [{"dataFile": {"filename": "a.wav"}}], [{"dataFile": {"filename": 1}}]),
        [entry(1, "a.wav", directoryLabel=1)],
        [{"dataFile": {"id": 1, "filename": "a.wav", "checksum": {"type": "CRC", "value": "0"}}}],
    ],
)
def test_a_list_of_another_form_is_refused(get, publish_list, files):
    with pytest.raises(DownloadError, match=r"/list is not the list"):
        get(publish_list(files))


def test_a_page_instead_of_the_list_is_refused(server, get, tess):
    server.files["/list"] = b"<html>"
    with pytest.raises(DownloadError, match=r"/list is not the list"):
        get(tess)


def test_git_lfs_files_come_and_are_not_asked_for_again(server, get, cremad, tmp_path):
    server.breaks["/media/1_A.wav"] = 1000
    folder = get(cremad)
    assert content(tmp_path / "to") == {
        f"crema-d/AudioWAV/{name}": wav for name, wav in LFS.items()
    }
    assert ("/media/1_A.wav", "bytes=1000-") in server.log
    assert len(server.log) == 5
    assert get(cremad) == folder
    assert len(server.log) == 5
    (folder / "AudioWAV/2_A.wav").unlink()
    get(cremad)
    assert server.log[5:] == [("/commit.tar.gz", None), ("/media/2_A.wav", None)]


@pytest.mark.parametrize("change", ["oid", "size", "name", "missing"])
def test_another_table_of_checksums_is_refused(server, get, publish_tar, change):
    members = dict(POINTERS)
    old = members.pop("CREMA-D-1/AudioWAV/1_A.wav")
    name = "CREMA-D-1/AudioWAV/1_A.wav".replace("1_A", "1_C" if change == "name" else "1_A")
    if change != "missing":
        new = {"oid": pointer(b"x" * 5000), "size": old.replace(b"5000", b"5001")}
        members[name] = new.get(change, old)
    with pytest.raises(DownloadError, match=r"sha256:[0-9a-f]{64} instead of sha256:[0-9a-f]{64}"):
        get(publish_tar(members))
    assert server.paths() == ["/commit.tar.gz"]


def test_wrong_bytes_of_a_git_lfs_file_are_refused(server, get, cremad, tmp_path):
    server.files["/media/1_A.wav"] = b"c" * 5000
    oid = hashlib.sha256(LFS["1_A.wav"]).hexdigest()
    with pytest.raises(DownloadError, match=rf"1_A\.wav had .*sha256:{oid}.*github\.com"):
        get(cremad)
    assert not (tmp_path / "to/crema-d/AudioWAV/1_A.wav").exists()


@pytest.mark.parametrize("text", [b"RIFF....WAVE", pointer(b"x") + b"y" * 2000])
def test_an_archive_with_something_else_than_pointers_is_refused(get, publish_tar, text):
    source = publish_tar({"CREMA-D-1/AudioWAV/1_A.wav": text})
    with pytest.raises(DownloadError, match=r"AudioWAV/1_A\.wav is no Git LFS pointer"):
        get(source)


@pytest.mark.parametrize("kept", [0, 1, 60])
def test_an_archive_that_is_none_or_cut_short_is_refused(server, get, cremad, kept):
    archive = server.files["/commit.tar.gz"]
    server.files["/commit.tar.gz"] = archive[:kept] or b"<html>"
    with pytest.raises(DownloadError, match=r"commit\.tar\.gz"):
        get(cremad)
    assert server.paths() == ["/commit.tar.gz"]


def test_an_archive_that_unpacks_to_much_more_is_refused(get, publish_tar, monkeypatch):
    """Also a member that tarfile skips, and a long name, which it would read into memory."""
    monkeypatch.setattr(download_module, "_MAX_LIST_BYTES", 100_000)
    for name in ("CREMA-D-1/other", "CREMA-D-1/" + "x" * 2_000_000):
        content = bytes(2_000_000) if name.endswith("other") else b""
        with pytest.raises(DownloadError, match="unpacks to more than 1000000 bytes"):
            get(publish_tar({name: content, **POINTERS}))
