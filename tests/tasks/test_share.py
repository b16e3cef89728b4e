import pytest

from serkit.errors import InputError
from serkit.tasks.share import Share

fsspec = pytest.importorskip("fsspec")


@pytest.fixture(params=["memory", "file"])
def share(request, tmp_path):
    if request.param == "file":
        return Share(f"file://{tmp_path}/share")
    fsspec.filesystem("memory").store.clear()
    return Share("memory://share")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "made"
    (made / "inner").mkdir(parents=True)
    (made / "x.txt").write_text("x")
    (made / "inner" / "y.bin").write_bytes(b"\0\1")
    (made / ".lock").write_text("")
    return made


def _content(folder):
    files = (path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_downloaded_folder_is_the_same(share, folder, tmp_path):
    assert not share.has("a/b")
    share.put(folder, "a/b")
    assert share.has("a/b")
    share.get("a/b", tmp_path / "got")
    assert _content(tmp_path / "got") == _content(folder) == {"x.txt": b"x", "inner/y.bin": b"\0\1"}
    assert not (tmp_path / "got" / ".lock").exists()


def test_a_copy_is_the_same_until_the_next_upload(share, folder, tmp_path):
    got = tmp_path / "got"
    assert not share.is_same("a", got)
    share.put(folder, "a")
    assert not share.is_same("a", folder)
    share.get("a", got)
    assert share.is_same("a", got)
    (folder / "x.txt").write_text("new")
    share.put(folder, "a")
    assert not share.is_same("a", got)


def test_existing_files_are_replaced(share, folder, tmp_path):
    share.put(folder, "a")
    got = tmp_path / "got"
    got.mkdir()
    (got / "old.txt").write_text("old")
    share.get("a", got)
    assert _content(got) == _content(folder)
    (folder / "x.txt").write_text("new")
    share.put(folder, "a")
    share.get("a", got)
    assert (got / "x.txt").read_text() == "new"


def test_a_downloaded_file_is_the_same(share, folder, tmp_path):
    share.put(folder / "x.txt", "deep/er/x.txt")
    assert share.has("deep/er/x.txt")
    share.get("deep/er/x.txt", tmp_path / "new" / "x.txt")
    assert (tmp_path / "new" / "x.txt").read_text() == "x"


def test_an_incomplete_folder_does_not_exist(share, folder, tmp_path):
    share.put(folder, "a")
    share._filesystem.rm_file(share._path("a/.sha256"))
    assert not share.has("a")
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / "old.txt").write_text("old")
    with pytest.raises(FileNotFoundError, match="share/a "):
        share.get("a", tmp_path / "got")
    assert (tmp_path / "got" / "old.txt").exists()


@pytest.mark.parametrize("name", ["a", "a/x.txt"])
def test_another_content_than_was_uploaded_is_refused(share, folder, tmp_path, name):
    share.put(folder if name == "a" else folder / "x.txt", name)
    share._filesystem.pipe_file(share._path("a/x.txt"), b"y")
    (tmp_path / "got").write_text("old")
    with pytest.raises(OSError, match="SHA-256"):
        share.get(name, tmp_path / "got")
    assert (tmp_path / "got").read_text() == "old"
    assert not (tmp_path / "got.fetched").exists()


def test_files_that_are_not_of_the_last_upload_are_not_taken(share, folder, tmp_path):
    share.put(folder, "a")
    (folder / "inner" / "y.bin").unlink()
    share.put(folder, "a")
    share._filesystem.pipe_file(share._path("a/more.txt"), b"more")
    share.get("a", tmp_path / "got")
    assert _content(tmp_path / "got") == {"x.txt": b"x"}


@pytest.mark.parametrize("evil", ["../evil.txt", "/tmp/serkit-evil.txt", "inner/../../evil.txt"])
def test_no_list_leads_to_files_elsewhere(share, folder, tmp_path, evil):
    share.put(folder, "a")
    share._filesystem.pipe_file(share._path("a/.sha256"), f"{'0' * 64}  {evil}\n".encode())
    with pytest.raises(OSError, match="outside"):
        share.get("a", tmp_path / "b" / "got")
    assert list((tmp_path / "b").iterdir()) == []


@pytest.mark.parametrize("address", ["nosuch://x", "s3://bucket/x"])
def test_an_unsupported_address_is_refused(address):
    if address.startswith("s3") and fsspec.utils.get_package_version_without_import("s3fs"):
        pytest.skip("s3fs is installed")
    with pytest.raises(InputError, match=f"`share`.*fsspec.* {address} "):
        Share(address)
