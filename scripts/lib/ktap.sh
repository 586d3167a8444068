# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034
# Reads KTAP, prints a line for each test, and counts.

ktap_begin() { passed=0 failed=0 skipped=0; }

# verdict WORD GUEST TEST SECONDS NOTE
verdict() {
	case $1 in
	ok) passed=$((passed + 1)) ;;
	skip) skipped=$((skipped + 1)) ;;
	*) failed=$((failed + 1)) guest_failed=$((guest_failed + 1)) ;;
	esac
	printf '%-7s %s: %s%s%s\n' "$1" "$2" "$3" "${4:+  ${4:0:-6}.${4: -6:1} s}" "${5:+  ($5)}"
}

# ktap_last_start: passes on what a guest printed since it was started last; what it did before it froze does not count.
ktap_last_start() { awk '/^[0-9]+ # once more$/ { text = ""; next } { text = text $0 "\n" } END { printf "%s", text }'; }

# ktap_guest NAME [WHY]: reads what one guest printed, each line after its time in microseconds, the last with the exit status. A test with subtests counts through them: on its
# own only if it fails and none of them does. WHY is what is known of a guest that did not come to its end.
ktap_guest() {
	local guest=$1 why=${2-} line t0='' now indent test word note said='' deep=0 deep_failed=0 planned='' seen=0 rc=''
	guest_failed=0
	while IFS= read -r line; do
		now=${line%% *} line=${line#* }
		: "${t0:=$now}"
		if [[ $line =~ ^'# exit status '([0-9]+)$ ]]; then
			rc=${BASH_REMATCH[1]}
		elif [[ $line =~ ^\ *'# '(.*)$ ]]; then
			said+="${said:+; }${BASH_REMATCH[1]}"
		elif [[ $line =~ ^1\.\.([0-9]+) ]]; then
			planned=$((${planned:-0} + BASH_REMATCH[1]))
		elif [[ $line =~ ^(\ *)(ok|not\ ok)\ [0-9]+\ ?-?\ ?(.*)$ ]]; then
			indent=${#BASH_REMATCH[1]} word=${BASH_REMATCH[2]} test=${BASH_REMATCH[3]} note=''
			if ((indent == 0)); then seen=$((seen + 1)); fi
			if [[ $test =~ ^(.*[^ ]|)\ *'# SKIP'\ *(.*)$ ]]; then
				test=${BASH_REMATCH[1]} word=skip note=${BASH_REMATCH[2]}
			fi
			if ((indent == 0 && deep)) && [[ $word == ok ]] || ((indent == 0 && deep_failed)); then
				deep=0 deep_failed=0 said=''
				continue
			fi
			if ((indent)); then
				deep=1
				[[ $word != 'not ok' ]] || deep_failed=1
			fi
			((indent)) || deep=0
			# What a test says last is why it failed.
			((${#said} <= 200)) || said=...${said: -200}
			[[ $word != 'not ok' ]] || note=$said
			said=''
			verdict "$word" "$guest" "$test" "$(printf %07d $((now - t0)))" "$note"
			t0=$now
		fi
	done
	if ((seen == 0)); then
		verdict 'not ok' "$guest" "a test to be reported" '' "$why"
	elif [[ $planned ]] && ((seen < planned)); then
		verdict 'not ok' "$guest" "all planned tests" '' "$((planned - seen)) of $planned missing${why:+; $why}"
	fi
	if [[ $rc != 0 ]] && ((guest_failed == 0 || rc == 123)); then
		verdict 'not ok' "$guest" "the guest" '' "exit status ${rc:-unknown}${why:+; $why}"
	fi
}

# The line that closes a run.
ktap_end() {
	local skips=''
	((skipped == 0)) || skips=", $skipped skipped"
	echo "$passed passed, $failed failed$skips"
	((failed == 0))
}
