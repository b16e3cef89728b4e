import re

from serkit.serving import signatures


def test_a_model_with_all_of_them(served):
    """The table of signatures is what a model has that follows it."""
    table = re.findall(r"^``(\w+)`` +``", signatures.__doc__, re.MULTILINE)
    assert sorted(table) == sorted(served.signatures)
    for name in table:
        signature = served.signatures[name]
        inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
        if name == signatures.CLASSES:
            assert list(inputs) == [signatures.ANY]
            assert list(outputs) == [signatures.CLASSES]
        elif name != signatures.FEATURES:
            assert set(outputs) == set(signatures.OUTPUTS)
        if name in (signatures.WAV, signatures.SAMPLED, signatures.FEATURES):
            assert signatures.WAV_BYTES in inputs


def test_classes_are_in_every_row(served):
    import numpy as np

    found = served(signatures.CLASSES, {signatures.ANY: np.array([0, 7], "int32")})
    assert found[signatures.CLASSES].tolist() == [[b"angry", b"happy", b"sad"]] * 2
