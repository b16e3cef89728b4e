#!/usr/bin/env bash
# Tries the wheel of scripts/release.sh as a user would: in empty environments, from the package
# index. In each: serkit doctor, a training run on a small built-in corpus, a prediction.
#
#   scripts/release_check.sh             without extras, and with each extra but gpu
#   scripts/release_check.sh serve ray   with these only; "base" is without extras
#
# The extra gpu is not tried: it needs a GPU, and gigabytes of libraries.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/_environment.sh
wheel=$(ls "$PWD"/dist/serkit-*.whl 2>/dev/null) ||
    { echo "serkit: there is no wheel in dist/; scripts/release.sh makes it" >&2; exit 1; }
[ $# -gt 0 ] || set -- base serve tfio ray onnx litert
scratch=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$scratch"' EXIT
# Elsewhere, so that Python imports the installed package.
python=$(_find_python)
cd "$scratch"
for extra in "$@"; do
    echo "== $extra"
    requirement=$wheel
    [ "$extra" = base ] || requirement="$wheel[$extra]"
    "$python" -m venv "$extra"
    "$extra/bin/pip" install --quiet "$requirement"
    serkit=$extra/bin/serkit
    "$serkit" doctor | tee "$extra/doctor"
    [ "$extra" = base ] || grep -q "^ok *extra $extra" "$extra/doctor"
    "$extra/bin/python" -c "import pathlib, serkit
small = serkit.SyntheticSettings(size=0.01)
serkit.write_synthetic_corpus(pathlib.Path('recordings'), small)"
    "$serkit" train recordings --classifier compact --folds 3 --epochs 1 --quiet \
        --out "$extra/run" --export "$extra/mine"
    recording=$(find recordings -name '*.wav' -print -quit)
    case $extra in
        serve)
            "$serkit" serve "$extra/mine" --port 8591 >"$extra/log" 2>&1 &
            for _ in $(seq 60); do grep -q http:// "$extra/log" && break; sleep 1; done
            "$serkit" predict http://127.0.0.1:8591/v1/models/mine "$recording" ;;
        onnx) "$serkit" export "$extra/mine" --format onnx --out "$extra/mine.onnx" ;;
        litert) "$serkit" export "$extra/mine" --format litert --out "$extra/mine.tflite" ;;
        ray) "$serkit" predict "$extra/mine" "$recording" --engine ray ;;
        *) "$serkit" predict "$extra/mine" "$recording" ;;
    esac
    kill $(jobs -p) 2>/dev/null || true
    rm -rf "$extra" recordings
done
echo "== all of them work: $*"
