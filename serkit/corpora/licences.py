"""What the corpora's owners allow."""

LICENCES = {
    "ravdess": "CC BY-NC-SA 4.0: not for commerce, say who made it, share alike",
    "tess": "for research; see the archive's own terms",
    "savee": "for research; see the owners' terms",
    "crema-d": "Open Database License (ODbL) 1.0",
}
"""By corpus, in short; the licences themselves count."""
