# Shared by setup.sh and test.sh: Python, Debian packages, the virtual environment. POSIX sh; `set -eu` is the caller's.
# Expects $installer (this folder, absolute) and $root (the repository, absolute).

say() { printf '%s\n' "$*" >&2; }
fail() { say "setup: $*"; exit 1; }

# An empty or unusable HOME gets a private one, so that nothing is written to strange places.
ensure_home() {
    if [ -z "${HOME:-}" ] || [ ! -d "$HOME" ] || [ ! -w "$HOME" ]; then
        HOME=$(getent passwd "$(id -u)" 2>/dev/null | cut -d: -f6) || HOME=
        if [ -z "$HOME" ] || [ ! -d "$HOME" ] || [ ! -w "$HOME" ]; then
            HOME=$installer/.home
            mkdir -p "$HOME"
        fi
        export HOME
        say "setup: no usable HOME; using $HOME"
    fi
}

# The environment's folder: installer/.venv, or the user's data folder when the checkout is read-only. QCAD_VENV overrides.
choose_environment() {
    if [ -n "${QCAD_VENV:-}" ]; then
        venv=$QCAD_VENV
    elif [ -d "$installer/.venv" ] || [ -w "$installer" ]; then
        venv=$installer/.venv
    else
        venv=${XDG_DATA_HOME:-$HOME/.local/share}/qcad-workbench/venv
    fi
    python=$venv/bin/python
}

# Sets $as_root to a command prefix that gets root rights ("" when we are root), or returns 1. Never asks when nobody is there to answer.
find_root() {
    as_root=
    [ "$(id -u)" -eq 0 ] && return 0
    command -v sudo >/dev/null 2>&1 || return 1
    if sudo -n true 2>/dev/null; then as_root="sudo -n"; return 0; fi
    if [ -t 0 ] && [ -t 2 ] && [ -z "${CI:-}" ]; then as_root=sudo; return 0; fi
    return 1
}

have_package() { # NAME: installed under this name, or under the name that Ubuntu 24.04 gave it
    for name in "$1" "${1}t64"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] && return 0
    done
    return 1
}

# need_packages WHY NAME...: installs what is missing as root or by sudo; otherwise prints the one command to run and returns 1.
need_packages() {
    why=$1; shift
    missing=
    if ! command -v dpkg-query >/dev/null 2>&1; then
        say "setup: this is not Debian or Ubuntu. For $why, install your system's counterparts of: $*"
        return 1
    fi
    for package in "$@"; do have_package "$package" || missing="$missing $package"; done
    [ -z "$missing" ] && return 0
    if find_root; then
        say "setup: installing Debian packages for $why:$missing"
        export DEBIAN_FRONTEND=noninteractive
        if [ -z "${apt_updated:-}" ]; then
            $as_root apt-get -o DPkg::Lock::Timeout=300 update -q >/dev/null || say "setup: apt-get update failed; trying with the lists that are here"
            apt_updated=yes
        fi
        # shellcheck disable=SC2086  # a list of names
        if $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -q -y --no-install-recommends $missing >&2 </dev/null; then
            return 0
        fi
    fi
    say "setup: $why needs Debian packages that are not here. Please run:"
    say "    sudo apt-get install --no-install-recommends$missing"
    return 1
}

good_python() { "$1" -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info < (3, 15))' >/dev/null 2>&1; }

# Sets $base to a Python >= 3.11. QCAD_PYTHON overrides.
find_python() {
    for candidate in ${QCAD_PYTHON:+"$QCAD_PYTHON"} python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 && good_python "$candidate"; then base=$(command -v "$candidate"); return 0; fi
    done
    need_packages "Python" python3 python3-venv ca-certificates || true
    base=$(command -v python3) && good_python "$base" && return 0
    fail "Python 3.11 or newer is needed and was not found. Debian 12 and Ubuntu 24.04 have it: sudo apt-get install python3 python3-venv"
}

# The virtual environment with pip in it, whatever this machine's Python was stripped of.
make_environment() {
    if good_python "$python" && "$python" -m pip --version >/dev/null 2>&1; then return 0; fi
    rm -rf "$venv"
    mkdir -p "$(dirname "$venv")"
    say "setup: making the environment in $venv"
    if "$base" -c 'import ensurepip, venv' 2>/dev/null && "$base" -m venv "$venv" >/dev/null 2>&1; then return 0; fi
    rm -rf "$venv"
    if find_root && command -v apt-get >/dev/null 2>&1; then
        need_packages "virtual environments" python3-venv || true
        if "$base" -m venv "$venv" >/dev/null 2>&1; then return 0; fi
        rm -rf "$venv"
    fi
    # without python3-venv: an environment without pip, and pip from its wheel
    "$base" -m venv --without-pip "$venv" || fail "$base cannot make a virtual environment. Please run: sudo apt-get install python3-venv"
    "$python" "$installer/bootstrap_pip.py" || fail "pip could not be fetched. Please run: sudo apt-get install python3-venv"
}
