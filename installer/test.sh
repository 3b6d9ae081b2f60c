#!/bin/sh
# Sets up what the tests need and runs all of them, cheap before dear. The last line says how many passed, failed and were skipped.
#   sh installer/test.sh
set -eu
installer=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd -P)
root=$(dirname -- "$installer")
. "$installer/common.sh"
[ $# -eq 0 ] || fail "test.sh takes no options; for single tests call pytest in the environment"

sh "$installer/setup.sh" --no-demo --test
ensure_home
choose_environment
reports=$(mktemp -d)
cleanup() { rm -rf "$reports"; }
trap cleanup EXIT
# Tests write no byte into the user's folders and never wait for a network or a terminal.
QCAD_DATA=$reports/data QCAD_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/qcad-workbench-tests XDG_RUNTIME_DIR=$reports/run
mkdir -p "$QCAD_DATA" "$QCAD_CACHE" "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
export QCAD_DATA QCAD_CACHE XDG_RUNTIME_DIR PYTHONFAULTHANDLER=1 QT_SCALE_FACTOR=1 LIBGL_ALWAYS_SOFTWARE=1
cd "$root"
started=$(date +%s)
limit=${QCAD_TEST_MINUTES:-80}

# tier NAME WORDS...: one pytest process with a report; what does not finish within the time left counts as a failure
tier() {
    name=$1; shift
    left=$((limit * 60 - $(date +%s) + started))
    [ $left -gt 60 ] || left=60
    printf '\n== %s (%s min left)\n' "$name" $((left / 60))
    code=0
    timeout --kill-after=20 $left "$@" --junitxml="$reports/$name.xml" -o junit_family=xunit2 </dev/null || code=$?
    printf '%s %s\n' "$name" $code >> "$reports/codes"
}

# the engine, with Qt, VTK and pyvista refused
tier engine env QCAD_WITHOUT_QT=1 OMP_NUM_THREADS=1 QCAD_THREADS=1 "$python" -m pytest -p no:cacheprovider -p no:pytest-qt -n "${QCAD_TEST_PROCESSES:-2}" --dist loadfile \
    tests --ignore=tests/gui
# widgets without 3-D
tier widgets env QT_QPA_PLATFORM=offscreen "$python" -m pytest -p no:cacheprovider tests/gui -m "not gl and not scene"
# drawing without Qt
tier scene env VTK_DEFAULT_OPENGL_WINDOW=vtkEGLRenderWindow QT_QPA_PLATFORM=offscreen "$python" -m pytest -p no:cacheprovider tests/gui -m "scene and not gl"
# the real window, each file in a process of its own: a crash costs one file
"$python" "$installer/gl_files.py" tests/gui > "$reports/gl"
while IFS= read -r file; do
    tier "window-$(basename "$file" .py)" env QT_QPA_PLATFORM=xcb GALLIUM_DRIVER=llvmpipe xvfb-run -a -s "-screen 0 1600x1000x24 +extension GLX" \
        "$python" -m pytest -p no:cacheprovider -m gl "$file"
done < "$reports/gl"

"$python" "$installer/summary.py" "$reports" tests/allowed_skips.txt
