# One instance of the suite as a whole: start, reload, end.

. "$SRCDIR/tests/lib.sh"

atf_test_case check
check_head() {
	atf_set descr "-n says what is wrong, with line and column, and does nothing"
}
check_body() {
	cat >bad.conf <<-'EOF'
	# comment
	run in "/x"
	listen on "/x/s" mode 0666 full-control
	lisen on "/y"
	EOF
	atf_check -s exit:1 -e match:'bad.conf:3:' -e match:'bad.conf:4:1:.*lisen' \
	    "$BUILDDIR/sbin/qemud-parent" -n -S -f bad.conf
	echo 'run in "$dir/run"' >good.conf
	chmod 644 good.conf
	atf_check -e match:OK -o match:"run in \"$PWD/here/run\"" \
	    "$BUILDDIR/sbin/qemud-parent" -nv -S -D "dir=$PWD/here" -f good.conf
	atf_check test ! -e here
}

atf_test_case only_one cleanup
only_one_head() {
	atf_set descr "A second instance is refused; a dead one's sockets are replaced"
	atf_set require.user root
}
only_one_body() {
	suite_system
	atf_check -s exit:1 -o ignore -e match:'another instance' \
	    "$BUILDDIR/sbin/qemud-parent" -d -f "$SYS/conf"
	# nor one over the same definitions, or the same socket
	sed "s,run in .*,run in \"$SYS/run2\"," "$SYS/conf" >two.conf
	atf_check -s exit:1 -o ignore -e match:"definitions in $SYS/etc" \
	    "$BUILDDIR/sbin/qemud-parent" -d -f two.conf
	sed "s,run in .*,run in \"$SYS/run2\",;
	    s,definitions in .*,definitions in \"$SYS/etc2\"," \
	    "$SYS/conf" >two.conf
	echo "listen on \"$SYS/run/qemud\" full-control" >>two.conf
	atf_check -s exit:1 -o ignore -e match:"$SYS/run/qemud" \
	    "$BUILDDIR/sbin/qemud-parent" -d -f two.conf
	atf_check -o ignore virsh -c "$FULL" uri
	kill -KILL "$(cat "$SYS/pid")"
	atf_check test -S "$SYS/run/qemud"
	suite_system_run
	atf_check -o ignore virsh -c "$FULL" uri
}
only_one_cleanup() {
	suite_stop
}

atf_test_case modes cleanup
modes_head() {
	atf_set descr "Sockets and folders belong to whom they should"
	atf_set require.user root
}
modes_body() {
	suite_system 'listen on "'"$SYS"'/run/group" mode 0660 group "man" full-control'
	while read -r file want; do
		atf_check -o inline:"$file $want\n" \
		    stat -c "$file %a %U %G" "$SYS/$file"
	done <<-EOF
	run 755 root root
	run/launch 666 root root
	run/group 660 root man
	run/guests 700 games games
	run/empty 555 root root
	etc 700 games games
	lib 755 root root
	lib/guests 700 games games
	log 750 root games
	EOF
	suite_stop
	rm -rf "$SYS"
	suite_system
	atf_check -o inline:'600 root\n666 root\n' \
	    stat -c '%a %U' "$SYS/run/qemud" "$SYS/run/qemud-ro"
}
modes_cleanup() {
	suite_stop
}

atf_test_case reload cleanup
reload_head() {
	atf_set descr "SIGHUP: listeners come and go, clients and guests stay"
	atf_set require.user root
}
reload_body() {
	suite_system
	guest_xml "reload-$$" >a.xml
	atf_check -o ignore virsh -c "$FULL" create --paused a.xml
	guest=$(pgrep -f "^[^ ]*qemu-system[^ ]* -name guest=reload-$$,")
	# a client that is connected all the time
	mkfifo in
	virsh -q -c "$FULL" <in >out 2>&1 &
	exec 9>in
	echo uri >&9
	wait_until grep -q qemu: out
	echo "listen on \"$SYS/run/more\" mode 0600 full-control" >>"$SYS/conf"
	echo "listen on \"$SYS/run/qemud\" mode 0600 full-control" >>"$SYS/conf"
	kill -HUP "$(cat "$SYS/pid")"
	wait_until virsh -c "qemu+unix:///system?socket=$SYS/run/more" uri
	atf_check -o ignore virsh -c "$FULL" uri
	sed -i '/more/d' "$SYS/conf"
	kill -HUP "$(cat "$SYS/pid")"
	wait_until test ! -e "$SYS/run/more"
	# owner and mode of one that stays; its clients stay, too
	sed -i 's,/run/qemud" mode 0600,/run/qemud" mode 0660 group "man",' \
	    "$SYS/conf"
	kill -HUP "$(cat "$SYS/pid")"
	wait_until sh -c \
	    "[ \"\$(stat -c '%a %G' '$SYS/run/qemud')\" = '660 man' ]"
	atf_check -o ignore virsh -c "$FULL" uri
	# one that is wrong changes nothing, and the log says what is wrong
	echo 'gibberish' >>"$SYS/conf"
	kill -HUP "$(cat "$SYS/pid")"
	wait_until grep -q 'conf:.*gibberish' "$SYS/log.txt"
	atf_check -o ignore virsh -c "$FULL" uri
	echo "domstate reload-$$" >&9
	wait_until grep -q paused out
	exec 9>&-
	atf_check kill -0 "$guest"
}
reload_cleanup() {
	suite_stop
}

atf_test_case term cleanup
term_head() {
	atf_set descr "SIGTERM ends the suite; guests run on and are taken up again"
	atf_set require.user root
}
term_body() {
	suite_system
	guest_xml "term-$$" >a.xml
	atf_check -o ignore virsh -c "$FULL" create --paused a.xml
	id=$(virsh -q -c "$FULL" domid "term-$$")
	guest=$(pgrep -f "^[^ ]*qemu-system[^ ]* -name guest=term-$$,")
	pid=$(cat "$SYS/pid")
	children=$(pgrep -P "$pid" -f '^(qemud([^-]|$)|netd|monitord)')
	kill -TERM "$pid"
	wait "$pid" || atf_fail "the parent ended with status $?"
	for child in $children; do
		wait_until test ! -d "/proc/$child"
	done
	atf_check test ! -e "$SYS/run/qemud"
	atf_check kill -0 "$guest"
	suite_system_run
	atf_check -o inline:"$id\n" virsh -q -c "$FULL" domid "term-$$"
	atf_check -o inline:'paused\n' virsh -q -c "$FULL" domstate "term-$$"
	atf_check -o ignore virsh -c "$FULL" resume "term-$$"
	atf_check -o ignore virsh -c "$FULL" destroy "term-$$"
	wait_until test ! -d "/proc/$guest"
}
term_cleanup() {
	suite_stop
}

atf_test_case daemon cleanup
daemon_head() {
	atf_set descr "Without -d it can be connected to when the command returns"
	atf_set require.user root
}
daemon_body() {
	suite_system
	kill -TERM "$(cat "$SYS/pid")"
	wait "$(cat "$SYS/pid")"
	atf_check "$BUILDDIR/sbin/qemud-parent" -f "$SYS/conf"
	cp "$SYS/run/lock" "$SYS/pid"
	atf_check -o ignore virsh -c "$FULL" uri
	atf_check kill -0 "$(cat "$SYS/run/lock")"
}
daemon_cleanup() {
	suite_stop
}

atf_init_test_cases() {
	atf_add_test_case check
	atf_add_test_case only_one
	atf_add_test_case modes
	atf_add_test_case reload
	atf_add_test_case term
	atf_add_test_case daemon
}
