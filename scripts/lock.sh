#!/usr/bin/env bash
# Writes lock files anew from the ranges in setup.cfg, with the hash of each file of each package.
#
#   scripts/lock.sh             requirements.lock, requirements-test.lock, requirements-docs.lock
#                               and, for tests beside PyTorch, requirements-torch.lock: TensorFlow,
#                               tf-keras and torch stay on the tried versions until somebody tries
#                               others
#   scripts/lock.sh --latest    requirements-latest.lock: the newest of everything, without
#                               tensorflow-io, whose library does not load there
#   scripts/lock.sh --release   requirements-release.lock: the tools of release.sh
#   scripts/lock.sh --hashes    the versions that the lock files have, with the hashes of today
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/_environment.sh
case "$*" in
    "") wanted=("tensorflow==2.17.1" "tf-keras==2.17.0" ".[tfio,serve]") ;;
    --latest) wanted=(".[serve]") ;;
    --release) wanted=(build cyclonedx-bom pip-audit twine) ;;
    --hashes) ;;
    *) echo "usage: $0 [--latest|--release|--hashes]" >&2; exit 2 ;;
esac
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$(_find_python)" -m venv "$scratch/venv"
pip="$scratch/venv/bin/python -m pip --disable-pip-version-check"
"$(_find_python)" -m venv "$scratch/uv"
"$scratch/uv/bin/pip" install --quiet uv
freeze() { $pip freeze --all | grep -viE '^(pip==|serkit )'; }
# Writes a lock file: the lines that start with # stay, and each version gets its hashes.
write_lock() {
    local versions="$scratch/versions"
    grep -v '^ ' "$2" | sed 's/ .*//' | grep -v '^#' > "$versions"
    { sed -n '/^#/p' "$2"; [ -z "${3:-}" ] || echo "$3"
      "$scratch/uv/bin/uv" pip compile --quiet --generate-hashes --no-deps --no-header \
          --no-annotate --no-strip-extras --python-version 3.11 "$versions"; } > "$scratch/lock"
    # Only PyTorch's build for the CPU, which is the one that pip finds here: the others need CUDA.
    if grep -q '^torch==' "$versions"; then
        $pip download --quiet --no-deps --dest "$scratch/torch" "$(grep '^torch==' "$versions")"
        sed -i '/^torch==/,$d' "$scratch/lock"
        printf '%s \\\n    %s\n' "$(grep '^torch==' "$versions")" \
            "$($pip hash "$scratch"/torch/* | tail -n 1)" >> "$scratch/lock"
    fi
    mv "$scratch/lock" "$1"
}
if [ "$*" = --hashes ]; then
    for lock in requirements*.lock; do write_lock "$lock" "$lock"; done
    exit
fi
tried="tried together on Python 3.11."
made="Made by scripts/lock.sh${1:+ $1}; do not edit by hand."
$pip install --quiet --upgrade "setuptools<81" wheel "${wanted[@]}"
freeze > "$scratch/run"
case "$*" in
    --latest)
        write_lock requirements-latest.lock "$scratch/run" \
            "# The newest that serkit runs on: $tried $made"
        exit ;;
    --release)
        write_lock requirements-release.lock "$scratch/run" "# What scripts/release.sh runs. $made"
        exit ;;
esac
$pip install --quiet ".[dev,ray,serve,onnx,litert]"
freeze | grep -vxFf "$scratch/run" > "$scratch/test"
$pip install --quiet ".[docs]"
freeze | grep -vxFf "$scratch/run" | grep -vxFf "$scratch/test" > "$scratch/docs"
$pip install --quiet torch==2.13.0
# Without "+cpu", which only some indexes know.
freeze | grep -vxFf "$scratch/run" | grep -vxFf "$scratch/test" | grep -vxFf "$scratch/docs" |
    sed 's/+.*//' > "$scratch/torch"
write_lock requirements.lock "$scratch/run" "# What serkit runs on: $tried $made"
write_lock requirements-test.lock "$scratch/test" "# What the tests add to requirements.lock. $made"
write_lock requirements-docs.lock "$scratch/docs" \
    "# What the documentation site adds to requirements.lock. $made"
write_lock requirements-torch.lock "$scratch/torch" \
    "# What the tests that compare with PyTorch add. $made"
