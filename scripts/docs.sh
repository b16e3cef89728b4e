#!/usr/bin/env bash
# The documentation site, from nothing: environment, build. Every warning is an error.
#
#   scripts/docs.sh            build/site; open build/site/index.html
#   scripts/docs.sh serve      at http://127.0.0.1:8000, built anew when a page changes
#   scripts/docs.sh notebooks [FILE...]
#                              runs the tutorials, and stores in them what they print
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/_environment.sh
make_environment requirements.lock requirements-docs.lock
# Material's notice about another version of MkDocs.
export NO_MKDOCS_2_WARNING=1
if [ "${1:-build}" = notebooks ]; then
    shift
    [ $# -gt 0 ] || set -- docs/tutorials/*.ipynb
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    # TensorFlow's log is not what a reader should see first.
    export PATH="$PWD/.venv/bin:$PATH" TF_CPP_MIN_LOG_LEVEL=3
    for notebook in "$@"; do
        # In a folder of its own, which the notebook fills.
        folder="$scratch/$(basename "$notebook" .ipynb)"
        mkdir "$folder"
        cp "$notebook" "$folder"
        .venv/bin/python -m nbconvert --to notebook --execute --inplace \
            --ExecutePreprocessor.coalesce_streams=True \
            --ExecutePreprocessor.record_timing=False "$folder/$(basename "$notebook")"
        mv "$folder/$(basename "$notebook")" "$notebook"
    done
    exit
fi
[ "${1:-build}" = serve ] && exec .venv/bin/mkdocs serve --strict
exec .venv/bin/mkdocs build --strict --quiet
