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

atf_init_test_cases() {
	atf_add_test_case host
	atf_add_test_case definition
	atf_add_test_case list
	atf_add_test_case look
	atf_add_test_case life
	atf_add_test_case console
}
