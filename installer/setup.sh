#!/bin/sh
# Sets everything up in a virtual environment of its own and runs the demo. Safe to run again: what is done is not done twice.
#   sh installer/setup.sh [--cuda] [--no-demo] [--test] [--demo-folder DIR]
set -eu
installer=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd -P)
root=$(dirname -- "$installer")
. "$installer/common.sh"

build=cpu demo=yes test=no demo_folder=
while [ $# -gt 0 ]; do
    case $1 in
        --cuda) build=cuda ;;
        --no-demo) demo=no ;;
        --test) test=yes ;;
        --demo-folder) [ $# -gt 1 ] || fail "--demo-folder needs a folder"; shift; demo_folder=$1 ;;
        -h|--help) sed -n '2,3s/^# *//p' "$0"; exit 0 ;;
        *) fail "unknown option $1; allowed: --cuda, --no-demo, --test, --demo-folder DIR" ;;
    esac
    shift
done

ensure_home
case $(uname -m) in x86_64|amd64|aarch64|arm64) ;; *) say "setup: no tested binaries for $(uname -m); trying" ;; esac
free=$(df -Pk "$installer" | awk 'NR == 2 { print $4 }')
[ "${free:-9999999}" -gt 4000000 ] || say "setup: only $((free / 1000)) MB are free here; about 3000 MB are needed"

find_python
choose_environment
make_environment

# What was installed last time; the environment is touched only when one of these changed.
pins="$installer/requirements.lock"
[ $test = yes ] && pins="$pins
$installer/requirements-test.lock"
[ $build = cuda ] && pins="$pins
$installer/requirements-cuda.lock"
stamp=$( { cat "$installer/choose_torch.py" "$root/pyproject.toml"; printf '%s\n' "$pins" | while IFS= read -r file; do cat "$file"; done
    printf '%s %s %s %s\n' "$root" "$("$python" -c 'import sys; print(sys.version)')" $build $test; } | cksum)
mark=$venv/qcad-setup.$test.$build
if [ "$(cat "$mark" 2>/dev/null)" != "$stamp" ] || ! "$python" -c 'import importlib.metadata as m; m.version("qcad-workbench")' 2>/dev/null; then
    export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
    say "setup: installing packages (about 1 GB the first time; later runs skip this)"
    # a current pip reads what a package needs without downloading it
    "$python" -m pip install -q --progress-bar off "$(grep '^pip==' "$installer/requirements.lock")" </dev/null || say "setup: keeping this environment's pip"
    torch=$(sed -n 's/^torch==//p' "$installer/requirements.lock")
    "$python" "$installer/choose_torch.py" $build "$torch" || fail "torch $torch could not be installed; see above. Check the network and run this again."
    printf '%s\n' "$pins" | while IFS= read -r file; do
        "$python" -m pip install -q --progress-bar off -r "$file" </dev/null || exit 1
    done || fail "some packages could not be installed; see above. Check the network and run this again."
    # editable: the checkout is the program. A read-only checkout is copied instead.
    "$python" -m pip install -q --progress-bar off --no-deps --no-build-isolation -e "$root" </dev/null \
        || { copy=$(mktemp -d) && cp -R "$root/." "$copy/" && "$python" -m pip install -q --no-deps --no-build-isolation "$copy" </dev/null && rm -rf "$copy"; } \
        || fail "the program itself could not be installed; see above."
    "$python" -m pip check >&2 </dev/null || say "setup: pip reports a conflict above; the pinned versions are used nevertheless"
    printf '%s\n' "$stamp" > "$mark"
fi
say "setup: $("$python" -c 'import torch; print("torch", torch.__version__, "on", torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU")')"

window_packages="libgl1 libgl1-mesa-dri libegl1 libegl-mesa0 libopengl0 libglib2.0-0 libfontconfig1 libdbus-1-3 libxkbcommon0 libxkbcommon-x11-0 libxcb-cursor0
    libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 fonts-dejavu-core"
# shellcheck disable=SC2086  # a list of names
need_packages "the window" $window_packages || true
need_packages "the check of decks with CalculiX (without it scikit-fem does it)" calculix-ccx || true
if [ $test = yes ]; then
    need_packages "the tests" xvfb xauth git || fail "the tests need them."
    need_packages "one live comparison with ABINIT (its stored results are compared in any case)" abinit || true
fi

"$python" "$installer/desktop_entry.py" "$root" "$venv" || say "setup: no menu entry was made"

if [ $demo = yes ]; then
    say "setup: running the demo (silicon from atoms to a checked finite-element deck; about five minutes on two cores)"
    folder=${demo_folder:-$PWD/qcad-demo}
    "$venv/bin/qcad" demo --folder "$folder" || fail "the demo failed; see above."
fi
cat >&2 <<END

Q-CAD is ready.
    window    "$venv/bin/qcad-gui"      (menu entry: Q-CAD)
    shell     "$venv/bin/qcad" --help
    tests     sh "$installer/test.sh"
END
