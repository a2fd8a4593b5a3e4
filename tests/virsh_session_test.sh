# Stock virsh on the session instance of an ordinary user, made for the test.

. "$SRCDIR/tests/lib.sh"
. "$SRCDIR/tests/virsh.sh"

# a_case NAME DESCRIPTION: its body is NAME_body.
a_case() {
	atf_test_case "$1" cleanup
	eval "$1_head() {
		atf_set descr '$2'
		atf_set require.user root
		atf_set require.progs 'virsh qemu-system-x86_64 xmllint useradd'
	}
	$1_cleanup() {
		clients_stop
		suite_stop
		session_end
	}"
}

a_case host "The connection, the host, what there is none of"
host_body() {
	session
	clients
	virsh_host session
	# it all belongs to the user, and is for nobody else
	atf_check -o empty find "$SES/.qemud.d" "$SES/run" ! -user "$(cat user)"
	atf_check -o inline:"srw-------\n" stat -c %A "$SES/run/qemud/qemud"
	atf_check -s exit:1 -o ignore -e match:"Permission denied" \
	    setpriv --reuid nobody --clear-groups virsh -c "$FULL" uri
}

a_case definition "Definitions: made, described, renamed, removed"
definition_body() {
	session
	clients
	virsh_definition
	atf_check -o empty find "$SES/.qemud.d" -name "web*.xml"
}

a_case list "Each filter of list"
list_body() {
	session
	clients
	virsh_list
}

a_case look "What a running domain shows"
look_body() {
	session
	clients
	truncate -s 1M "$SES/one" "$SES/two"
	chown "$(cat user)" "$SES/one"
	virsh_look "$SES/one" "$SES/two"
}

a_case life "A real guest from start to end, with its events"
life_body() {
	session
	clients
	virsh_life
}

a_case console "The serial line on a terminal"
console_body() {
	session
	clients
	virsh_console
}

atf_init_test_cases() {
	atf_add_test_case host
	atf_add_test_case definition
	atf_add_test_case list
	atf_add_test_case look
	atf_add_test_case life
	atf_add_test_case console
}
