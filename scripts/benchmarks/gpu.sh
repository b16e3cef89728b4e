#!/usr/bin/env bash
# Measures serkit on a GPU: spectrograms in tf.data, training steps, peak memory. It is meant to take
# less than ten minutes, and was run without a GPU only.
# It needs the extra gpu: pip install --editable '.[gpu]'
#
#   scripts/benchmarks/gpu.sh [RECORDINGS]        default: the built-in corpus
#   scripts/benchmarks/gpu.sh --logical --quick   without a GPU: checks that the script runs
set -euo pipefail
folder=$(dirname "${BASH_SOURCE[0]}")
for part in spectrograms dcgan vgg16-half-freeze; do
    "${PYTHON:-python}" "$folder/bench_gpu.py" "$part" "$@"
done
