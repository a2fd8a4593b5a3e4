# What bash completes after "qemuctl".

# completes WORD ... : the last word, with qemuctl as it is but for the guests.
completes() {
	mkdir -p bin
	cat >bin/qemuctl <<-EOF
		#! /bin/sh
		echo "\$*" >>"$PWD/calls"
		case "\$*" in
		*list\\ -an) printf 'web1\nweb2\nnew guest\n' ;;
		*) exec "$BUILDDIR/bin/qemuctl" "\$@" ;;
		esac
	EOF
	chmod 755 bin/qemuctl
	PATH=$PWD/bin:$PATH bash -c '
		. "$SRCDIR/etc/qemuctl.bash"
		COMP_WORDS=(qemuctl "$@")
		COMP_CWORD=$#
		_qemuctl
		printf "%s\n" "${COMPREPLY[@]}"' bash "$@" | sort >out
}

atf_test_case commands
commands_body() {
	export SRCDIR
	completes st
	atf_check -o inline:"start\nstatus\nstop\n" cat out
	completes -j und
	atf_check -o inline:"undefine\n" cat out
	completes help und
	atf_check -o inline:"undefine\n" cat out
	completes ""
	"$BUILDDIR/bin/qemuctl" help >help
	atf_check_equal "$(grep -c '^  [a-z]' help)" "$(wc -l <out)"
}

atf_test_case names
names_body() {
	export SRCDIR
	completes start we
	atf_check -o inline:"web1\nweb2\n" cat out
	completes start -p web1 web2 ne
	atf_check -o inline:"new\\\\ guest\n" cat out

	# The guests are those of the same daemon, asked in the same way.
	completes -r -c qemud://host/ show web1
	atf_check -o inline:"web1\n" cat out
	atf_check -o inline:"-r -c qemud://host/ list -an\n" tail -n 1 calls
}

atf_test_case files
files_body() {
	export SRCDIR
	touch web.xml
	completes define we
	atf_check -o inline:"web.xml\n" cat out
	completes -c qemud:///sy
	atf_check -o inline:"qemud:///system\n" cat out
	completes version ""
	atf_check -o inline:"\n" cat out
}

atf_init_test_cases() {
	atf_add_test_case commands
	atf_add_test_case names
	atf_add_test_case files
}
