# What the compiler and linker were asked for is in every program.

# programs: all of the suite, and the library.
programs() {
	find "$BUILDDIR/bin" "$BUILDDIR/sbin" "$BUILDDIR/libexec" -type f
	find "$BUILDDIR/lib" -name 'lib*.so.*' -type f
}

# each PATTERN COMMAND ...: of each program the command's output matches.
each() {
	pattern=$1
	shift
	programs >list
	atf_check -o ignore grep /sbin/qemud-parent list
	while read -r program; do
		"$@" "$program" >out 2>err || atf_fail "$* $program"
		grep -Eq "$pattern" out ||
		    atf_fail "$program: $* does not say $pattern"
	done <list
}

plain_build() {
	[ -z "${SANITIZED:-}" ] ||
	    atf_skip "a build with sanitizers is not for use"
}

atf_test_case position
position_head() {
	atf_set descr "Programs lie at another address each time"
}
position_body() {
	each 'Type: +DYN' readelf -hW
	programs | grep -v '\.so' >list
	while read -r program; do
		readelf -dW "$program" >out
		grep -q 'FLAGS_1.* PIE' out || atf_fail "$program: no PIE"
	done <list
}

atf_test_case relocations
relocations_head() {
	atf_set descr "All symbols are bound at start, and then read-only"
}
relocations_body() {
	each 'GNU_RELRO' readelf -lW
	each '(BIND_NOW|FLAGS_1.* NOW)' readelf -dW
}

atf_test_case stack
stack_head() {
	atf_set descr "The stack is guarded and not executable"
}
stack_body() {
	plain_build
	each 'GNU_STACK.* RW +0x' readelf -lW
	each ' __stack_chk_fail' readelf --syms -W
	# nothing is writable and executable
	programs >list
	while read -r program; do
		atf_check -s exit:1 -o empty \
		    sh -c 'readelf -lW "$0" | grep " RWE "' "$program"
	done <list
}

atf_test_case fortify
fortify_head() {
	atf_set descr "Functions of libc check the sizes that they can know"
}
fortify_body() {
	plain_build
	each '__[a-z_]*_chk(@|$)' readelf --syms -W
}

atf_test_case branches
branches_head() {
	atf_set descr "Indirect branches and returns can be tracked"
}
branches_body() {
	plain_build
	[ "$(uname -m)" = x86_64 ] || atf_skip "this is not x86_64"
	programs | grep -v '\.so' >list
	while read -r program; do
		objdump -d --disassemble=main "$program" >out
		grep -A1 '<main>:' out | grep -q endbr64 ||
		    atf_fail "$program: main() is not marked as a target"
	done <list

	# The linker says so of a whole program only if libc's part is, too.
	echo 'int main(void) { return 0; }' >empty.c
	atf_check cc -fcf-protection=full -o empty empty.c
	if readelf -nW empty | grep -q 'IBT, SHSTK'; then
		each 'IBT, SHSTK' readelf -nW
	fi
}

atf_test_case parent_parses_nothing
parent_parses_nothing_head() {
	atf_set descr "The privileged parent has no parser of XML, JSON or TLS"
}
parent_parses_nothing_body() {
	readelf -dW "$BUILDDIR/sbin/qemud-parent" >out
	atf_check -o ignore grep 'NEEDED.*libc\.so' out
	atf_check -s exit:1 \
	    grep -iE 'NEEDED.*(xml|gnutls|jansson|ssl|crypto|tirpc)' out
	# nor one that came in statically
	readelf --syms -W "$BUILDDIR/sbin/qemud-parent" >out
	atf_check -s exit:1 grep -E ' (xml[A-Z]|json_|gnutls_)' out
}

atf_test_case one_parser_each
one_parser_each_head() {
	atf_set descr "Each kind of foreign bytes has its parsers, no others"
}
one_parser_each_body() {
	while read -r library allowed; do
		for program in $(programs); do
			name=${program##*/}
			readelf -dW "$program" >out
			grep -q "NEEDED.*$library" out || continue
			case " $allowed " in
			*" $name "*) ;;
			*) atf_fail "$name links $library" ;;
			esac
		done
	done <<-EOF
		libxml2		qemud launch-plan qemuctl
		libjansson	monitord qemuctl
		libgnutls	netd keyd qemuctl libqemud.so.0
	EOF
}

atf_init_test_cases() {
	atf_add_test_case position
	atf_add_test_case relocations
	atf_add_test_case stack
	atf_add_test_case fortify
	atf_add_test_case branches
	atf_add_test_case parent_parses_nothing
	atf_add_test_case one_parser_each
}
