#!/usr/bin/env bash
# Makes the files of a release.
#
#   scripts/release.sh           dist/: wheel, source archive, and a CycloneDX list of the packages of
#                                requirements.lock with their hashes (a software bill of materials)
#   scripts/release.sh --audit   asks the vulnerability database of PyPI about all lock files; needs
#                                a network
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/_environment.sh
case "$*" in
    "" | --audit) ;;
    *) echo "usage: $0 [--audit]" >&2; exit 2 ;;
esac
environment=.venv-release
make_environment requirements-release.lock
python=$environment/bin/python
if [ "$*" = --audit ]; then
    status=0
    for lock in requirements*.lock; do
        echo "== $lock"
        "$environment/bin/pip-audit" --disable-pip --require-hashes --requirement "$lock" || status=1
    done
    exit $status
fi
version=$($python -c "from importlib.metadata import version; print(version('serkit'))")
# An earlier build's files in build/ would get into the wheel.
rm -rf build
$python -m build --no-isolation --outdir dist
"$environment/bin/cyclonedx-py" requirements --output-reproducible \
    --output-file "dist/serkit-$version.cdx.json" requirements.lock
ls -l dist
