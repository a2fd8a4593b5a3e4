# A test that fails must be seen: by make check, and by CI.

# tree: a source tree without any source but the build and one test program.
tree() {
	mkdir -p tree/tests tree/build/guest
	cp "$SRCDIR/GNUmakefile" tree
	cp "$SRCDIR/tests/run" "$SRCDIR/tests/Kyuafile" tree/tests
	touch tree/build/guest/initrd
	cat >tree/tests/one_test.sh
}

make="make --no-print-directory -C tree"

# The last line, whatever the result.
counts() {
	tail -n 1 out
}

atf_test_case all_pass
all_pass_body() {
	tree <<-\EOF
		atf_test_case a
		a_body() { [ -d "$SRCDIR/tests" ] && [ -d "$BUILDDIR/guest" ]; }
		atf_init_test_cases() { atf_add_test_case a; }
	EOF
	atf_check -o save:out $make check
	atf_check_equal "1 passed, 0 failed, 0 skipped" "$(counts)"
}

atf_test_case one_fails
one_fails_body() {
	tree <<-\EOF
		for name in good bad ugly dead; do
			atf_test_case $name
		done
		good_body() { :; }
		bad_body() { echo "seen on stdout"; atf_fail "as it should"; }
		ugly_body() { atf_skip "no such device"; }
		dead_body() { kill -ABRT $$; }
		atf_init_test_cases() {
			for name in good bad ugly dead; do
				atf_add_test_case $name
			done
		}
	EOF
	atf_check -s exit:2 -o save:out -e ignore $make check
	# make says more after it
	atf_check -o ignore grep "^1 passed, 2 failed, 1 skipped$" out
	atf_check -o ignore grep "failed: as it should" out
	atf_check -o ignore grep "^seen on stdout$" out
	atf_check -o ignore grep "skipped: no such device" out
	atf_check -o ignore grep "broken: .*signal 6" out

	atf_check -o save:out $make check TESTS=one_test:good
	atf_check_equal "1 passed, 0 failed, 0 skipped" "$(counts)"
}

atf_test_case none
none_head() {
	atf_set descr "No test at all is not a success"
}
none_body() {
	tree </dev/null
	rm tree/tests/one_test.sh
	atf_check -s exit:2 -o save:out -e ignore $make check
	atf_check -o ignore grep "^0 passed, 1 failed, 0 skipped$" out
}

atf_test_case not_a_test
not_a_test_head() {
	atf_set descr "A test program that cannot start is a failure"
}
not_a_test_body() {
	tree <<-EOF
		exit 0
	EOF
	atf_check -s exit:2 -o save:out -e ignore $make check
	atf_check -o ignore grep "^0 passed, 1 failed, 0 skipped$" out
}

atf_test_case deleted
deleted_head() {
	atf_set descr "A test whose source has gone is not run any more"
}
deleted_body() {
	tree <<-\EOF
		atf_test_case a
		a_body() { :; }
		atf_init_test_cases() { atf_add_test_case a; }
	EOF
	sed 's/:;/false;/' tree/tests/one_test.sh >tree/tests/two_test.sh
	atf_check -s exit:2 -o ignore -e ignore $make check
	rm tree/tests/two_test.sh
	atf_check -o save:out $make check
	atf_check_equal "1 passed, 0 failed, 0 skipped" "$(counts)"
}

# ci: a tree whose bootstrap says what each step is to say.
ci() {
	mkdir -p tree/.ci
	cp "$SRCDIR/.ci/run" tree/.ci
	{
		echo '#! /bin/sh'
		echo 'echo "$* WERROR=$WERROR" >>steps'
		echo 'case "$*" in'
		cat
		echo 'esac'
	} >tree/bootstrap
	chmod 755 tree/bootstrap
}

atf_test_case ci_passes
ci_passes_body() {
	ci <<-\EOF
		*check)	echo "one_test:a  ->  skipped: no device  [0.001s]"
			echo "3 passed, 0 failed, 1 skipped" ;;
		*-san)	echo "3 passed, 0 failed, 0 skipped" ;;
		*-fuzz) echo "2 passed, 0 failed, 0 skipped" ;;
	EOF
	atf_check -o save:out tree/.ci/run
	atf_check_equal "9 passed, 0 failed, 1 skipped" "$(counts)"
	atf_check -o ignore grep "^tests:one_test:a  ->  skipped: no device$" \
	    out
	atf_check_equal 4 "$(grep -c ' WERROR=1$' tree/steps)"
}

atf_test_case ci_fails
ci_fails_body() {
	# A test fails; the build fails after the tests; nothing builds.
	ci <<-\EOF
		*check)	echo "3 passed, 1 failed, 1 skipped"
			echo "make: *** Error 1"; exit 2 ;;
		*-san)	echo "3 passed, 0 failed, 0 skipped"; exit 2 ;;
		*-fuzz) exit 1 ;;
	EOF
	atf_check -s exit:1 -o save:out tree/.ci/run
	atf_check_equal "7 passed, 3 failed, 1 skipped" "$(counts)"
}

atf_init_test_cases() {
	atf_add_test_case all_pass
	atf_add_test_case one_fails
	atf_add_test_case none
	atf_add_test_case not_a_test
	atf_add_test_case deleted
	atf_add_test_case ci_passes
	atf_add_test_case ci_fails
}
