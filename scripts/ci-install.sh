#!/usr/bin/env bash
# Installs the commands that are missing, with apt-get: Debian or Ubuntu, as root.
#
#   ci-install.sh [COMMAND..]   without names: all that .ci/run needs
set -euo pipefail

package_of() {
  case $1 in
    java | javac) echo default-jdk-headless ;;
    mvn) echo maven ;;
    cc) echo gcc ;;
    c++) echo g++ ;;
    ps) echo procps ;;
    go) echo golang-go ;;
    make | curl | git | python3 | valgrind) echo "$1" ;;
    *)
      echo "ci-install.sh: no package is known for the command $1" >&2
      return 1
      ;;
  esac
}

# librdkafka is compiled with cc, c++ and make.
wanted=("$@")
[ $# -gt 0 ] || wanted=(cc c++ make java mvn ps git python3 go curl valgrind)

packages=()
for command in "${wanted[@]}"; do
  package=$(package_of "$command")
  command -v "$command" >/dev/null || packages+=("$package")
done

# Debian parts the making of virtual environments from Python.
if [ $# -eq 0 ] && ! python3 -m ensurepip --version >/dev/null 2>&1; then
  packages+=(python3-venv)
fi

install_packages() {
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "ci-install.sh: missing: ${packages[*]}; install them, or run this as root on Debian" >&2
    return 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update --quiet=2
  apt-get install --quiet=2 --yes --no-install-recommends "${packages[@]}"
}

[ ${#packages[@]} -eq 0 ] || install_packages

# Debian's cargo is older than rust-toolchain.toml asks for.
if [ $# -eq 0 ] && ! command -v cargo >/dev/null; then
  echo 'ci-install.sh: cargo is not on the PATH: install Rust with https://rustup.rs' >&2
  exit 1
fi
