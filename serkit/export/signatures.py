"""Names in an exported model: the same for every model, so that a client needs to know no other.

=================== ============================================ ==========================
signature           input                                        shape
=================== ============================================ ==========================
``serving_default`` ``wav_bytes``: whole WAV files, string       ``(batch,)``
``waveform``        ``waveform``: samples in [-1, 1], float32,    ``(batch, samples)``
                    at the rate of the model's spec (16 kHz)
``spectrogram``     ``spectrogram``: in [-1, 1], float32          ``(batch, frames, bins, 1)``
``sampled``         ``wav_bytes``, and ``samples``: int32, how   both ``(batch,)``
                    often a model that draws is asked; the
                    highest number counts for all
``features``        ``wav_bytes``                                ``(batch,)``
``classes``         ``any``: int32, whatever                     ``(batch,)``
=================== ============================================ ===================
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
