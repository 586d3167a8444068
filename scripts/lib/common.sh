# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Paths, messages and the numbered steps; every script sources this file.

umask 022
QUARRY_TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
QUARRY_CACHE=${QUARRY_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/quarry}
export QUARRY_TREE QUARRY_CACHE

say() { printf '%s\n' "$*" >&2; }
die() {
	say "quarry: $1"
	shift
	for line; do say "        $line"; done
	exit 1
}

# True inside the toolchain root, where nothing more is to be set up.
in_toolbox() { [[ -e /.quarry-toolbox ]]; }

# The first 12 digits of the hash of what is given on standard input.
key() { sha256sum | cut -c1-12; }

nr_steps=0
step_at=0

# show_time SECONDS: "51 s" or "5 min 31 s".
show_time() {
	if (($1 < 120)); then printf '%d s' "$1"; else printf '%d min %d s' $(($1 / 60)) $(($1 % 60)); fi
}

tick() {
	local t0=$SECONDS
	while sleep 1; do printf '\r%s ... %s ' "$1" "$(show_time $((SECONDS - t0)))" >&2; done
}

# step NAME CMD...: runs CMD as one numbered step. Its output goes to a log in the cache, the end of which is shown when CMD fails.
step() {
	local name=$1 head log t0=$SECONDS ticker='' rc
	shift
	step_at=$((step_at + 1))
	head=$(printf '[%2d/%d] %s' "$step_at" "$nr_steps" "$name")
	mkdir -p "$QUARRY_CACHE/log" || die "cannot write to the cache $QUARRY_CACHE" "set QUARRY_CACHE to a directory with 8 GB of free space"
	log=$QUARRY_CACHE/log/${name//[^A-Za-z0-9]/-}.log
	printf '%s ... ' "$head" >&2
	if [[ -t 2 ]]; then
		tick "$head" &
		ticker=$!
	fi
	# Not `|| rc=$?`: there, bash would not stop at the first command that fails.
	set +e
	(set -e; "$@") >"$log" 2>&1 </dev/null
	rc=$?
	set -e
	if [[ $ticker ]]; then
		kill "$ticker" 2>/dev/null || :
		wait "$ticker" 2>/dev/null || :
		printf '\r%s ... ' "$head" >&2
	fi
	if ((rc == 0)); then
		say "$(show_time $((SECONDS - t0)))$(sed -n 's/^note: / (/p' "$log" | tail -1 | sed 's/$/)/')"
		return
	fi
	say "failed after $(show_time $((SECONDS - t0)))"
	tail -n 25 "$log" | sed 's/^/    /' >&2
	say "    (all of it: $log)"
	explain_failure "$log" "$name"
	exit "$rc"
}

# Says what the reader can do about a failure that its log gives away.
explain_failure() {
	if grep -q 'No space left on device' "$1"; then
		die "the disk is full" "free some space at $QUARRY_CACHE, or set QUARRY_CACHE to a directory with 8 GB"
	elif grep -qE 'Temporary failure resolving|Could not (resolve|connect)|Failed to fetch|Network is unreachable|Connection (refused|timed out)' "$1"; then
		die "the package mirror cannot be reached" "check the network, or set QUARRY_DEBIAN_MIRROR to the address of a Debian mirror"
	fi
}

# complete DIR: whether the artefact in DIR has been built to its end.
complete() { [[ -e $1/.complete ]]; }

# artefact DIR CMD...: builds DIR with CMD unless that was done before. What an interrupted run left is removed first; two callers
# at a time do not build twice.
artefact() {
	local dir=$1
	shift
	if complete "$dir"; then
		echo "note: kept"
		return
	fi
	mkdir -p "$QUARRY_CACHE"
	(
		flock 9
		if complete "$dir"; then exit; fi
		# Kernel build directories record their own path, so this one is built in place and marked at the end.
		[[ ${QUARRY_RESUME-} ]] || rm -rf "$dir"
		mkdir -p "$dir"
		"$@" "$dir"
		touch "$dir/.complete"
	) 9>"$dir.lock"
}
