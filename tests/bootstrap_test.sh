# What bootstrap does on machines that lack one thing or another.  The machine
# is a folder of commands that write down how they were called.

# machine: makes one that is Debian, where root has all packages.
machine() {
	mkdir -p tree/bin log elsewhere
	cp "$SRCDIR/bootstrap" tree/bootstrap
	for name in sh dirname sed env cat; do
		ln -s "$(command -v "$name")" tree/bin/"$name"
	done
	# busybox asks no program who it is: without root it needs this one
	tool id 'echo 0'
	tool sudo 'exec "$@"'
	tool make '{ printf "%s:" "$PWD" "$@"; echo; } >>$LOG/make'
	tool apt-get 'echo "$DEBIAN_FRONTEND $*" >>$LOG/apt-get'
	tool dpkg-query 'for package; do :; done
		case " $ABSENT " in
		*" $package "*) echo "no such package" >&2; exit 1 ;;
		*" rc:$package "*) echo config-files ;;
		*) echo installed ;;
		esac'
}

# tool NAME TEXT: adds a command to the machine.
tool() {
	{ echo "#! /bin/sh"; echo "$2"; } >tree/bin/"$1"
	chmod 755 tree/bin/"$1"
}

# bootstrap SHELL ABSENT ARGUMENTS: runs it there, from another folder.
bootstrap() {
	shell=$1 absent=$2
	shift 2
	rm -f log/*
	(cd elsewhere && LOG=$OLDPWD/log ABSENT=$absent \
	    PATH=$OLDPWD/tree/bin exec $shell ../tree/bootstrap "$@") \
	    >out 2>err
}

# installed: the packages that it had installed, sorted.
installed() {
	sed -n 's/.* install --no-install-recommends //p' log/apt-get |
	    tr ' ' '\n' | sort
}

in_each_shell() {
	machine
	for shell in "$(command -v dash)" "$(command -v busybox) sh"; do
		"$@" "$shell" || atf_fail "in $shell"
	done
}

atf_test_case nothing_missing
nothing_missing_head() {
	atf_set descr "With all packages there, make is all that runs"
	atf_set require.progs "dash busybox"
}
nothing_missing_body() {
	in_each_shell nothing_missing_in
}
nothing_missing_in() {
	bootstrap "$1" "" -j2 "TESTS=a b" check || return
	atf_check_equal "$PWD/tree:-j2:TESTS=a b:check:" \
	    "$(cat log/make)"
	[ ! -e log/apt-get ] && [ ! -s err ]
}

atf_test_case some_missing
some_missing_head() {
	atf_set descr "Just what is missing is installed, after an update"
	atf_set require.progs "dash busybox"
}
some_missing_body() {
	in_each_shell some_missing_in
}
some_missing_in() {
	bootstrap "$1" "gcc rc:make kyua" || return
	atf_check_equal "gcc make" "$(echo $(installed))"
	atf_check_equal "update" "$(sed -n '1s/.* //p' log/apt-get)"
	atf_check_equal 2 "$(grep -c '^noninteractive .*-y' log/apt-get)"
	atf_check_equal "$PWD/tree:" "$(cat log/make)"
}

atf_test_case by_purpose
by_purpose_head() {
	atf_set descr "Tests need more than the demo, the demo more than make"
}
by_purpose_body() {
	all="gcc qemu-system-x86 busybox-static kyua clang"
	machine
	while read -r target packages; do
		bootstrap sh "$all" $target || atf_fail "$target"
		atf_check_equal "$(echo $packages | tr ' ' '\n' | sort)" \
		    "$(installed)"
	done <<-EOF
		install		gcc qemu-system-x86
		demo		gcc qemu-system-x86 busybox-static
		check		gcc qemu-system-x86 busybox-static kyua
		check-san	gcc qemu-system-x86 busybox-static kyua
		check-fuzz	gcc qemu-system-x86 clang
	EOF
}

atf_test_case sudo
sudo_head() {
	atf_set descr "Who is not root goes through sudo, for packages only"
}
sudo_body() {
	machine
	tool id 'echo 1000'
	tool sudo 'echo "$*" >>$LOG/sudo; exec "$@"'
	bootstrap sh bison || atf_fail "bootstrap failed"
	atf_check_equal bison "$(installed)"
	atf_check_equal 2 "$(wc -l <log/sudo)"
	atf_check -o ignore grep '^env DEBIAN_FRONTEND=noninteractive apt-get' \
	    log/sudo
	atf_check -s exit:1 grep make log/sudo
}

atf_test_case neither_root_nor_sudo
neither_root_nor_sudo_head() {
	atf_set descr "Without any way to install it says what to install"
}
neither_root_nor_sudo_body() {
	machine
	tool id 'echo 1000'
	rm tree/bin/sudo
	bootstrap sh "bison gcc" && atf_fail "bootstrap succeeded"
	atf_check -o ignore grep 'apt-get install gcc bison' err
	[ ! -e log/make ] || atf_fail "ran make"
	[ ! -e log/apt-get ] || atf_fail "ran apt-get"
}

atf_test_case install_fails
install_fails_head() {
	atf_set descr "Does not build with half of the packages"
}
install_fails_body() {
	machine
	tool apt-get 'exit 100'
	bootstrap sh bison && atf_fail "bootstrap succeeded"
	[ ! -e log/make ] || atf_fail "ran make"
}

atf_test_case not_debian
not_debian_head() {
	atf_set descr "Elsewhere it says what is needed, and tries"
}
not_debian_body() {
	machine
	rm tree/bin/apt-get tree/bin/dpkg-query
	for name in cc pkg-config bison rpcgen; do
		tool "$name" ''
	done
	bootstrap sh "" check || atf_fail "bootstrap failed"
	atf_check -o ignore grep "libtirpc-dev.*kyua" err
	atf_check_equal "$PWD/tree:check:" "$(cat log/make)"

	rm tree/bin/bison
	bootstrap sh "" check && atf_fail "bootstrap without bison"
	atf_check -o ignore grep "no bison" err
	[ ! -e log/make ] || atf_fail "ran make"
}

atf_init_test_cases() {
	atf_add_test_case nothing_missing
	atf_add_test_case some_missing
	atf_add_test_case by_purpose
	atf_add_test_case sudo
	atf_add_test_case neither_root_nor_sudo
	atf_add_test_case install_fails
	atf_add_test_case not_debian
}
