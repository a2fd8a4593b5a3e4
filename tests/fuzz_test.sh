# Each fuzz target takes its stored corpus, whatever compiler built it.

corpus() {
	set -- "$1" "$SRCDIR/tests/fuzz/corpus/$1"/*
	[ -e "$2" ] || atf_fail "tests/fuzz/corpus/$1 holds nothing"
	name=$1
	shift
	atf_check -o save:fed "$BUILDDIR/tests/fuzz/$name" "$@"
	atf_check_equal $# "$(wc -l <fed)"
}

atf_init_test_cases() {
	for file in "$SRCDIR"/tests/fuzz/*.c; do
		name=$(basename "$file" .c)
		[ "$name" != main ] || continue
		atf_test_case "$name"
		eval "${name}_body() { corpus $name; }"
		atf_add_test_case "$name"
	done
}
