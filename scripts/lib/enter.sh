#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# enter.sh ROOT CWD N SHARE... VAR=VALUE... CMD...: changes into ROOT; to be run in a mount namespace of its own, which takes the
# bind mounts with it when CMD ends.
set -euo pipefail
root=$1 cwd=$2 n=$3
shift 3

mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --bind /tmp "$root/tmp"
# Name service and certificates are the host's: some networks have their own.
bind_file() {
	if [[ -f $1 && -f $root$2 ]]; then mount --bind "$(readlink -f "$1")" "$root$2"; fi
}
bind_file /etc/resolv.conf /etc/resolv.conf
bind_file /etc/hosts /etc/hosts
bind_file "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}" /etc/ssl/certs/ca-certificates.crt
while ((n--)); do
	mkdir -p "$root$1"
	mount --bind "$1" "$root$1"
	shift
done
# Outside every shared directory there is no such directory inside: start in the root, then.
[[ -d $root$cwd ]] || cwd=/
exec chroot "$root" env -i -C "$cwd" -- "$@"
