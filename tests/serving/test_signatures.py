"""What is promised of an exported model, against what is in one."""

import re

import tensorflow as tf

from serkit.export import signatures


def _shape(spec):
    return tuple(spec.shape.as_list())


def test_an_exported_model_has_what_is_promised(loaded):
    own = {"waveform": (None, None), "spectrogram": (None, 224, 224, 1)}
    names = (signatures.WAV, signatures.WAVEFORM, signatures.SPECTROGRAM)
    # This one does not draw.
    assert set(loaded) == {*names, signatures.FEATURES, signatures.CLASSES}
    for name in names:
        inputs = loaded[name].structured_input_signature[1]
        (key,) = inputs
        assert key == ("wav_bytes" if name == signatures.WAV else name)
        assert _shape(inputs[key]) == own.get(name, (None,))
        outputs = loaded[name].structured_outputs
        assert set(outputs) == set(signatures.OUTPUTS)
        types = {key: spec.dtype for key, spec in outputs.items()}
        assert types[signatures.ABSTAIN] == tf.bool
        for key in (signatures.PROBABILITIES, signatures.ENTROPY, signatures.MUTUAL_INFORMATION):
            assert types[key] == tf.float32
        for key in (signatures.LABEL, signatures.STATUS, signatures.NOTE):
            assert types[key] == tf.string
    features = loaded[signatures.FEATURES].structured_outputs
    assert _shape(features["spectrogram"]) == (None, 224, 224, 1)


def test_two_models_have_all_of_them(run_contract_model, adaptive_version):
    """The table of signatures is what models have that follow it."""
    table = re.findall(r"^``(\w+)`` +``", signatures.__doc__, re.MULTILINE)
    of_encoder = {signatures.ENROLL, signatures.ENROLLED}
    adaptive = tf.saved_model.load(str(adaptive_version)).signatures
    assert sorted(table) == sorted({*run_contract_model.signatures, *of_encoder})
    of_both = {signatures.WAV, signatures.WAVEFORM, signatures.FEATURES, signatures.CLASSES}
    assert set(adaptive) == of_both | of_encoder
    enroll, enrolled = adaptive[signatures.ENROLL], adaptive[signatures.ENROLLED]
    assert set(enroll.structured_input_signature[1]) == {"wav_bytes", "class_number"}
    assert set(enroll.structured_outputs) == {"speaker", "status"}
    assert set(enrolled.structured_input_signature[1]) == {"wav_bytes", "speaker"}
    assert set(enrolled.structured_outputs) == set(signatures.OUTPUTS)
    for name in run_contract_model.signatures:
        signature = run_contract_model.signatures[name]
        inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
        if name == signatures.CLASSES:
            assert list(inputs) == [signatures.ANY]
            assert list(outputs) == [signatures.CLASSES]
        elif name != signatures.FEATURES:
            assert set(outputs) == set(signatures.OUTPUTS)
        if name in (signatures.WAV, signatures.SAMPLED, signatures.FEATURES):
            assert signatures.WAV_BYTES in inputs
