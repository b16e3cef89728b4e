"""Waveforms and spectrograms: TensorFlow ops only, usable inside any graph.

No function has Python control flow that depends on tensors. So AutoGraph has nothing to convert,
and is off where a graph begins: its conversion takes more than half of the time of tracing.
"""
