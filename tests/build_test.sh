# What GNUmakefile promises: nothing is made twice, and what depends on
# something that changed is made again.

# tree: three files that stand for a source tree.  The program says what it
# was made of.
tree() {
	mkdir -p tree/imsg tree/parent
	cp "$SRCDIR/GNUmakefile" tree
	cat >tree/imsg/msg.x <<-\EOF
		const ANSWER = 42;
		struct msg_none { int none; };
	EOF
	cat >tree/parent/parent.h <<-\EOF
		#define COLOUR "red"
	EOF
	cat >tree/parent/parent.c <<-\EOF
		#include <stdio.h>
		#include "imsg/msg.h"
		#include "parent/parent.h"
		#include "paths.h"

		int
		main(void)
		{
			printf("%s %d %s %d\n", COLOUR, ANSWER, SYSCONFDIR,
		#ifdef EXTRA
			    1);
		#else
			    0);
		#endif
			return (0);
		}
	EOF
}

# built WORDS [ARGUMENT ...]: after make with these arguments the program says
# this, and there is nothing left to do.
built() {
	words=$1
	shift
	atf_check -o ignore make -C tree "$@"
	atf_check -o inline:"$words\n" tree/build/sbin/qemud-parent
	atf_check -o ignore make -C tree -q "$@"
}

atf_test_case again
again_head() {
	atf_set descr "What changed is made again, and nothing else"
}
again_body() {
	tree
	built "red 42 /etc 0"
	atf_check -o match:"Nothing to be done" make -C tree

	sed -i s/red/blue/ tree/parent/parent.h
	built "blue 42 /etc 0"
	sed -i s/42/43/ tree/imsg/msg.x
	built "blue 43 /etc 0"
}

atf_test_case variables
variables_head() {
	atf_set descr "Other paths and flags are a reason to make it again"
}
variables_body() {
	tree
	built "red 42 /etc 0"
	built "red 42 /tmp/etc 0" SYSCONFDIR=/tmp/etc
	built "red 42 /etc 0"
	# Where programs are is found at run time.
	atf_check -o ignore make -C tree -q PREFIX=/tmp/usr
	built "red 42 /etc 1" CFLAGS="-O1 -DEXTRA='1'"
	built "red 42 /etc 0"
	# An existing build is as good as one with WERROR=1.
	atf_check -o ignore make -C tree -q WERROR=1
}

atf_test_case warnings
warnings_head() {
	atf_set descr "WERROR=1 refuses what only warns without"
}
warnings_body() {
	tree
	sed -i 's/return/int unused; return/' tree/parent/parent.c
	atf_check -s exit:2 -o ignore -e match:"Werror" \
	    make -C tree WERROR=1
	atf_check -o ignore -e match:"warning: unused" make -C tree
}

atf_test_case elsewhere
elsewhere_head() {
	atf_set descr "B=DIR leaves the source tree as it is; so does make clean"
}
elsewhere_body() {
	tree
	(cd tree && find .) | sort >before
	atf_check -o ignore make -C tree B="$PWD/out"
	atf_check -o inline:"red 42 /etc 0\n" out/sbin/qemud-parent
	(cd tree && find .) | sort >after
	atf_check cmp before after

	atf_check -o ignore make -C tree -j2
	atf_check -o ignore make -C tree clean
	(cd tree && find .) | sort >after
	atf_check cmp before after
}

atf_test_case sanitizers
sanitizers_head() {
	atf_set descr "SAN=1 finds an overflow, in a build of its own"
}
sanitizers_body() {
	tree
	sed -i 's/return/char *volatile p = malloc(9); p[9] = 1; return/
	    1i #include <stdlib.h>' tree/parent/parent.c
	atf_check -o ignore make -C tree SAN=1 CFLAGS=-O0
	atf_check -s not-exit:0 -o ignore -e match:"heap-buffer-overflow" \
	    tree/build-san/sbin/qemud-parent
	[ ! -e tree/build ] || atf_fail "a build without sanitizers"
}

atf_test_case install
install_head() {
	atf_set descr "make install hands on where everything goes"
}
install_body() {
	tree
	mkdir tree/etc
	cat >tree/etc/install <<-\EOF
		test -x "$B/sbin/qemud-parent" || exit 1
		echo "$PROGRAMS $DESTDIR $PREFIX $LIBDIR $SYSCONFDIR"
		echo "$LOCALSTATEDIR $RUNDIR ${VERSION:?}" | sed 's/ [^ ]*$//'
	EOF
	atf_check -o save:out make -C tree install DESTDIR=/d PREFIX=/p
	atf_check -o ignore grep "^sbin/qemud-parent /d /p /p/lib /etc$" out
	atf_check -o ignore grep "^/var /run$" out
	atf_check -o save:out make -C tree install LIBDIR=/l SYSCONFDIR=/e \
	    LOCALSTATEDIR=/v RUNDIR=/r
	atf_check -o ignore grep "^sbin/qemud-parent  /usr/local /l /e$" out
	atf_check -o ignore grep "^/v /r$" out
}

atf_init_test_cases() {
	atf_add_test_case again
	atf_add_test_case variables
	atf_add_test_case warnings
	atf_add_test_case elsewhere
	atf_add_test_case sanitizers
	atf_add_test_case install
}
