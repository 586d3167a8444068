# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Runs QEMU, inside the toolchain root.

# A guest whose heart has not beaten for so many seconds is frozen: neither its processes nor the watchdogs of its kernel get to run.
# Those would have complained of anything else, the slowest after 120 s. With five times as many CPUs as the machine has, a beat was late by
# 14 s at most.
FROZEN=${QUARRY_FROZEN:-180}

# watch RUN TIMEOUT BOOT: ends QEMU, and leaves a file that says why: RUN/late after TIMEOUT seconds; RUN/hung if BOOT is not 0 and the
# guest does not say in RUN/status within BOOT seconds that it is up; RUN/frozen if it then stops to write to RUN/beat. Before that,
# RUN/klog gets the stacks of all that was running or waiting and when timers are due, and RUN/registers those of the CPUs.
watch() {
	local i sign=late
	for ((i = 0; i < $2; i++)); do
		sleep 1
		if (($3 && i == $3)) && ! grep -q '^up' "$1/status" 2>/dev/null; then
			sign=hung
			break
		fi
		if [[ -s $1/beat ]] && (($(date +%s) - $(stat -c %Y "$1/beat") > FROZEN)); then
			sign=frozen
			break
		fi
	done
	cp "$1/klog" "$1/klog.then"
	touch "$1/$sign"
	# The command line of the guest makes an NMI a panic.
	python3 "${BASH_SOURCE[0]%/*}/monitor" "$1/monitor" 'info registers -a' nmi >"$1/registers" 2>&1 || :
	sleep 15
	kill "$(cat "$1/pid")" 2>/dev/null
	sleep 5
	kill -9 "$(cat "$1/pid")" 2>/dev/null
}

# run_qemu RUN TIMEOUT BOOT ARGUMENT...: runs QEMU, passes on what the guest writes to RUN/out and RUN/err, and exits with the status that
# it leaves in RUN/status; 124 after the time-out, 125 if there is none. A guest is watched as said above.
run_qemu() {
	local run=$1 timeout=$2 boot=$3 status log watch
	shift 3
	: >"$run/klog"
	# Through pipes: QEMU opens by path, and what is opened again has an offset of its own, or, being a socket, cannot be.
	mkfifo "$run/out" "$run/err"
	exec 5<>"$run/out" 6<>"$run/err"
	cat "$run/out" 5>&- 6>&- &
	cat "$run/err" >&2 5>&- 6>&- &
	watch "$run" "$timeout" "$boot" 5>&- 6>&- &
	watch=$!
	qemu-system-x86_64 -pidfile "$run/pid" -monitor "unix:$run/monitor,server=on,wait=off" "$@" 2>"$run/qemu.log" 5>&- 6>&- || :
	exec 5>&- 6>&-
	kill "$watch" 2>/dev/null || :
	wait || :

	if [[ -e $run/late || -e $run/frozen ]]; then
		echo "quarry: the guest was ended $([[ -e $run/late ]] && echo "after $timeout s" || echo "because it did nothing for $FROZEN s")" >&2
		exit 124
	fi
	status=$(sed -n 's/^exit \([0-9]*\)$/\1/p' "$run/status" 2>/dev/null | tail -n 1)
	if [[ ! $status ]]; then
		for log in "$run"/{qemu,virtiofsd}.log; do [[ ! -e $log ]] || cat "$log" >&2; done
		echo "quarry: the guest did not come up, or broke down" >&2
		exit 125
	fi
	exit "$status"
}

# mebibytes SIZE: 512M or 2G as a number of MiB.
mebibytes() {
	case $1 in
	*G) echo $((${1%G} * 1024)) ;;
	*M) echo "${1%M}" ;;
	esac
}
