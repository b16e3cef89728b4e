"""The report's label sets (section 5.1, figure 13): 7 emotions, and 14 when split by gender."""

GENDERS = ("female", "male")

EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""Neutral and RAVDESS's calm are one class, as in the report; clips keep their original label."""

CATEGORIES = tuple(f"{gender}_{emotion}" for gender in GENDERS for emotion in EMOTIONS)

LABEL_SETS = {"emotion": EMOTIONS, "gender_emotion": CATEGORIES}
"""What a classifier may tell apart, by the name of the clip attribute that holds it."""
