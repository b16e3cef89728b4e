# Sourced by demo.sh, test.sh and lock.sh. `make_environment LOCK...` makes the folder $environment
# in the project's root from the given lock files, or reuses it when it was made from the same ones.
environment=.venv

_find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "serkit: Python 3.11 was not found (tried: ${PYTHON:-} python3.11 python3 python)." \
        "Install it, or name it: PYTHON=/path/to/python3.11 $0" >&2
    return 1
}

make_environment() {
    local lock stamp wanted python
    # pip comes last: without it an earlier start was interrupted, and venv completes the folder.
    [ -x "$environment/bin/pip" ] ||
        { python=$(_find_python) && "$python" -m venv "$environment"; } || return 1
    for lock in "$@"; do
        # The stamp is written last, so an interrupted installation is taken up again.
        stamp=$environment/installed-$lock
        wanted=$(cksum < "$lock")
        [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && continue
        echo "== installing $lock into $environment (about 3 GB of disk for all of it)"
        # Bytecode is compiled here even where PYTHONDONTWRITEBYTECODE is set: without it every
        # start of TensorFlow costs five seconds more.
        env -u PYTHONDONTWRITEBYTECODE "$environment/bin/python" -m pip install --quiet \
            --disable-pip-version-check --compile --no-deps --require-hashes -r "$lock" || return 1
        echo "$wanted" > "$stamp"
    done
    stamp=$environment/installed-serkit
    wanted="$(cksum < setup.cfg) $PWD"
    if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        "$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
            --no-deps --no-build-isolation --editable . || return 1
        echo "$wanted" > "$stamp"
    fi
}
