# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# The kernels: Debian's own, with what its packages leave out built again from their source, and a debug kernel of that source.

# shellcheck source=scripts/kernel.lock
. "$QUARRY_TREE/scripts/kernel.lock"
KERNEL_CHOICE=$QUARRY_CACHE/kernel-for-$KERNEL_VERSION

# Prints the version in use: the locked one, or the one that was taken because the archive no longer had it.
kernel_version() { cat "$KERNEL_CHOICE" 2>/dev/null || echo "$KERNEL_VERSION"; }

# kernel_paths: sets the paths that depend on the version in use.
kernel_paths() {
	local version compilers
	version=$(kernel_version)
	compilers=$(cat "$TOOLCHAIN_ROOT/.quarry-toolbox")
	KERNEL_DEBS=$QUARRY_CACHE/packages-$version
	KERNEL_SOURCE=$QUARRY_CACHE/source-$version
	STOCK=$QUARRY_CACHE/stock-$(echo "$version $compilers" | key)
	DEBUG=$QUARRY_CACHE/debug-$(cat - "$QUARRY_TREE/scripts/debug.config" <<<"$version $compilers" | key)
	STOCK_KDIR=$STOCK/build
	DEBUG_KDIR=$DEBUG/build
}

# packages_of VERSION: prints the names of the four packages of one kernel version, if the archive has them all.
packages_of() {
	local release kind
	release=$(inside apt-cache search --names-only "^linux-headers-$KERNEL_SERIES\..*-$KERNEL_FLAVOUR\$" | cut -d' ' -f1 | while read -r p; do
		inside apt-cache madison "$p" | awk -v v="$1" -v p="$p" '$3 == v { sub("linux-headers-", "", p); print p; exit }'
	done | tail -1)
	[[ $release ]] || return 1
	for kind in binary modules headers; do
		inside apt-cache madison "linux-$kind-$release" | grep -qF " $1 " || return 1
		echo "linux-$kind-$release"
	done
	echo "linux-source-$KERNEL_SERIES"
}

choose_kernel() {
	local version
	if [[ -e $KERNEL_CHOICE ]]; then
		echo "note: $(kernel_version), kept"
		return
	fi
	inside apt-get -o APT::Sandbox::User=root update
	for version in "$KERNEL_VERSION" $(inside apt-cache madison "linux-source-$KERNEL_SERIES" | awk '{ print $3 }' | sort -rV); do
		if packages_of "$version" >"$KERNEL_CHOICE.packages"; then
			echo "$version" >"$KERNEL_CHOICE.new"
			mv "$KERNEL_CHOICE.new" "$KERNEL_CHOICE"
			if [[ $version == "$KERNEL_VERSION" ]]; then
				echo "note: $version"
			else
				echo "note: $version, since the archive no longer has the tested $KERNEL_VERSION"
			fi
			return
		fi
	done
	echo "no complete set of packages (source, binary, modules, headers) of a $KERNEL_SERIES kernel in $KERNEL_SUITE"
	echo "set KERNEL_SERIES and KERNEL_VERSION in scripts/kernel.lock to one that the archive has"
	return 1
}

download_kernel() {
	cd "$1" || return
	sed "s/\$/=$(kernel_version)/" "$KERNEL_CHOICE.packages" | xargs "$QUARRY_TREE/scripts/toolbox" apt-get -o APT::Sandbox::User=root download
}

unpack_source() {
	inside dpkg-deb -x "$KERNEL_DEBS"/linux-source-*.deb "$1/package"
	inside tar -C "$1" -xf "$1/package/usr/src/linux-source-$KERNEL_SERIES.tar.xz"
	rm -r "$1/package"
}

# check_rustc CONFIG: the crate hashes in the kernel's symbols come from the compiler, so it must be the very one.
check_rustc() {
	local want have
	want=$(sed -n 's/^CONFIG_RUSTC_VERSION_TEXT="\(.*\)"/\1/p' "$1")
	have=$(inside rustc --version)
	if [[ $want != "$have" ]]; then
		echo "the kernel was built with:      $want"
		echo "the toolchain root has:         $have"
		echo "Wait for Debian to bring both in line, or name an older kernel in scripts/kernel.lock; if the root is older than"
		echo "the archive, remove $TOOLCHAIN_ROOT and run make setup again."
		return 1
	fi
}

build_stock() {
	local deb headers build=$1/build release
	for deb in binary modules headers; do
		inside dpkg-deb -x "$KERNEL_DEBS"/linux-$deb-*.deb "$1/package"
	done
	headers=$(echo "$1"/package/usr/src/linux-headers-*)
	release=${headers##*/linux-headers-}
	check_rustc "$headers/.config"
	mkdir "$build"
	cp "$headers/.config" "$build/.config"
	echo "${release#"${release%%[+-]*}"}" >"$build/localversion"
	inside make -C "$KERNEL_SOURCE/linux-source-$KERNEL_SERIES" O="$build" olddefconfig
	[[ $(inside make -s -C "$build" kernelrelease) == "$release" ]]
	inside make -C "$build" -j"$(nproc)" modules_prepare
	cp "$headers/Module.symvers" "$build/"
	check_exports "$build"
	mv "$1/package/usr/lib/modules/$release" "$1/modules"
	mv "$1/modules/vmlinuz" "$1/vmlinuz"
	rm -r "$1/package"
	echo "note: $release"
}

# check_exports KDIR: every symbol of the Rust crates built here must be one that Debian's kernel exports.
check_exports() {
	local missing nr
	sed -n 's/^EXPORT_SYMBOL_RUST_GPL(\(.*\));/\1/p' "$1"/rust/exports_*_generated.h | sort -u >"$1/rust-symbols"
	nr=$(wc -l <"$1/rust-symbols")
	missing=$(awk '{ print $2 }' "$1/Module.symvers" | sort -u | comm -23 "$1/rust-symbols" - | wc -l)
	echo "$nr symbols of Rust crates, $missing of them not in the kernel"
	if ((nr == 0 || missing)); then
		echo "the crates built here are not those that the kernel was built with: modules would not load"
		echo "name a kernel in scripts/kernel.lock whose compiler is that of $TOOLCHAIN_SUITE: $(inside rustc --version)"
		return 1
	fi
}

build_debug() {
	local build=$1/build
	mkdir -p "$build"
	inside make -C "$KERNEL_SOURCE/linux-source-$KERNEL_SERIES" O="$build" LLVM=1 KCONFIG_ALLCONFIG="$QUARRY_TREE/scripts/debug.config" allnoconfig
	check_fragment "$build/.config"
	inside make -C "$build" LLVM=1 -j"$(nproc)" bzImage modules
	cp "$build/arch/x86/boot/bzImage" "$1/vmlinuz"
}

# check_fragment CONFIG: an option whose dependencies are not met is dropped without a word; say it.
check_fragment() {
	local line rc=0
	while read -r line; do
		case $line in
		*=n) if grep -q "^${line%=n}=" "$1"; then echo "not in the configuration: $line"; rc=1; fi ;;
		CONFIG_*) if ! grep -qxF "$line" "$1"; then echo "not in the configuration: $line"; rc=1; fi ;;
		esac
	done <"$QUARRY_TREE/scripts/debug.config"
	return $rc
}
