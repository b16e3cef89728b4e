import pytest

from serkit.errors import InputError
from serkit.serving.transport import Address, is_address, parse_address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://a:8501/v1/models/m", Address("http", "a", 8501, "m")),
        ("http://a/v1/models/m/", Address("http", "a", 80, "m")),
        (
            "https://a.example/x/y/v1/models/m",
            Address("https", "a.example", 443, "m", None, "/x/y"),
        ),
        ("http://a:1/v1/models/m/versions/3", Address("http", "a", 1, "m", 3)),
        ("grpc://a:8500/m", Address("grpc", "a", 8500, "m")),
        ("grpc://a/m/versions/12", Address("grpc", "a", 8500, "m", 12)),
        ("grpc://a:1/v1/models/m", Address("grpc", "a", 1, "m")),
        ("http://[::1]:8501/v1/models/m", Address("http", "::1", 8501, "m")),
    ],
)
def test_what_is_valid(text, expected):
    assert parse_address(text) == expected
    # And what it says of itself is the same again.
    assert parse_address(str(expected)) == expected


def test_urls():
    address = parse_address("https://[::1]:8501/behind/v1/models/m", version=4)
    assert address.url == "https://[::1]:8501/behind/v1/models/m/versions/4"
    assert address.server == "[::1]:8501"
    assert str(parse_address("grpc://a/m")) == "grpc://a:8500/m"


def test_name_and_version_may_be_arguments():
    assert parse_address("http://a:1", "m", 2) == Address("http", "a", 1, "m", 2)
    assert parse_address("http://a:1/behind/", "m") == Address("http", "a", 1, "m", None, "/behind")
    assert parse_address("grpc://a:1/", "m") == Address("grpc", "a", 1, "m")
    assert parse_address("grpc://a:1/m/versions/2", "m", 2).version == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http://a:8501", "must name a model"),
        ("grpc://a:8500/", "must name a model"),
        ("http://a:8501/m", "must name a model"),
        ("ftp://a/v1/models/m", "is not valid"),
        ("http:///v1/models/m", "is not valid"),
        ("http://a/v1/models/m?x=1", "is not valid"),
        ("http://a:port/v1/models/m", "Port could not be cast"),
        ("http://a:99999/v1/models/m", "out of range"),
        ("http://[::1/v1/models/m", "Invalid IPv6"),
        ("http://a/v1/models/m%20n", "m%20n"),
        ("http://a/v1/models/m:predict", "must name a model"),
        ("grpc://a/one/two", "must name a model"),
    ],
)
def test_what_is_not_valid(text, message):
    with pytest.raises(InputError, match=message):
        parse_address(text)


def test_passwords_are_neither_taken_nor_repeated():
    with pytest.raises(InputError, match="netrc") as caught:
        parse_address("https://me:secret@a/v1/models/m")
    assert "secret" not in str(caught.value)


def test_what_contradicts_itself():
    for arguments in (("n",), ("", 3), ("m", 3)):
        with pytest.raises(InputError, match="`model` and `version`"):
            parse_address("grpc://a:1/m/versions/2", *arguments)
    with pytest.raises(InputError, match="version=-1"):
        parse_address("grpc://a:1/m", version=-1)


def test_folders_are_no_addresses():
    assert is_address("http://a")
    assert is_address("ftp://a")
    assert not any(map(is_address, ("saved_models/m", "/m", "C:/m", "http:/m")))
