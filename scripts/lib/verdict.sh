# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
# What comes after a guest has ended.

# stacks: where the CPUs of a guest were that was ended too late, when a timer of the first was due, and what its processes were about, the
# newest first: the others wait for those.
stacks() {
	echo "quarry: where its CPUs were:"
	grep -E '^(CPU#|RIP)' "$run/registers" || :
	echo "quarry: when its timers were due:"
	grep -oE '(now at|\.expires_next| next_event:) .*' "$run/klog" || :
	echo "quarry: what its processes waited for:"
	sed -E 's/^\[[^]]*\] ?//' "$run/klog" | awk '
		function keep() { if (user) blocks[++n] = text; text = ""; user = on = 0 }
		/^task:/ { keep(); on = 1 }
		/^(Showing|NMI|Sending|Kernel|Sched|Timer)/ { keep() }
		on { text = text $0 "\n" }
		/entry_SYSCALL|asm_exc|asm_sysvec/ { user = on }
		END { keep(); while (n) printf "%s", blocks[n--] }' | grep -vE 'Call Trace|TASK>|^R[A-Z0-9]+:|^ \?' | head -n 20
}

# guest_verdict RC: shows and keeps the kernel log of $run as asked for, searches it, and exits with RC, or with 123 for a defect.
guest_verdict() {
	local report log
	[[ ! $klog ]] || cp "$run/klog" "$klog"
	[[ ! $verbose ]] || cat "$run/klog" >&2
	[[ ! -e $run/late && ! -e $run/frozen ]] || stacks >&2
	log=$run/klog
	[[ ! -e $run/klog.then ]] || log=$run/klog.then
	if ! report=$(ALLOW=$allow "$QUARRY_TREE/scripts/lib/klog-scan" "$log"); then
		say "quarry: the kernel reported a defect:" "$report"
		exit 123
	fi
	if (($1 == 125)) && [[ ! $verbose ]]; then
		say "quarry: the end of the kernel log:"
		tail -n 30 "$run/klog" >&2
	fi
	exit "$1"
}
