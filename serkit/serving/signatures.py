"""Names in an exported model: the same for every model, so that a client needs to know no other.

=================== ============================================ ==========================
signature           input                                        shape
=================== ============================================ ==========================
``serving_default`` ``wav_bytes``: whole WAV files, string       ``(batch,)``
``waveform``        ``waveform``: samples in [-1, 1], float32,    ``(batch, samples)``
                    at the rate of the model's spec (16 kHz)
``spectrogram``     ``spectrogram``: in [-1, 1], float32          ``(batch, frames, bins, 1)``
``sampled``         ``wav_bytes``, and ``samples``: int32, how    ``(batch,)`` and ``()``
                    often a model that draws is asked
``features``        ``wav_bytes``                                ``(batch,)``
``classes``         ``any``: int32, whatever it is               ``(batch,)``
=================== ============================================ ==========================

All but ``features`` and ``classes`` answer with :data:`OUTPUTS`. ``sampled`` is there only in
models that draw (Bayesian ones); the others take the number that was exported. It is a signature
of its own because TF Serving fills in the default of an input over gRPC, but refuses a JSON request
that leaves one out. ``features`` gives ``spectrogram``, float32 ``(batch, frames, bins, 1)``: what
the network is shown of a recording (the middle of a long one), and ``status``.

``classes`` gives ``classes``, string ``(batch, classes)``: the labels in the order of the
probabilities, in every row. Nothing else that a server tells says what they are. It has an input,
which it does not look at, because TF Serving answers no JSON request to a signature without one.
"""

WAV, WAVEFORM, SPECTROGRAM = "serving_default", "waveform", "spectrogram"
SAMPLED, FEATURES, CLASSES = "sampled", "features", "classes"
WAV_BYTES, SAMPLES, ANY = "wav_bytes", "samples", "any"

PROBABILITIES = "probabilities"
"""float32 ``(batch, classes)``, summing to 1; all 0 where ``status`` is not empty."""
LABEL = "label"
"""string ``(batch,)``, the most probable class; empty where ``status`` is not."""
ENTROPY = "entropy"
"""float32 ``(batch,)``, of the probabilities, in nats: how unsure the answer is."""
MUTUAL_INFORMATION = "mutual_information"
"""float32 ``(batch,)``, in nats: how much of the entropy is the networks' disagreement, 0 of one
that always answers the same."""
ABSTAIN = "abstain"
"""bool ``(batch,)``, whether the model would rather not answer: the entropy is above its threshold,
or ``status`` is not empty."""
STATUS = "status"
"""string ``(batch,)``, empty, or why the example cannot be used."""
NOTE = "note"
"""string ``(batch,)``, empty, or what is odd about an example that was used."""
OUTPUTS = (PROBABILITIES, LABEL, ENTROPY, MUTUAL_INFORMATION, ABSTAIN, STATUS, NOTE)
