# libqemud as others get it: the shared library and its header.

atf_test_case symbols
symbols_head() {
	atf_set descr "It exports what the header declares, and nothing else"
	atf_set require.progs nm
}
symbols_body() {
	sed 's/^ \*.*//' "$SRCDIR/client/qemud.h" |
	    grep -o '\<qemud_[a-z_]*(' | tr -d '(' | sort -u >declared
	nm -D --defined-only "$BUILDDIR/lib/libqemud.so" |
	    sed -n 's/.* T \([a-z_]*\).*/\1/p' | sort -u >exported
	atf_check diff declared exported
}

atf_test_case header
header_head() {
	atf_set descr "Its header stands alone, in C and in C++"
	atf_set require.progs gcc g++
}
header_body() {
	printf '#include <qemud.h>\n' | tee a.cc >a.c
	cp "$SRCDIR/client/qemud.h" .
	atf_check gcc -std=c99 -Wall -Wextra -Wstrict-prototypes -Werror \
	    -pedantic -I. -fsyntax-only a.c
	atf_check g++ -Wall -Wextra -Werror -I. -fsyntax-only a.cc
}

atf_test_case program
program_head() {
	atf_set descr "A program links it, and says why it cannot connect"
	atf_set require.progs gcc
}
program_body() {
	[ -z "${SANITIZED:-}" ] || atf_skip "the library has sanitizers"
	cat >a.c <<-\EOF
		#include <err.h>
		#include <qemud.h>
		#include <stdio.h>

		int
		main(int argc, char *argv[])
		{
			const struct qemud_reply	*r;
			struct qemud_call		*c;
			struct qemud			*q;

			if ((q = qemud_open(argv[1], 0)) == NULL)
				err(2, NULL);
			c = qemud_guest_list(q, QEMUD_LIST_ACTIVE, NULL, NULL);
			r = qemud_wait(c, 5000);
			if (r->error != NULL)
				printf("%d: %s\n", r->error->code,
				    r->error->text);
			qemud_call_free(c);
			qemud_close(q);
			return (0);
		}
	EOF
	cp "$SRCDIR/client/qemud.h" .
	# lib/libqemud.so is a link to what its name says at run time
	atf_check gcc -o a -I. a.c -L"$BUILDDIR/lib" -lqemud
	atf_check -o match:"^5: cannot connect to qemud:///system: No such" \
	    env LD_LIBRARY_PATH="$BUILDDIR/lib" \
	    ./a "qemud:///system?socket=$PWD/sock"
}

atf_init_test_cases() {
	atf_add_test_case symbols
	atf_add_test_case header
	atf_add_test_case program
}
