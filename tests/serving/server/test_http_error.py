from serkit.serving.server.http import HttpError, format_value


def test_messages_are_bounded_whatever_was_sent():
    error = HttpError(400, "x" * 100_000)
    assert len(error.message) == 500
    assert error.message.endswith("…")
    assert str(HttpError(404, "short")) == "short"


def test_what_is_shown_of_a_value_is_short():
    assert format_value("a" * 1_000_000) == repr("a" * 80)[:80] + "…"
    assert format_value([[1] * 1000]) == "a list"
    assert format_value({"a": 1}) == "an object"
    assert (format_value(1.5), format_value(None), format_value(True)) == ("1.5", "None", "True")
