#!/usr/bin/env bash
# Writes lock files anew from the ranges in setup.cfg.
#
#   scripts/lock.sh             requirements.lock, requirements-test.lock and, for tests beside
#                               PyTorch, requirements-torch.lock: TensorFlow, tf-keras and torch
#                               stay on the tried versions until somebody tries others
#   scripts/lock.sh --latest    requirements-latest.lock: the newest of everything, without
#                               tensorflow-io, whose library does not load there
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/_environment.sh
case "$*" in
    "") wanted=("tensorflow==2.17.1" "tf-keras==2.17.0" ".[tfio,serve]") ;;
    --latest) wanted=(".[serve]") ;;
    *) echo "usage: $0 [--latest]" >&2; exit 2 ;;
esac
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$(_find_python)" -m venv "$scratch/venv"
pip="$scratch/venv/bin/python -m pip --disable-pip-version-check"
freeze() { $pip freeze --all | grep -viE '^(pip==|serkit )'; }
tried="tried together on Python 3.11."
made="Made by scripts/lock.sh${1:+ $1}; do not edit by hand."
$pip install --quiet --upgrade "setuptools<81" wheel "${wanted[@]}"
freeze > "$scratch/run"
if [ "$*" = --latest ]; then
    { echo "# The newest that serkit runs on: $tried $made"; cat "$scratch/run"; } \
        > requirements-latest.lock
    exit
fi
$pip install --quiet ".[dev,ray,serve]"
freeze | grep -vxFf "$scratch/run" > "$scratch/test"
$pip install --quiet torch==2.13.0
# Without "+cpu", which only some indexes know.
freeze | grep -vxFf "$scratch/run" | grep -vxFf "$scratch/test" | sed 's/+.*//' > "$scratch/torch"
{ echo "# What serkit runs on: $tried $made"; cat "$scratch/run"; } > requirements.lock
{ echo "# What the tests add to requirements.lock. $made"; cat "$scratch/test"; } > requirements-test.lock
{ echo "# What the tests that compare with PyTorch add. $made"; cat "$scratch/torch"; } > requirements-torch.lock
