# What the kernel says of each process of the suite.

. "$SRCDIR/tests/lib.sh"

# status PID FIELD
status() {
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

atf_test_case children cleanup
children_head() {
	atf_set descr "Each child has its own uid, no rights, an empty root"
	atf_set require.user root
}
children_body() {
	suite_system
	uids=
	for pid in $(pgrep -P "$(cat "$SYS/pid")" -f \
	    '^(qemud([^-]|$)|netd|monitord)'); do
		name=$(tr '\0' ' ' <"/proc/$pid/cmdline")
		for set in CapInh CapPrm CapEff CapAmb; do
			atf_check_equal "$name: 0000000000000000" \
			    "$name: $(status "$pid" "$set")"
		done
		atf_check_equal "$name: 1" "$name: $(status "$pid" NoNewPrivs)"
		atf_check_equal "$name: " "$name: $(status "$pid" Groups)"
		[ -n "${SANITIZED:-}" ] ||
		    atf_check_equal "$name: 2" "$name: $(status "$pid" Seccomp)"
		atf_check -o empty ls -A "/proc/$pid/root/"
		set -- $(status "$pid" Uid)
		[ "$1 $2 $3 $4" = "$1 $1 $1 $1" ] ||
		    atf_fail "$name has several uids: $*"
		[ "$1" -ne 0 ] || atf_fail "$name is root"
		uids="$uids$1
"
	done
	atf_check_equal 5 "$(printf %s "$uids" | sort -u | wc -l)"
}
children_cleanup() {
	suite_stop
}

atf_test_case parent cleanup
parent_head() {
	atf_set descr "The parent keeps the few capabilities that it lists"
	atf_set require.user root
}
parent_body() {
	suite_system
	pid=$(cat "$SYS/pid")
	# DAC_OVERRIDE 1, CHOWN 0, FOWNER 3, KILL 5, SETGID 6, SETUID 7,
	# SYS_CHROOT 18
	atf_check_equal 00000000000400eb "$(status "$pid" CapEff)"
	atf_check_equal 00000000000400eb "$(status "$pid" CapBnd)"
	atf_check_equal 1 "$(status "$pid" NoNewPrivs)"
}
parent_cleanup() {
	suite_stop
}

atf_test_case guest cleanup
guest_head() {
	atf_set descr "A guest has a uid of its own, and no path that it could open"
	atf_set require.user root
}
guest_body() {
	suite_system
	cp /etc/hostname "$SYS/img/a.raw"
	truncate -s 1M "$SYS/img/a.raw"
	chmod 600 "$SYS/img/a.raw"
	guest_xml "one-$$" "<disk type='file' device='disk'><source \
	    file='$SYS/img/a.raw'/><target dev='vda'/></disk>" >one.xml
	guest_xml "two-$$" >two.xml
	atf_check -o ignore virsh -c "$FULL" create --paused one.xml
	atf_check -o ignore virsh -c "$FULL" create --paused two.xml
	one=$(pgrep -f "^[^ ]*qemu-system[^ ]* -name guest=one-$$,")
	two=$(pgrep -f "^[^ ]*qemu-system[^ ]* -name guest=two-$$,")
	for pid in $one $two; do
		atf_check_equal 0000000000000000 "$(status "$pid" CapEff)"
		atf_check_equal 1 "$(status "$pid" NoNewPrivs)"
		atf_check_equal 2 "$(status "$pid" Seccomp)"
		atf_check_equal "" "$(status "$pid" Groups)"
	done
	first=$(cat "$SYS/uid")
	set -- $(status "$one" Uid) $(status "$two" Uid)
	[ "$1" -ge "$first" ] && [ "$5" -ge "$first" ] && [ "$1" -ne "$5" ] ||
	    atf_fail "the uids of the guests are $1 and $5"
	# the image stays its owner's, who need not let the guest in
	atf_check -o inline:'0 0 600\n' stat -c '%u %g %a' "$SYS/img/a.raw"
	atf_check -o not-match:"$SYS/img" cat "/proc/$one/cmdline"
}
guest_cleanup() {
	suite_stop
}

atf_init_test_cases() {
	atf_add_test_case children
	atf_add_test_case parent
	atf_add_test_case guest
}
