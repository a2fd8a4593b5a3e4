# Programs on python3-libvirt, on the system instance.

. "$SRCDIR/tests/lib.sh"

# python SCRIPT ARGUMENT ...
python() {
	script=$1
	shift
	atf_check -o save:said timeout 200 /usr/bin/python3 -B \
	    "$SRCDIR/tests/python/$script" "$@"
}

a_case() {
	atf_test_case "$1" cleanup
	eval "$1_head() {
		atf_set descr '$2'
		atf_set require.user root
		atf_set require.progs 'virsh qemu-system-x86_64 /usr/bin/python3'
	}
	$1_cleanup() {
		suite_stop
	}"
}

a_case errors "Errors, by the numbers that clients know"
errors_body() {
	mkdir emulators
	cat >emulators/qemu-system-dies <<-'EOF2'
		#! /bin/sh
		i=0
		while [ $i -lt 5000 ]; do
			echo "line $i: it is cold"
			i=$((i + 1))
		done >&2
		echo "and dark" >&2
		exit 3
	EOF2
	cat >emulators/qemu-system-mute <<-'EOF2'
		#! /bin/sh
		kill -SEGV $$
	EOF2
	cat >emulators/qemu-system-hangs <<-'EOF2'
		#! /bin/sh
		exec sleep 600
	EOF2
	chmod -R 755 emulators
	suite_system "emulators { \"$PWD/emulators/*\" }" "start timeout 3"
	python errors.py "$FULL" "$PWD/emulators" "$SYS/img"
	# neither a launcher nor what it ran is left
	wait_until none_left || atf_fail "$(ps -eo uid,pid,args |
	    awk -v f="$(cat "$SYS/uid")" '$1 >= f && $1 < f + 64')"
}

none_left() {
	! ps -eo uid=,stat= | awk -v f="$(cat "$SYS/uid")" '
	    $1 >= f && $1 < f + 64 && $2 !~ /^Z/' | grep .
}

atf_init_test_cases() {
	atf_add_test_case errors
}
