#!/usr/bin/env bash
# The documentation site, from nothing: environment, build. Every warning is an error.
#
#   scripts/docs.sh            build/site; open build/site/index.html
#   scripts/docs.sh serve      at http://127.0.0.1:8000, built anew when a page changes
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/_environment.sh
make_environment requirements.lock requirements-docs.lock
# Material's notice about another version of MkDocs.
export NO_MKDOCS_2_WARNING=1
[ "${1:-build}" = serve ] && exec .venv/bin/mkdocs serve --strict
exec .venv/bin/mkdocs build --strict --quiet
