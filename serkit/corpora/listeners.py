"""What people who listen to the recordings recall of each emotion."""

LISTENERS = {
    "crema-d": {
        "source": "CREMA-D's own listeners, audio alone (Cao et al. 2014)",
        "accuracy": 0.40,
        "recalls": {
            "neutral": 0.76,
            "angry": 0.53,
            "fear": 0.32,
            "happy": 0.29,
            "disgust": 0.29,
            "sad": 0.25,
        },
    }
}
"""By corpus: shares that its listeners named as the actor meant them.

Source: Cao et al. (2014), CREMA-D: Crowd-Sourced Emotional Multimodal Actors Dataset, IEEE
Transactions on Affective Computing 5(4).
"""
