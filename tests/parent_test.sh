# The parent, below it a qemud that has been taken over and still has every
# right that the parent starts it with: it asks for what no guest may have.
# tests/helpers/hostile_qemud.c takes commands from a FIFO.

. "$SRCDIR/tests/lib.sh"

# The parent finds its children beside itself.
layout() {
	mkdir -p inst/sbin inst/bin inst/libexec/qemud inst/guest
	cp "$BUILDDIR"/sbin/qemud-parent inst/sbin
	cp "$BUILDDIR"/bin/qemud-launch inst/bin
	cp "$BUILDDIR"/libexec/qemud/* inst/libexec/qemud
	rm inst/libexec/qemud/qemud
	cp "$BUILDDIR/tests/helpers/hostile_qemud" inst/libexec/qemud/qemud
	mkfifo inst/libexec/hostile
	chmod 666 inst/libexec/hostile
	chmod -R a+rX . inst
	BUILDDIR=$PWD/inst
	mkdir -p sys
	: >sys/log.txt
}

# Instead of that of lib.sh: nobody answers clients here.
suite_system_run() {
	_n=$(grep -c '^hostile ' "$SYS/log.txt")
	"$BUILDDIR/sbin/qemud-parent" -f "$SYS/conf" -d -v >>"$SYS/log.txt" \
	    2>&1 &
	echo $! >"$SYS/pid"
	LOG=$SYS/log.txt
	wait_until replaced "$_n"
}

hostile_system() {
	layout
	suite_system "$@"
	UID1=$(cat "$SYS/uid")
}

hostile_session() {
	layout
	mkdir -p "$SES/run"
	: >"$SES/log.txt"
	chown -R nobody "$SES"
	chmod 700 "$SES/run"
	chmod 755 "$PWD"
	echo nobody >"$SES/user"
	(_exec=exec
	as_user "exec $BUILDDIR/sbin/qemud-parent -S -d -v \
	    >>$SES/log.txt 2>&1") &
	echo $! >"$SES/pid"
	LOG=$SES/log.txt
	wait_until grep -q '^hostile ' "$LOG"
}

tell() {
	timeout 60 sh -c 'printf "%s\n" "$1" >"$2"' - "$1" \
	    "$BUILDDIR/libexec/hostile" || atf_fail "nobody hears '$1'"
}

lines() {
	wc -l <"$LOG"
}

since() {
	tail -n +"$(($1 + 1))" "$LOG"
}

answered() {
	since "$1" | grep -q '^\(opened\|launched\|killed\|flooded\|read\|said\|no\) '
}

# Says it, and prints what comes of it.
ask() {
	_from=$(lines)
	tell "$1"
	wait_until answered "$_from" || atf_fail "no answer to '$1'"
	since "$_from" | grep '^\(opened\|launched\|killed\|flooded\|read\|said\|no\) ' |
	    head -n 1
}

# answer PATTERN COMMAND
answer() {
	_got=$(ask "$2")
	# shellcheck disable=SC2254
	case $_got in
	$1) ;;
	*) atf_fail "'$2' leads to '$_got', not to '$1'" ;;
	esac
}

replaced() {
	[ "$(grep -c '^hostile ' "$LOG")" -gt "$1" ]
}

# violation COMMAND TEXT: the log has TEXT, and somebody new is there.
violation() {
	_n=$(grep -c '^hostile ' "$LOG")
	_from=$(lines)
	tell "$1"
	wait_until replaced "$_n" || atf_fail "'$1' has no consequences"
	since "$_from" >new.txt
	grep -q -- "$2" new.txt || {
		cat new.txt >&2
		atf_fail "'$1': the log does not say '$2'"
	}
	grep -q 'qemud: ended' new.txt || atf_fail "'$1': no end of qemud"
	! grep -q '^\(opened\|launched\|killed\) ' new.txt ||
	    atf_fail "'$1' has been answered"
}

# A new parent, before each violation takes seconds.
again() {
	kill "$(cat "$SYS/pid")"
	wait "$(cat "$SYS/pid")" || atf_fail "the parent ends with $?"
	suite_system_run
}

fds() {
	find "/proc/$(cat "$SYS/pid")/fd" -mindepth 1 | wc -l
}

# A process of that uid, to be left alone or not.  Its pid is in $bystander.
bystander() {
	setpriv --reuid "$1" --regid "$1" --clear-groups sleep 600 &
	bystander=$!
	echo "$bystander" >>bystanders
	wait_until grep -q "^Uid:	$1	" "/proc/$bystander/status"
}

hostile_cleanup() {
	suite_stop
	[ ! -f bystanders ] || for _pid in $(cat bystanders); do
		[ "$(cat "/proc/$_pid/comm" 2>/dev/null)" != sleep ] ||
		    kill -KILL "$_pid"
	done
	return 0
}

atf_test_case open_system cleanup
open_system_head() {
	atf_set descr "Only files below the folders of the configuration"
	atf_set require.user root
}
open_system_body() {
	mkdir -p ro sys/img/sub sys/img2
	hostile_system "files in \"$PWD/ro\" read-only"
	img=$SYS/img
	before=$(fds)
	for f in ro/a sys/img/a sys/img/sub/b sys/img2/a; do
		echo 0123456789 >"$f"
	done
	chmod 000 sys/img/sub/b
	ln -s a "$img/link"
	ln -s /etc/passwd "$img/passwd"
	ln -s /etc "$img/etc"
	ln -s .. "$img/up"
	ln -s /proc/self/fd "$img/fd"
	ln -s nowhere "$img/dangling"
	mkfifo "$img/fifo"
	mknod "$img/null" c 1 3
	/usr/bin/python3 -c 'import socket, sys
	s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1])' "$img/socket" ||
	    /usr/bin/python3 -c 'import socket, sys; socket.socket(
	    socket.AF_UNIX).bind(sys.argv[1])' "$img/socket"

	# what is allowed
	answer "opened 0 ro 11 " "open ro $img/a"
	answer "opened 0 rw 11 " "open rw $img/a"
	answer "opened 0 rw 11 " "open rw $img/sub/b"
	answer "opened 0 ro 11 " "open ro $PWD/ro/a"
	# "../" is not needed for this one, and "..." is a name
	answer "opened 2 - 0 *$img/...: *" "open ro $img/..."

	# what is not
	outside="no \"files in\" line"
	unclean="a path must be absolute"
	answer "opened 30 - 0 $PWD/ro/a: *read-only*" "open rw $PWD/ro/a"
	answer "opened 13 - 0 *$outside*" "open ro /etc/passwd"
	answer "opened 13 - 0 *$outside*" "open ro $SYS/img2/a"
	answer "opened 13 - 0 *$outside*" "open ro $SYS/conf"
	answer "opened 13 - 0 *$outside*" "open ro /proc/self/mem"
	answer "opened 13 - 0 *$outside*" "open ro /proc/self/root$img/a"
	answer "opened 13 - 0 *$outside*" "open ro /dev/null"
	answer "opened 13 - 0 *$outside*" "open rw $SYS/lib"
	answer "opened 13 - 0 *" "open ro $img"
	answer "opened 22 - 0 *$unclean*" "open ro $img/../conf"
	answer "opened 22 - 0 *$unclean*" "open ro $img/sub/../../conf"
	answer "opened 22 - 0 *$unclean*" "open ro $img/.."
	answer "opened 22 - 0 *$unclean*" "open ro $img/./a"
	answer "opened 22 - 0 *$unclean*" "open ro $img//a"
	answer "opened 22 - 0 *$unclean*" "open ro $img/sub/"
	answer "opened 22 - 0 *$unclean*" "open ro //etc/passwd"
	answer "opened 22 - 0 *$unclean*" "open ro sys/img/a"
	answer "opened 22 - 0 *$unclean*" "open ro ../sys/img/a"
	answer "opened 22 - 0 *$unclean*" "open ro ~root/.profile"
	answer "opened 13 - 0 *files in*" "open ro /"
	answer "opened 22 - 0 *$unclean*" "open ro "
	answer "opened 40 - 0 *symbolic link*" "open ro $img/link"
	answer "opened 40 - 0 *symbolic link*" "open ro $img/passwd"
	answer "opened 40 - 0 *symbolic link*" "open ro $img/etc/passwd"
	answer "opened 40 - 0 *symbolic link*" "open ro $img/up/conf"
	answer "opened 40 - 0 *symbolic link*" "open ro $img/fd/3"
	answer "opened 40 - 0 *symbolic link*" "open rw $img/dangling"
	for f in fifo null socket sub; do
		answer "opened 22 - 0 $img/$f: is neither a regular file*" \
		    "open ro $img/$f"
		answer "opened 22 - 0 $img/$f: is neither a regular file*" \
		    "open rw $img/$f"
	done
	answer "opened 2 - 0 $img/none: No such file*" "open rw $img/none"
	answer "opened 20 - 0 $img/a/b: Not a directory*" "open ro $img/a/b"
	atf_check test ! -e "$img/none"
	atf_check test ! -e "$img/nowhere"
	# too long, and the reason is still to be seen
	for n in 256 1000 3000 4094 4095; do
		answer "opened * - 0 *: [A-Zn]*" "long $n $img"
		answer "opened 13 - 0 *$outside*" "long $n /etc"
	done
	# none of it has been kept
	atf_check_equal "$before" "$(fds)"
	atf_check_equal 1 "$(grep -c '^hostile ' "$LOG")"
}
open_system_cleanup() {
	hostile_cleanup
}

atf_test_case open_session cleanup
open_session_head() {
	atf_set descr "In a session, what its user may open, and files only"
	atf_set require.user root
}
open_session_body() {
	hostile_session
	for f in mine locked; do
		echo 0123456789 >"$SES/$f"
		chown nobody "$SES/$f"
	done
	chmod 400 "$SES/locked"
	echo secret >"$PWD/roots"
	chmod 600 "$PWD/roots"
	mkfifo "$SES/fifo"
	chmod 666 "$SES/fifo"
	answer "opened 0 rw 11 " "open rw $SES/mine"
	answer "opened 0 ro 11 " "open ro $SES/locked"
	answer "opened 13 - 0 *Permission denied*" "open rw $SES/locked"
	answer "opened 13 - 0 *Permission denied*" "open ro $PWD/roots"
	answer "opened 13 - 0 *Permission denied*" "open ro /etc/shadow"
	answer "opened 22 - 0 *neither a regular*" "open ro $SES/fifo"
	answer "opened 22 - 0 *neither a regular*" "open ro /dev/null"
	answer "opened 22 - 0 *neither a regular*" "open ro $SES"
	answer "opened 22 - 0 *absolute*" "open ro $SES/../roots"
	answer "opened 22 - 0 *absolute*" "open ro mine"
	answer "opened 40 - 0 *symbolic link*" "open ro /proc/self/exe"
}
open_session_cleanup() {
	hostile_cleanup
}

atf_test_case launch cleanup
launch_head() {
	atf_set descr "One program, for a uid of the range that nobody uses"
	atf_set require.user root
}
launch_body() {
	hostile_system
	last=$((UID1 + 63))

	# what becomes of a good request: no right is left over
	answer "launched 0 * " "launch good $UID1"
	pid=$(sed -n 's/^launched 0 \([0-9]*\) .*/\1/p' "$LOG")
	wait_until grep -q "^qemud-launch" "/proc/$pid/comm"
	status=/proc/$pid/status
	atf_check grep -q "^Uid:	$UID1	$UID1	$UID1	$UID1$" "$status"
	atf_check grep -q "^Gid:	$UID1	$UID1	$UID1	$UID1$" "$status"
	atf_check grep -q "^Groups:[[:space:]]*$" "$status"
	for caps in Prm Eff Inh Amb; do
		atf_check grep -q "^Cap$caps:	0*$" "$status"
	done
	tr '\0' ' ' <"/proc/$pid/cmdline" >cmdline
	# its title may have replaced them; then there is nothing to see
	if grep -q -- ' -c ' cmdline; then
		atf_check grep -q -- "^qemud-launch -c -s $SYS/run/launch -e \
/usr/bin/qemu-system-\* $" cmdline
	fi
	atf_check -o inline:"640 root games\n" \
	    stat -c '%a %U %G' "$SYS/log/good.log"

	# in use: by that one, by somebody else
	answer "launched 16 0 another guest*" "launch two $UID1"
	bystander $((UID1 + 1))
	answer "launched 16 0 processes with its uid*" \
	    "launch two $((UID1 + 1))"

	# logs that are none
	ln -s /etc/passwd "$SYS/log/link.log"
	mkfifo "$SYS/log/fifo.log"
	mkdir "$SYS/log/dir.log"
	sum=$(cksum </etc/passwd)
	answer "launched 40 0 cannot open its log*" "launch link $last"
	answer "launched 6 0 cannot open its log*" "launch fifo $last"
	answer "launched 21 0 cannot open its log*" "launch dir $last"
	answer "launched 36 0 cannot open its log*" \
	    "launch $(printf '%0255d' 7) $last"
	atf_check_equal "$sum" "$(cksum </etc/passwd)"
	# odd, and harmless
	answer "launched 0 * " "launch .. $last"
	atf_check test -f "$SYS/log/...log"

	violation "launch a/b $last" 'qemud: MSG_LAUNCH refused'
	violation "launch / $last" 'qemud: MSG_LAUNCH refused'
	violation "launch ../../evil $last" 'qemud: MSG_LAUNCH refused'
	violation "launch  $last" 'qemud: MSG_LAUNCH refused'
	# the launchers that it had wanted have ended with it
	wait_until test ! -e "/proc/$pid"
	again
	for uid in 0 1 65534 $((UID1 - 1)) $((last + 1)) 4294967295; do
		violation "launch evil $uid" 'qemud: MSG_LAUNCH refused'
	done
	atf_check test ! -e "$SYS/evil.log"
	atf_check test ! -e "$SYS/log/evil.log"
	answer "launched 0 * " "launch good $UID1"
}
launch_cleanup() {
	hostile_cleanup
}

atf_test_case kill_system cleanup
kill_system_head() {
	atf_set descr "Only processes of the guests' uids are ended"
	atf_set require.user root
}
kill_system_body() {
	hostile_system
	last=$((UID1 + 63))
	others=
	for uid in 0 $((UID1 - 1)) $((UID1 + 1)) $((last + 1)); do
		bystander "$uid"
		others="$others $bystander"
	done
	bystander "$UID1"
	victim=$bystander
	# pids are of no importance
	answer "killed 0" "kill $UID1 1 $(cat "$SYS/pid")"
	wait_until test ! -e "/proc/$victim/exe"
	answer "killed 0" "kill $last -1 0"
	for uid in 0 1 65534 $((UID1 - 1)) $((last + 1)) 4294967295; do
		violation "kill $uid 0 0" 'qemud: MSG_KILL refused'
	done
	for pid in $others; do
		atf_check test -e "/proc/$pid/exe"
	done
}
kill_system_cleanup() {
	hostile_cleanup
}

atf_test_case kill_session cleanup
kill_session_head() {
	atf_set descr "In a session, only what is called like a guest's process"
	atf_set require.user root
}
kill_session_body() {
	hostile_session
	bystander "$(id -u nobody)"
	for pid in 0 1 -1 -2 2147483647 "$bystander" $$ "$(cat "$SES/pid")"; do
		answer "killed [1-9]*" "kill 0 $pid 0"
		answer "killed [1-9]*" "kill 0 0 $pid"
		answer "killed [1-9]*" "kill 0 $pid $pid"
	done
	atf_check test -e "/proc/$bystander/exe"
	atf_check test -e "/proc/$(cat "$SES/pid")/exe"
	atf_check_equal 1 "$(grep -c '^hostile ' "$LOG")"
}
kill_session_cleanup() {
	hostile_cleanup
}

atf_test_case messages cleanup
messages_head() {
	atf_set descr "What is not for qemud to say ends it"
	atf_set require.user root
}
messages_body() {
	hostile_system
	n=0
	# of MSG_READY, _OPEN, _LAUNCH, _KILL, _OFFENCE later
	for type in 0 1 2 3 4 5 6 8 9 10 11 12 13 14 15 21 23 24 26 30 31 32 \
	    40 41 42 43 44 50 51 52 53 54 60 66 80 83 86 87 255 65536 \
	    2147483647 4294967295; do
		violation "raw $type 0" "qemud: .*($type) is not for it to say"
		[ $((n = (n + 1) % 5)) -ne 0 ] || again
	done
	again
	violation "raw 1 65000" "MSG_SETUP (1) is not for it to say"
	violation "rawfd 5 8" "MSG_SETUP_PEER (5) is not for it to say"
	# once is enough
	violation "raw 7 0" 'MSG_READY refused'
	violation "raw 7 4" 'MSG_READY of 4 bytes does not decode'
	violation "rawfd 7 0" 'MSG_READY with a descriptor'
	for type in 20 25 27; do
		again
		violation "raw $type 0" 'of 0 bytes does not decode'
		violation "raw $type 100" 'of 100 bytes does not decode'
		violation "raw $type 65000" 'of 65000 bytes does not decode'
		violation "rawfd $type 16" 'with a descriptor'
	done
	again
	violation "rawfd 22 0" 'MSG_LAUNCH of 0 bytes does not decode'
	violation "rawfd 22 99" 'MSG_LAUNCH of 99 bytes does not decode'
	violation "raw 22 0" 'MSG_LAUNCH without a descriptor'
	again
	for role in 0 1 6 7 4294967295; do
		violation "offence $role" 'MSG_OFFENCE refused'
	done
	# of another process it may be said: that one is replaced
	pid=$(suite_child monitord)
	tell "offence 2"
	wait_until test ! -e "/proc/$pid/exe"
	wait_until grep -q 'monitord: has broken the rules' "$LOG"
	wait_until suite_child monitord
	atf_check kill -0 "$(cat "$SYS/pid")"
}
messages_cleanup() {
	hostile_cleanup
}

atf_test_case floods cleanup
floods_head() {
	atf_set descr "Requests without end, and nobody reads the answers"
	atf_set require.user root
}
floods_body() {
	hostile_system
	echo x >"$SYS/img/a"
	before=$(fds)
	answer "flooded *" "flood 20 300000 $SYS/img/a"
	sent=$(sed -n 's/^flooded //p' "$LOG")
	atf_check test "$sent" -lt 300000
	atf_check test "$(fds)" -lt $((before + 300))
	# meanwhile the parent does what it has to
	pid=$(suite_child "netd ro")
	kill -KILL "$pid"
	wait_until grep -q 'netd ro: ended by signal 9' "$LOG"
	wait_until suite_child "netd ro"
	# each gets its answer after all
	answer "read $sent" "answers"
	atf_check_equal "$before" "$(fds)"
	answer "flooded 2000" "flood 25 2000 $UID1"
	answer "read 2000" "answers"
	answer "flooded 300" "flood 22 300 $UID1"
	answer "read *" "answers"
	atf_check_equal 1 "$(grep -c '^hostile ' "$LOG")"
	# a process that hangs is no reason not to end
	tell sleep
	kill "$(cat "$SYS/pid")"
	wait "$(cat "$SYS/pid")" || atf_fail "the parent ends with $?"
	atf_check grep -q 'qemud: does not end, killing it' "$LOG"
	rm "$SYS/pid"
}
floods_cleanup() {
	hostile_cleanup
}

atf_test_case backoff cleanup
backoff_head() {
	atf_set descr "Who keeps ending is started again less and less often"
	atf_set require.user root
}
backoff_body() {
	hostile_system
	violation "exit 3" 'qemud: ended with status 3'
	# from here on each ends at once
	printf '#! /bin/sh\nexit 4\n' >ends
	chmod 755 ends
	mv inst/libexec/qemud/qemud inst/libexec/qemud/was
	cp ends inst/libexec/qemud/qemud
	tell "exit 3"
	wait_until grep -q 'qemud: ended with status 4' "$LOG"
	sleep 2
	# 50, 100, 200, 400, 800 ms: and no more than that
	n=$(grep -c 'qemud: ended with status 4' "$LOG")
	atf_check test "$n" -lt 12
	# then there is one again that works
	_n=$(grep -c '^hostile ' "$LOG")
	mv inst/libexec/qemud/was inst/libexec/qemud/qemud
	wait_until replaced "$_n"
	answer "said yes" "say yes"
	# also one that cannot even be executed
	mv inst/libexec/qemud/qemud inst/libexec/qemud/was
	tell "exit 5"
	wait_until grep -q 'qemud: ended with status 127' "$LOG"
	_n=$(grep -c '^hostile ' "$LOG")
	mv inst/libexec/qemud/was inst/libexec/qemud/qemud
	wait_until replaced "$_n"
	answer "said yes" "say yes"
}
backoff_cleanup() {
	hostile_cleanup
}

atf_init_test_cases() {
	atf_add_test_case open_system
	atf_add_test_case open_session
	atf_add_test_case launch
	atf_add_test_case kill_system
	atf_add_test_case kill_session
	atf_add_test_case messages
	atf_add_test_case floods
	atf_add_test_case backoff
}
