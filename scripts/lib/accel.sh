# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# KVM or not: on a nested host /dev/kvm may be there and QEMU abort, or its guest hang. So it is tried once, with a bound, and the
# answer kept for this machine.

accel_file() { echo "$QUARRY_CACHE/accel-$({ uname -r; grep -m 1 'model name' /proc/cpuinfo; } | key)"; }

# Prints kvm or tcg; QUARRY_ACCEL overrides.
accel() { echo "${QUARRY_ACCEL:-$(cat "$(accel_file)" 2>/dev/null || probe_accel)}"; }

probe_accel() {
	local answer=tcg
	if [[ -r /dev/kvm && -w /dev/kvm ]] &&
		QUARRY_ACCEL=kvm timeout -k 5 40 "$QUARRY_TREE/scripts/vm" --no-quarry --timeout 20 -- true >/dev/null 2>&1; then
		answer=kvm
	fi
	echo "$answer" | tee "$(accel_file)"
}

remember_accel() { echo "note: $(accel)"; }
