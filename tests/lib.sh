# Instances of the suite for tests in sh; sourced from "$SRCDIR/tests/lib.sh".
#
# Everything lies below the current directory, which is the test's own.  A
# test calls suite_stop in its cleanup part, also when it has failed: it ends
# the guests and processes of every instance that the test has started.
#
#	suite_system [line ...]	system instance (root): $SYS/run/qemud ...
#				each line is added to its configuration
#	suite_session USER	session instance of an ordinary user: $SES
#	suite_stop		ends all that was started here
#	FULL, RO		URIs of the instance that was started last
#	guest_xml NAME [XML]	a domain that boots the test guest; XML is put
#				among its devices
#	wait_until COMMAND...	until it succeeds, 20 seconds at most
#	console_wait NAME TEXT	until the guest has written it on its console

# Accounts that every Debian system has, so that a test makes none.
SUITE_USERS='
user qemud "games"
user netd "man"
user netd-ro "lp"
user netd-launch "news"
user monitord "uucp"
'
SYS=$PWD/sys
SES=$PWD/ses

wait_until() {
	_n=0
	until "$@" >/dev/null 2>&1; do
		_n=$((_n + 1))
		[ "$_n" -lt 200 ] || { echo "never: $*" >&2; return 1; }
		sleep 0.1
	done
}

suite_system() {
	# guests of tests that run at the same time must not share uids
	_uid=$((300000 + $$ % 10000 * 64))
	mkdir -p "$SYS/img"
	echo "$_uid" >"$SYS/uid"
	chmod 755 "$PWD" "$SYS" "$SYS/img"
	{
		echo "$SUITE_USERS"
		echo "definitions in \"$SYS/etc\""
		echo "state in \"$SYS/lib\""
		echo "log in \"$SYS/log\""
		echo "run in \"$SYS/run\""
		echo "files in \"$SYS/img\""
		echo "files in \"$BUILDDIR/guest\" read-only"
		echo "guest uids $_uid-$((_uid + 63))"
		echo 'emulators { "/usr/bin/qemu-system-*" }'
		for _line; do echo "$_line"; done
	} >"$SYS/conf"
	suite_system_run
}

# Starts it again, with the configuration that is there.
suite_system_run() {
	"$BUILDDIR/sbin/qemud-parent" -f "$SYS/conf" -d -vv >>"$SYS/log.txt" \
	    2>&1 &
	echo $! >"$SYS/pid"
	FULL="qemu+unix:///system?socket=$SYS/run/qemud"
	RO="qemu+unix:///system?socket=$SYS/run/qemud-ro"
	export FULL RO
	wait_until virsh -c "$FULL" uri
	wait_until virsh -r -c "$RO" uri
}

# The folder is the user's home; -d keeps it from becoming a daemon.
suite_session() {
	mkdir -p "$SES/run"
	chown -R "$1" "$SES"
	chmod 700 "$SES/run"
	chmod 755 "$PWD"
	echo "$1" >"$SES/user"
	# no shell of ours in between, so that the pid is that of the parent
	(_exec=exec
	as_user "exec $BUILDDIR/sbin/qemud-parent -S -d -vv \
	    >>$SES/log.txt 2>&1") &
	echo $! >"$SES/pid"
	FULL="qemu+unix:///session?socket=$SES/run/qemud/qemud"
	RO="qemu+unix:///session?socket=$SES/run/qemud/qemud-ro"
	export FULL RO
	wait_until as_user "virsh -c '$FULL' uri"
}

# A shell command as the user of the session instance.
as_user() {
	${_exec:-} setpriv --reuid "$(cat "$SES/user")" --regid \
	    "$(id -g "$(cat "$SES/user")")" --clear-groups env -i \
	    HOME="$SES" XDG_RUNTIME_DIR="$SES/run" PATH="$PATH" \
	    SRCDIR="$SRCDIR" BUILDDIR="$BUILDDIR" \
	    ${SANITIZED:+SANITIZED=1} sh -c "$1"
}

# Of a child of the suite, by its title: "qemud", "netd full".
suite_child() {
	pgrep -P "$(cat "$SYS/pid")" -f "^$1"
}

suite_stop() {
	for _dir in "$SYS" "$SES"; do
		[ -f "$_dir/pid" ] || continue
		kill -KILL "$(cat "$_dir/pid")" 2>/dev/null
		# guests, as the status files name them
		for _pid in $(sed -n 's/^\(launcher\|qemu\) //p' \
		    "$_dir"/run/guests/*.status \
		    "$_dir"/run/qemud/guests/*.status 2>/dev/null); do
			case $(cat "/proc/$_pid/comm" 2>/dev/null) in
			qemud-launch|qemu-system-*) kill -KILL "$_pid" ;;
			esac
		done
		rm -f "$_dir/pid"
	done
	if [ -f "$SYS/uid" ]; then
		for _pid in $(ps -eo pid=,uid= | awk -v f="$(cat "$SYS/uid")" \
		    '$2 >= f && $2 < f + 64 { print $1 }'); do
			kill -KILL "$_pid" 2>/dev/null
		done
	fi
	return 0
}

guest_xml() {
	cat <<-EOF
	<domain type='qemu'>
	  <name>$1</name>
	  <memory unit='MiB'>${GUEST_MEMORY:-192}</memory>
	  <vcpu>1</vcpu>
	  <os>
	    <type arch='x86_64' machine='${GUEST_MACHINE:-pc}'>hvm</type>
	    <kernel>$BUILDDIR/guest/vmlinuz</kernel>
	    <initrd>$BUILDDIR/guest/initrd</initrd>
	    <cmdline>$(cat "$BUILDDIR/guest/cmdline")</cmdline>
	  </os>
	  <features><acpi/></features>
	  <devices>
	    <serial type='pty'><target port='0'/></serial>
	    <console type='pty'/>
	    ${2:-}
	  </devices>
	</domain>
	EOF
}

# By the console stream; virsh console would need a terminal.
console_wait() {
	timeout 100 /usr/bin/python3 - "$FULL" "$1" "$2" <<-'EOF'
	import sys, libvirt
	uri, name, text = sys.argv[1:4]
	conn = libvirt.open(uri)
	stream = conn.newStream(0)
	conn.lookupByName(name).openConsole(None, stream, 1)
	seen = b""
	while text.encode() not in seen:
	    data = stream.recv(4096)
	    if not data:
	        sys.exit("the console ended: %r" % seen)
	    seen += data
	stream.abort()
	EOF
}
