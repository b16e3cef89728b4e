#!/usr/bin/env bash
# Makes the files of a release.
#
#   scripts/release.sh           dist/: wheel and source archive, checked by twine; a CycloneDX list
#                                of the packages of requirements.lock with their hashes (a software
#                                bill of materials); SHA-256 of all of them. Publishes nothing
#   scripts/release.sh --tag     the same, then tags the commit with the version
#   scripts/release.sh --audit   asks the vulnerability database of PyPI about all lock files; needs
#                                a network
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/_environment.sh
case "$*" in
    "" | --audit | --tag) ;;
    *) echo "usage: $0 [--audit|--tag]" >&2; exit 2 ;;
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
if [ "$*" = --tag ] && [ -n "$(git status --porcelain)" ]; then
    echo "serkit: there are changes that are not committed; a tag would not have them" >&2
    exit 1
fi
# An earlier build's files in build/ would get into the wheel.
rm -rf build dist
$python -m build --no-isolation --outdir dist
$python -m twine check --strict dist/*
"$environment/bin/cyclonedx-py" requirements --output-reproducible \
    --output-file "dist/serkit-$version.cdx.json" requirements.lock
(cd dist && sha256sum ./* > SHA256SUMS)
ls -l dist
[ "$*" != --tag ] || git tag --annotate "v$version" --message "serkit $version"
