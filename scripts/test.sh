#!/usr/bin/env bash
# The tests, from nothing: environment, ruff, pytest with coverage.
#
#   scripts/test.sh                    everything
#   scripts/test.sh -m "not slow"      arguments go to pytest
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/_environment.sh
make_environment requirements.lock requirements-test.lock
echo "== ruff"
.venv/bin/ruff check .
.venv/bin/ruff format --check .
echo "== pytest"
export TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-2} MPLBACKEND=Agg
exec .venv/bin/python -m pytest --cov --cov-report=term --durations=10 "$@"
