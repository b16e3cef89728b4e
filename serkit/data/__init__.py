"""From a corpus to batches: tf.data pipelines around serkit.audio."""
