"""The main job from recordings to a report and a model, in one run folder."""
