# Stock virsh on the system instance.

. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/virsh.sh"

# a_case NAME DESCRIPTION: its body is NAME_body.
a_case() {
	atf_test_case "$1" cleanup
	eval "$1_head() {
		atf_set descr '$2'
		atf_set require.user root
		atf_set require.progs 'virsh qemu-system-x86_64 xmllint'
	}
	$1_cleanup() {
		clients_stop
		suite_stop
	}"
}

a_case host "The connection, the host, what there is none of"
host_body() {
	suite_system
	clients
	virsh_host system
}

a_case definition "Definitions: made, described, renamed, removed"
definition_body() {
	suite_system
	clients
	virsh_definition
	atf_check -o empty find "$SYS/etc" -name "web*"
}

a_case list "Each filter of list"
list_body() {
	suite_system
	clients
	virsh_list
}

a_case look "What a running domain shows"
look_body() {
	suite_system
	clients
	truncate -s 1M "$SYS/img/one" "$SYS/img/two"
	virsh_look "$SYS/img/one" "$SYS/img/two"
}

a_case life "A real guest from start to end, with its events"
life_body() {
	suite_system
	clients
	virsh_life
}

a_case console "The serial line on a terminal"
console_body() {
	suite_system
	clients
	virsh_console
}

# logged PATTERN: awaits a line of the suite's log.
logged() {
	wait_until grep -q "$1" "$SYS/log.txt" ||
	    atf_fail "the log does not say \"$1\""
}

defined() {
	[ "$(./v list --all --name | sort | xargs)" = "$1" ]
}

a_case folder "Files that are put into the folder of definitions"
folder_body() {
	suite_system
	clients
	tiny_xml first >"$SYS/etc/first.xml"
	echo '<domain><name>broken</nam></domain>' >"$SYS/etc/broken.xml"
	tiny_xml other >"$SYS/etc/misnamed.xml"
	tiny_xml nosuch "<frob/><hostdev mode='subsystem' type='usb'/>" \
	    >"$SYS/etc/nosuch.xml"
	tiny_xml secret >"$SYS/etc/secret.xml"
	chmod 600 "$SYS/etc/secret.xml"
	touch "$SYS/etc/empty.xml"
	echo "not for us" >"$SYS/etc/README"
	kill -HUP "$(cat "$SYS/pid")"
	wait_until defined first || atf_fail "first.xml is not read"
	files="broken empty first misnamed nosuch secret"
	right='etc/broken.xml is skipped: line 1, column [0-9]*: '
	logged "$right"
	logged "etc/misnamed.xml is skipped: .*'other'.*should be"
	logged "etc/nosuch.xml is skipped: line [0-9]*.*hostdev"
	logged "etc/secret.xml is skipped: Permission denied"
	logged "etc/empty.xml is skipped: line 1"
	for file in $files; do
		atf_check test -e "$SYS/etc/$file.xml"
	done
	atf_check grep -q "not for us" "$SYS/etc/README"

	# a file that is right now; one that has changed, the guest running
	client events_of stdbuf -oL virsh -c "'$FULL'" event --all --loop
	events_start first
	atf_check -o ignore ./v start --paused first
	tiny_xml broken "<interface type='user'/>" >"$SYS/etc/broken.xml"
	uuid=$(./v domuuid first)
	tiny_xml first | sed "s,</name>,&<title>changed</title>," \
	    >"$SYS/etc/first.xml"
	kill -HUP "$(cat "$SYS/pid")"
	for event in "broken': Defined Added" "first': Defined Updated"; do
		wait_until grep -q "$event" events ||
		    atf_fail "no event $event: $(tail -n 1 events)"
	done
	atf_check -o inline:"changed\n" ./v desc first --config --title
	atf_check -o inline:"waiting for events\n" ./v desc first --live --title
	# what it lacked is kept from now on
	atf_check grep -q "<uuid>$uuid</uuid>" "$SYS/etc/first.xml"
	atf_check grep -q "<mac address='$(./v domiflist broken --inactive |
	    awk '/user/ { print $5 }')'/>" "$SYS/etc/broken.xml"
	# the same name, another domain
	other=$(cat /proc/sys/kernel/random/uuid)
	tiny_xml first | sed "s,</name>,&<uuid>$other</uuid>," \
	    >"$SYS/etc/first.xml"
	kill -HUP "$(cat "$SYS/pid")"
	logged "etc/first.xml is skipped: .*UUID"
	atf_check -o inline:"$uuid\n\n" ./v domuuid first

	# what is broken when it starts stays as it is, too
	atf_check -o ignore ./v destroy first
	suite_down
	suite_system_run
	listed "broken first" --all
	for file in $files; do
		atf_check test -e "$SYS/etc/$file.xml"
	done
}

# SIGTERM, and its end.
suite_down() {
	kill "$(cat "$SYS/pid")"
	wait "$(cat "$SYS/pid")" || atf_fail "the suite ended badly"
}

a_case restart "Guests run on while the suite is stopped and started again"
restart_body() {
	suite_system
	clients
	guest_xml web1 >web1.xml
	for name in off pause gone; do
		tiny_xml $name >$name.xml
		atf_check -o ignore ./v define $name.xml
	done
	tiny_xml temp >temp.xml
	atf_check -o ignore ./v define web1.xml
	atf_check -o ignore ./v start web1
	atf_check -o ignore ./v start pause
	atf_check -o ignore ./v suspend pause
	atf_check -o ignore ./v start gone
	atf_check -o ignore ./v create temp.xml
	atf_check -o ignore ./v desc temp --live --title "still here"
	said web1 "test guest: up"
	what_runs >before
	suite_down
	[ "$(what_runs | wc -l)" -eq 4 ] || atf_fail "not all guests run on"
	atf_check -s exit:1 -o ignore -e match:"Failed to connect socket" \
	    ./v uri
	kill -KILL $(sed -n 's/^gone //p' before)

	./v list --all >list.down 2>&1 && atf_fail "who answers?"
	suite_system_run
	sed -i '/^gone /d' before
	what_runs >after
	atf_check diff before after
	listed "temp web1" --state-running
	listed "pause" --state-paused
	listed "gone off" --inactive
	listed "temp" --transient
	atf_check -o inline:"running (booted)\n\n" ./v domstate web1 --reason
	atf_check -o inline:"paused (user)\n\n" ./v domstate pause --reason
	atf_check -o inline:"shut off (crashed)\n\n" ./v domstate gone --reason
	atf_check -o inline:"still here\n" ./v desc temp --title
	for name in web1 pause temp; do
		id=$(sed -n "s/^id //p" "$SYS/run/guests/$name.status")
		atf_check -o inline:"$id\n\n" ./v domid $name
	done

	# and can be worked with
	atf_check -o ignore ./v resume pause
	atf_check -o ignore ./v destroy pause
	atf_check -o ignore ./v destroy temp
	listed "gone off pause web1" --all
	atf_check -o ignore ./v start gone
	atf_check -o match:"answer 9" /usr/bin/python3 \
	    "$SRCDIR/tests/python/on_tty.py" "Escape" "
" "guest# " "echo answer \$((4 + 5))
" "answer 9" "$(printf '\035')" -- virsh -c "$FULL" console web1
	atf_check -o ignore ./v shutdown web1
	await state web1 "shut off (shutdown)" --reason ||
	    atf_fail "no shutdown: $(./v domstate web1 --reason)"
}

# NAME PID of each QEMU, as the status files have them.
what_runs() {
	for status in "$SYS"/run/guests/*.status; do
		pid=$(sed -n 's/^qemu //p' "$status")
		[ ! -d "/proc/$pid" ] || echo "$(basename "$status" .status) $pid"
	done
}

running() {
	[ "$(./v list --name --state-running | sort | xargs)" = "$1" ]
}

a_case autostart "What is to start with the machine does so, once"
autostart_body() {
	suite_system
	clients
	for name in auto byhand no; do
		tiny_xml $name >$name.xml
		atf_check -o ignore ./v define $name.xml
	done
	atf_check -o ignore ./v autostart auto
	atf_check -o inline:"../auto.xml\n" \
	    readlink "$SYS/etc/autostart/auto.xml"
	ln -s ../byhand.xml "$SYS/etc/autostart/byhand.xml"
	suite_down

	# the machine has been started since: its run folder was empty
	rm -rf "$SYS/run"
	suite_system_run
	wait_until running "auto byhand" || atf_fail "$(./v list --all)"
	listed "auto byhand" --all --autostart
	atf_check -o ignore ./v destroy byhand
	suite_down
	suite_system_run
	listed "auto" --state-running
	atf_check -o ignore ./v autostart --disable byhand
	atf_check test ! -L "$SYS/etc/autostart/byhand.xml"
	atf_check -o ignore ./v undefine auto
	atf_check test ! -L "$SYS/etc/autostart/auto.xml"
}

a_case actions "What a domain says of its power-off and reboot"
actions_body() {
	suite_system
	clients
	action off-restart restart restart
	action boot-destroy destroy destroy
	action boot-preserve destroy preserve
	client events_of stdbuf -oL virsh -c "'$FULL'" event --all --loop
	events_start off-restart
	for name in off-restart boot-destroy boot-preserve; do
		atf_check -o ignore ./v start $name
	done
	for name in off-restart boot-destroy boot-preserve; do
		said $name "test guest: up"
	done
	id=$(./v domid off-restart)
	atf_check -o ignore ./v shutdown boot-preserve
	atf_check -o ignore ./v reboot boot-destroy
	atf_check -o ignore ./v shutdown off-restart

	await state boot-preserve "shut off (shutdown)" --reason ||
	    atf_fail "boot-preserve: $(./v domstate boot-preserve --reason)"
	await state boot-destroy "shut off (shutdown)" --reason ||
	    atf_fail "boot-destroy: $(./v domstate boot-destroy --reason)"
	events off-restart "Shutdown Finished after guest request" reboot
	said off-restart "test guest: up" 2
	atf_check -o inline:"$id\n\n" ./v domid off-restart
	atf_check -o inline:"running (booted)\n\n" \
	    ./v domstate off-restart --reason
	# neither a pause nor a resumption was told of
	atf_check -s exit:1 grep "off-restart': Suspended" events
}

# action NAME ON_POWEROFF ON_REBOOT
action() {
	guest_xml "$1" | sed "s,<devices>,<on_poweroff>$2</on_poweroff>&,
	    s,<devices>,<on_reboot>$3</on_reboot>&," >"$1.xml"
	atf_check -o ignore ./v define "$1.xml"
}

a_case sockets "virsh without a URI, on the sockets that libvirt has"
sockets_body() {
	# a /run of its own, beside whatever there is
	unshare -m mount -t tmpfs none /run 2>/dev/null ||
	    atf_skip "cannot mount"
	cat >script <<-'EOF'
		. "$SRCDIR/tests/lib.sh"
		mount -t tmpfs none /run &&
		suite_system \
		    "listen on \"$SYS/run/qemud\" mode 0600 full-control" \
		    "listen on \"$SYS/run/qemud-ro\" mode 0666 read-only" \
		    "listen on \"$SYS/run/launch\" mode 0666 launch" \
		    "listen on \"/run/libvirt/libvirt-sock\" full-control" \
		    "listen on \"/run/libvirt/libvirt-sock-ro\" read-only" &&
		virsh uri && virsh -r uri && virsh define off.xml &&
		virsh -c qemu:///system list --all &&
		! virsh -r undefine off && virsh undefine off
	EOF
	tiny_xml off >off.xml
	atf_check -o match:"^qemu:///system$" -o match:" off +shut off$" \
	    -e match:"operation forbidden: read only access" \
	    timeout 60 unshare -m env -u FULL sh script
}

atf_init_test_cases() {
	atf_add_test_case host
	atf_add_test_case definition
	atf_add_test_case list
	atf_add_test_case look
	atf_add_test_case life
	atf_add_test_case console
	atf_add_test_case folder
	atf_add_test_case restart
	atf_add_test_case autostart
	atf_add_test_case actions
	atf_add_test_case sockets
}
