#!/usr/bin/env bash
# Checks what packages are made of, and, given a directory, the packages in it: check.sh [DIRECTORY]. A check whose
# tool is not installed is left out, and says so.
# shellcheck disable=SC2317 # functions that `check` calls
set -euo pipefail
cd "$(dirname "$0")/.."

# systemd-analyze counts in tenths: 1.2. The best that was measured of a comparable daemon is 1.8.
MOST_EXPOSURE=12

failed=0

# check WHAT TOOL COMMAND...
check() {
    local what=$1 tool=$2
    shift 2
    if ! command -v "$tool" >/dev/null; then
        printf '%-40s left out: %s is not installed\n' "$what" "$tool"
    elif output=$("$@" 2>&1); then
        printf '%-40s well\n' "$what"
    else
        printf '%-40s NOT WELL\n%s\n' "$what" "$output"
        failed=1
    fi
}

exposure() {
    systemd-analyze security --offline=true --no-pager --threshold="$MOST_EXPOSURE" "$1"
}

# What systemd says of a unit but for programs and manual pages that are not installed here.
verify() {
    local said
    said=$(SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$@" 2>&1 |
        grep -v 'is not executable: No such file or directory' || true)
    [ -z "$said" ] || { printf '%s\n' "$said"; return 1; }
}

groff_warns() {
    local said
    said=$(LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$1" 2>&1 >/dev/null)
    [ -z "$said" ] || { printf '%s\n' "$said"; return 1; }
}

check 'exposure of entitled.service' systemd-analyze exposure systemd/entitled.service
check 'exposure of entitled-gateway.service' systemd-analyze exposure systemd/entitled-gateway.service
check 'units' systemd-analyze verify systemd/*.service systemd/*.socket
check 'unit of a user' systemd-analyze verify systemd/user/entitled.service
check 'manual pages' mandoc mandoc -T lint -W warning packaging/man/*.[1-8]
for page in packaging/man/*.[1-8]; do
    check "${page##*/} in groff" man groff_warns "$page"
done
check 'maintainer scripts' shellcheck shellcheck packaging/deb/{preinst,postinst,prerm,postrm} packaging/check.sh \
    src/client/c/link.sh tests/kubernetes/build.sh
check 'AppArmor profile' apparmor_parser apparmor_parser --skip-kernel-load --skip-cache packaging/apparmor/usr.sbin.entitled

if [ $# -gt 0 ]; then
    # The package of debug symbols may hold nothing else, also no override; the reason is in that of the other.
    check 'the .deb' lintian lintian --info --pedantic --fail-on error,warning,info,pedantic \
        --suppress-tags bogus-mail-host,cannot-check-whether-usr-share-doc-symlink-points-to-foreign-package "$1"/*.deb
    check 'the .rpm' rpmlint rpmlint --strict --config packaging/rpm/rpmlint.toml "$1"/*.rpm
fi
exit "$failed"
