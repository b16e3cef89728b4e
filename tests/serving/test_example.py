from serkit.serving.example import Example, read_example


def test_files_and_what_is_wrong_with_them(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF")
    assert read_example(path) == Example(str(path), b"RIFF")
    assert read_example(tmp_path / "no.wav").problem == "no such file or directory"
    assert read_example(tmp_path).problem == "is a directory"
    assert "null" in read_example("a\0.wav").problem
