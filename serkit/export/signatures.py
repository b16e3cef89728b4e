"""Names in an exported model: the same for every model, so that a client needs to know no other.

=================== ============================================ ==========================
signature           input                                        shape
=================== ============================================ ==========================
``serving_default`` ``wav_bytes``: string, whole WAV files       ``(batch,)``
``waveform``        ``waveform``: float32, samples in [-1, 1]    ``(batch, samples)``
                    at the rate of the model's spec (16 kHz)
``spectrogram``     ``spectrogram``: float32, in [-1, 1]         ``(batch, frames, bins, 1)``
``sampled``         ``wav_bytes``, and ``samples``: int32, the   both ``(batch,)``
                    number of Monte Carlo samples; the highest
                    number applies to the whole batch
``features``        ``wav_bytes``                                ``(batch,)``
``classes``         ``any``: int32, any values                   ``(batch,)``
``enroll``          ``wav_bytes`` of one speaker, and            both ``(batch,)``
                    ``class_number``: int32, of each recording;
                    -1 where it is not known
``enrolled``        ``wav_bytes``                                ``(batch,)``
                    ``speaker``: float32, from ``enroll``        ``(batch, speaker)``
=================== ============================================ ==========================

Only models with random layers have the signature ``sampled``. ``features`` returns the output
``spectrogram``, of the middle of longer recordings. With a speech encoder it returns the output
``features``, ``(batch, features)``, and the model has no signature ``spectrogram``. Models of an
encoder that ``serkit train`` made have ``enroll`` and ``enrolled``: ``enroll`` returns the output
``speaker``, ``(batch, speaker)``, what it found out about the speaker, the same in each row, and
``status``; ``enrolled`` predicts recordings of that speaker.
"""

WAV, WAVEFORM, SPECTROGRAM = "serving_default", "waveform", "spectrogram"
SAMPLED, FEATURES, CLASSES = "sampled", "features", "classes"
ENROLL, ENROLLED = "enroll", "enrolled"
WAV_BYTES, SAMPLES, ANY = "wav_bytes", "samples", "any"
CLASS_NUMBER, SPEAKER = "class_number", "speaker"

PROBABILITIES = "probabilities"
"""float32 ``(batch, classes)``, summing to 1; all 0 where ``status`` is not empty."""
LABEL = "label"
"""string ``(batch,)``, the most probable class; empty where ``status`` is not empty."""
ENTROPY = "entropy"
"""float32 ``(batch,)``, entropy of the probabilities in nats: the total uncertainty."""
MUTUAL_INFORMATION = "mutual_information"
"""float32 ``(batch,)``, in nats: the part of the entropy that is disagreement between the samples.
It is 0 for a single deterministic network."""
ABSTAIN = "abstain"
"""bool ``(batch,)``, whether the model abstains: the entropy is above the model's threshold, the
recording is unlike all training clips (``note`` says so), or ``status`` is not empty."""
STATUS = "status"
"""string ``(batch,)``, empty, or the reason why the example cannot be used."""
NOTE = "note"
"""string ``(batch,)``, empty, or a warning about an example that was used."""
OUTPUTS = (PROBABILITIES, LABEL, ENTROPY, MUTUAL_INFORMATION, ABSTAIN, STATUS, NOTE)
