#!/usr/bin/env bash
# Writes requirements.lock and requirements-test.lock anew from the ranges in setup.cfg.
# TensorFlow and its companions stay on the tried versions until somebody tries others.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/_environment.sh
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$(_find_python)" -m venv "$scratch/venv"
pip="$scratch/venv/bin/python -m pip --disable-pip-version-check"
$pip install --quiet "setuptools<81" wheel "tensorflow==2.17.1" "tf-keras==2.17.0" .
note="Made by scripts/lock.sh; do not edit by hand."
$pip freeze --all | grep -viE '^(pip==|serkit )' > "$scratch/run"
$pip install --quiet ".[dev]"
$pip freeze --all | grep -viE '^(pip==|serkit )' | grep -vxFf "$scratch/run" > "$scratch/test"
{ echo "# What serkit runs on: tried together on Python 3.11. $note"; cat "$scratch/run"; } > requirements.lock
{ echo "# What the tests add to requirements.lock. $note"; cat "$scratch/test"; } > requirements-test.lock
