import numpy as np
import tensorflow as tf

from serkit.audio.decoding import not_inlined


@not_inlined
def many_steps(values):
    for step in range(50):
        values = tf.sin(values) + step
    return values


def branched(values):
    return tf.cond(values[0] > 0, lambda: many_steps(values), lambda: values)


def test_taken_and_not_taken_every_way_to_call_gives_the_same(rng, tmp_path):
    signature = [tf.TensorSpec([None])]
    module = tf.Module()
    module.call = tf.function(branched, input_signature=signature, autograph=False)
    tf.saved_model.save(module, str(tmp_path))
    exported = tf.saved_model.load(str(tmp_path)).call
    waves = np.abs(rng.standard_normal((4, 100))).astype("float32") * [[1], [-1], [1], [-1]]
    waves = tf.constant(waves, tf.float32)
    mapped = tf.data.Dataset.from_tensor_slices(waves).map(branched, num_parallel_calls=2)
    for wave, from_map in zip(waves, mapped, strict=True):
        found = branched(wave)
        assert np.array_equal(found, wave) == bool(wave[0] <= 0)
        for other in (from_map, module.call(wave), exported(wave)):
            np.testing.assert_array_equal(other, found)


def test_a_branch_that_is_not_taken_stands_in_the_graph_as_one_call():
    """Inlined, each of its hundred steps would be gone through."""
    graph = tf.function(branched, autograph=False).get_concrete_function(tf.TensorSpec([None]))
    functions = graph.graph.as_graph_def().library.function
    kept = [f for f in functions if f.attr["_noinline"].b]
    assert len(kept) == 1
    assert sum(node.op == "Sin" for node in kept[0].node_def) == 50
    others = [node.op for f in functions if f is not kept[0] for node in f.node_def]
    assert "Sin" not in others
    assert sum(op.endswith("PartitionedCall") for op in others) == 1


def test_other_lengths_are_not_traced_anew():
    for length in range(1, 20):
        many_steps(tf.zeros(length))
    assert many_steps.experimental_get_tracing_count() <= 3
