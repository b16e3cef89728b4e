from serkit.serialization import content_key


def test_the_same_values_have_the_same_key_in_any_order():
    assert content_key(a=1, b=[2, None]) == content_key(b=(2, None), a=1)
    assert content_key(a=1) != content_key(a=2)
    assert content_key(a=1) != content_key(b=1)
    assert len(content_key()) == 16
