# Manual pages are without errors, and there is one for each program.

atf_test_case form
form_head() {
	atf_set descr "groff and mandoc have nothing to say against a page"
	atf_set require.progs "groff mandoc"
}
form_body() {
	cd "$SRCDIR" || atf_fail "no source"
	for page in */*.[1-8]; do
		atf_check groff -mandoc -ww -z "$page"
		atf_check mandoc -T lint -W warning "$page"
	done
}

atf_test_case all_there
all_there_head() {
	atf_set descr "Each program that users start, and its file, has a page"
}
all_there_body() {
	cd "$SRCDIR" || atf_fail "no source"
	atf_check test -x "$BUILDDIR/sbin/qemud-parent"
	for program in "$BUILDDIR"/bin/* "$BUILDDIR"/sbin/*; do
		name=${program##*/}
		ls */"$name".[18] >/dev/null || atf_fail "no page of $name"
	done
	for page in qemud.conf.5 qemud-protocol.7; do
		ls */"$page" >/dev/null || atf_fail "no $page"
	done
}

atf_test_case references
references_head() {
	atf_set descr "Pages that pages refer to exist, if they are ours"
}
references_body() {
	cd "$SRCDIR" || atf_fail "no source"
	# what has a page, or should
	ours='^(lib)?qemu(d|ctl)|^monitord|^netd|^keyd'
	sed -n 's/^\.Xr \([^ ]*\) \([1-8]\).*/\1.\2/p' */*.[1-8] | sort -u |
	    grep -E "$ours" >"$HOME/wanted"
	while read -r page; do
		ls */"$page" >/dev/null || echo "$page"
	done <"$HOME/wanted" >"$HOME/missing"
	atf_check cat "$HOME/missing"
}

atf_init_test_cases() {
	atf_add_test_case form
	atf_add_test_case all_there
	atf_add_test_case references
}
