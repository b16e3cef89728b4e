from serkit.serving.example import Example
from serkit.serving.question import Question
from serkit.serving.served_model import Signature, Tensor

EXAMPLES = [Example("a", b"1"), Example("b", b"2")]


def _signature(shape):
    return Signature(
        {"wav_bytes": Tensor("string", (None,)), "samples": Tensor("int32", shape)}, {}
    )


def test_a_scalar_is_for_all():
    question = Question("sampled", "wav_bytes", {"samples": 3}).put_to(_signature(()))
    assert question.columns(EXAMPLES) == {"wav_bytes": [b"1", b"2"]}
    assert question.scalars == {"samples": 3}


def test_or_for_each():
    question = Question("sampled", "wav_bytes", {"samples": 3}).put_to(_signature((None,)))
    assert question.columns(EXAMPLES) == {"wav_bytes": [b"1", b"2"], "samples": [3, 3]}
    assert question.scalars == {}
