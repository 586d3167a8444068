# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2016
# The toolchain root: a small Debian in the cache with the very compiler, rustc and bindgen that Debian built its kernel with.

TOOLCHAIN_SUITE=trixie
TOOLCHAIN_PACKAGES=$(sed 's/#.*//' "$QUARRY_TREE/scripts/toolchain.packages" | xargs | tr ' ' ,)
TOOLCHAIN_ROOT=$QUARRY_CACHE/root-$(echo "$TOOLCHAIN_SUITE $TOOLCHAIN_PACKAGES" | key)

# reachable URI: whether a Debian mirror answers there.
reachable() {
	local to rc=0
	to=$(mktemp)
	timeout 30 /usr/lib/apt/apt-helper download-file "${1%/}/dists/$TOOLCHAIN_SUITE/InRelease" "$to" >/dev/null 2>&1 || rc=1
	rm -f "$to"
	return $rc
}

# Prints the mirror: the user's, or the first of the host's own that has the suite.
find_mirror() {
	local uri
	if [[ ${QUARRY_DEBIAN_MIRROR-} ]]; then
		echo "$QUARRY_DEBIAN_MIRROR"
		return
	fi
	# The addresses that apt would ask, whether or not it ever did.
	for uri in $(apt-get update --print-uris | sed -n "s#^'\(.*\)/dists/.*#\1#p" | grep -v security | awk '!seen[$0]++'); do
		if reachable "$uri"; then
			echo "$uri"
			return
		fi
	done
	echo "Failed to fetch the list of $TOOLCHAIN_SUITE from any of the mirrors of apt's configuration" >&2
	return 1
}

# The settings of the host's apt that decide how a mirror is reached.
apt_options() { apt-config dump | grep -E '^Acquire::(http|https|Check-|Retries)[^ ]* "[^"]' || :; }

# Prints what of the host's programs is missing.
missing_tools() {
	local tool tools=(mmdebstrap unshare flock)
	((EUID == 0)) || tools+=(newuidmap)
	for tool in "${tools[@]}"; do
		command -v "$tool" >/dev/null || echo "$tool"
	done
}

install_host_tools() {
	if [[ ! $(missing_tools) ]]; then
		echo "note: kept"
		return
	fi
	apt-get update
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends mmdebstrap util-linux
}

# Without root, the files are the user's own, and devices come from the host.
build_toolchain() {
	local mirror options as=()
	mirror=$(find_mirror)
	apt_options >"$QUARRY_CACHE/apt.conf"
	options=(--variant=apt --aptopt="$QUARRY_CACHE/apt.conf" --include="$TOOLCHAIN_PACKAGES" "$TOOLCHAIN_SUITE")
	if ((EUID == 0)); then
		rmdir "$1"
		mmdebstrap --mode=root "${options[@]}" "$1" "deb $mirror $TOOLCHAIN_SUITE main" "deb $mirror $KERNEL_SUITE main"
	else
		as=(unshare --map-root-user)
		mmdebstrap --mode=unshare "${options[@]}" - "deb $mirror $TOOLCHAIN_SUITE main" "deb $mirror $KERNEL_SUITE main" |
			tar -C "$1" -x --no-same-owner --exclude='./dev/*'
	fi
	touch "$1/etc/resolv.conf" "$1/etc/hosts"
	# Marks the root for what runs inside; the content is the key of what is built with it.
	"${as[@]}" chroot "$1" sh -c 'for c in gcc clang rustc bindgen; do $c --version | head -n 1; done' >"$1/.quarry-toolbox"
}

# inside CMD...: runs CMD in the root, which must be there.
inside() { "$QUARRY_TREE/scripts/toolbox" "$@"; }
