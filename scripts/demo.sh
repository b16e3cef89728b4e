#!/usr/bin/env bash
# The main job, from nothing: environment, then audit, balance, GAN, compare, report, export.
#
#   scripts/demo.sh                    on the built-in corpus
#   scripts/demo.sh PATH [PATH...]     on recordings on disk (RAVDESS, TESS, SAVEE, CREMA-D)
#   scripts/demo.sh --short            minutes less: shows that everything runs, proves nothing
#
# All arguments go to `serkit demo`; paths are meant from the folder you call this in.
set -euo pipefail
here=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
project=$PWD
source scripts/_environment.sh
make_environment requirements.lock
cd "$here"
exec "$project/.venv/bin/serkit" demo "$@"
