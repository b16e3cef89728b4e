from serkit.serving.prediction import Example, SignatureCall

EXAMPLES = [Example("a", b"1"), Example("b", b"2")]


def test_what_is_shared_comes_with_each_example():
    question = SignatureCall("sampled", "wav_bytes", {"samples": 3})
    assert question.columns(EXAMPLES) == {"wav_bytes": [b"1", b"2"], "samples": [3, 3]}
    assert SignatureCall("s", "wav_bytes").columns(EXAMPLES) == {"wav_bytes": [b"1", b"2"]}
