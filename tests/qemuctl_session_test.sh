# qemuctl starts the user's own instance when it does not run.

# here: an instance of this test's own.  Paths of sockets are short.
here() {
	export HOME="$PWD/home" XDG_RUNTIME_DIR="$PWD/run"
	unset QEMUD_URI XDG_CONFIG_HOME
	mkdir -m 700 home run
	uri=qemud:///session
	ctl=$BUILDDIR/bin/qemuctl
}

# stops what was started, and waits for its end.
stop() {
	[ -s run/qemud/lock ] || return 0
	parent=$(cat run/qemud/lock)
	kill "$parent" 2>/dev/null || return 0
	tail --pid="$parent" -f /dev/null
}

atf_test_case starts cleanup
starts_head() {
	atf_set descr "The instance is started once, and found again"
}
starts_body() {
	here
	atf_check -o inline:"" "$ctl" -c $uri list -n
	pid=$(cat run/qemud/lock)
	kill -0 "$pid" || atf_fail "it does not run"
	atf_check -o match:"session instance" "$ctl" -c $uri status
	atf_check -o match:"session instance" "$ctl" -r -c $uri status
	atf_check_equal "$pid" "$(cat run/qemud/lock)"

	# and again when it has been stopped
	stop
	atf_check -o match:"session instance" "$ctl" -r -c $uri status
	[ "$(cat run/qemud/lock)" -ne "$pid" ] || atf_fail "it is the old one"
}
starts_cleanup() {
	stop
}

atf_test_case race cleanup
race_head() {
	atf_set descr "Many start it at the same time; all find one instance"
}
race_body() {
	here
	for i in 1 2 3 4 5 6 7 8; do
		"$ctl" -c $uri list -n >out.$i 2>&1 &
		eval pid$i=$!
	done
	for i in 1 2 3 4 5 6 7 8; do
		eval wait \$pid$i || atf_fail "client $i: $(cat out.$i)"
		[ ! -s out.$i ] || atf_fail "client $i: $(cat out.$i)"
	done
}
race_cleanup() {
	stop
}

# fake TEXT: a program beside a qemud-parent that is this script.
fake() {
	mkdir -p bin sbin
	cp "$BUILDDIR/bin/qemuctl" bin
	printf '#! /bin/sh\n%s\n' "$1" >sbin/qemud-parent
	chmod 755 sbin/qemud-parent
	ctl=$PWD/bin/qemuctl
}

atf_test_case fails
fails_head() {
	atf_set descr "It cannot be started: what it says is the reason"
}
fails_body() {
	here
	fake 'echo "$0 $*: line 3: syntax error" >&2; echo why >&2; exit 1'
	atf_check -s exit:4 -e inline:"qemuctl: cannot start $uri
  $PWD/sbin/qemud-parent -S: line 3: syntax error
  why
" "$ctl" -c $uri list

	# it says that all is well, but listens nowhere
	fake 'echo warning >&2; exit 0'
	atf_check -s exit:4 -e match:"cannot connect to $uri: No such file" \
	    -e match:"its socket is $PWD/run/qemud/qemud" "$ctl" -c $uri list

	# there is none at all
	rm sbin/qemud-parent
	atf_check -s exit:4 -e match:"no qemud-parent beside" \
	    env PATH=/nonexistent "$ctl" -c $uri list

	# one that is no program
	echo >sbin/qemud-parent
	chmod 755 sbin/qemud-parent
	atf_check -s exit:4 -e match:"qemud-parent: Exec format error" \
	    "$ctl" -c $uri list
}

atf_test_case inherits
inherits_head() {
	atf_set descr "It gets no descriptor and no ignored signal of ours"
}
inherits_body() {
	here
	fake 'ls -l /proc/$$/fd >'"$PWD"'/fds
grep SigIgn /proc/self/status >'"$PWD"'/signals; exit 1'
	atf_check -s exit:4 -e ignore \
	    sh -c 'trap "" INT; exec "$0" -c "$1" list 7<"$0"' "$ctl" $uri
	atf_check -s exit:1 grep -q "bin/qemuctl" fds
	atf_check_equal 0 $((0x$(cut -f 2 signals) & 2))	# SIGINT
}

atf_init_test_cases() {
	atf_add_test_case starts
	atf_add_test_case race
	atf_add_test_case fails
	atf_add_test_case inherits
}
