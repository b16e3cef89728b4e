#!/usr/bin/env bash
# The tests, from nothing: environment, ruff, pyright, pytest.
#
#   scripts/test.sh                    everything
#   scripts/test.sh -m "not slow"      arguments go to pytest
#   scripts/test.sh --cov              what of serkit they go through, which takes half as long again
#   scripts/test.sh --torch [...]      with PyTorch, beside which networks are tested; without it
#                                      those tests are skipped (pip must find PyTorch's build for
#                                      the CPU, by an index or --find-links)
#   scripts/test.sh --weights [...]    with the weights of whisper-tiny.en (70 MB); without them the
#                                      tests that need them are skipped
#   scripts/test.sh --docs [...]       with MkDocs; without it the documentation site is not tested
#   scripts/test.sh --latest [...]     on the newest TensorFlow, in .venv-latest: the fast tests,
#                                      or what the arguments say; no ruff
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/_environment.sh
export TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-2} MPLBACKEND=Agg
if [ "${1:-}" = --latest ]; then
    shift
    environment=.venv-latest
    make_environment requirements-latest.lock requirements-test.lock
    # Left out: what TensorFlow and NumPy cannot break, such as file names and HTTP; what is put
    # together from trainings that other packages test; and all of the demo but one whole run. The
    # default suite has them all.
    demo=tests/studies/demo/test_demo.py
    [ $# -gt 0 ] || set -- -m "not slow" --ignore=tests/test_architecture.py \
        --ignore=tests/test_docs.py --ignore=tests/test_docs_site.py \
        --ignore=tests/test_packaging.py --ignore=tests/test_scripts.py \
        --ignore=tests/test_serving_recipes.py --ignore=tests/augmentation --ignore=tests/cli \
        --ignore=tests/datasets --ignore=tests/metrics/test_paired.py --ignore=tests/reporting \
        --ignore=tests/serving/server --ignore=tests/serving/test_timeline.py \
        --ignore=tests/studies/comparison \
        --ignore=tests/studies/test_evaluation.py --ignore=tests/studies/test_train.py \
        --ignore=tests/studies/trials --ignore=tests/studies/tuning --ignore=tests/tasks \
        --deselect=$demo::test_all_results_of_the_random_split_are_marked_as_leaky \
        --deselect=$demo::test_mended_recordings_are_audited_again \
        --deselect=$demo::test_a_finished_run_is_not_repeated_but_a_removed_model_is_exported_again
    echo "== pytest on the newest TensorFlow"
    exec .venv-latest/bin/python -m pytest --durations=10 "$@"
fi
locks=(requirements.lock requirements-test.lock)
while [[ "${1:-}" =~ ^--(torch|weights|docs)$ ]]; do
    locks+=("requirements-${1#--}.lock")
    shift
done
make_environment "${locks[@]}"
echo "== ruff"
.venv/bin/ruff check .
.venv/bin/ruff format --check .
echo "== pyright"
.venv/bin/pyright
echo "== pytest"
# Two at once: most tests leave one core idle most of the time. The tests of a file stay together,
# for what they share is made once, and come in their own order, or else the longest would be last.
exec .venv/bin/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder \
    --durations=10 "$@"
