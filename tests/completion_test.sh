# What an interactive bash completes after "qemuctl".

# typed KEYS LINE: with these keys typed, bash has this line.
typed() {
	mkdir -p bin
	cat >bin/qemuctl <<-EOF
		#! /bin/sh
		echo "\$*" >>"$PWD/calls"
		case "\$*" in
		*list\\ -an) printf 'web1\nweb2\nnew guest\nvm:a\nvm:b\n' ;;
		*) exec "$BUILDDIR/bin/qemuctl" "\$@" ;;
		esac
	EOF
	chmod 755 bin/qemuctl
	cat >rc <<-EOF
		PATH=$PWD/bin:\$PATH PS1='ready> '
		. "$SRCDIR/etc/qemuctl.bash"
		bind -x '"\C-xl": printf %s\\\\n "\$READLINE_LINE" >line; exit'
	EOF
	rm -f line
	atf_check -o ignore env INPUTRC=/dev/null /usr/bin/python3 \
	    "$SRCDIR/tests/python/on_tty.py" "ready> " "$(printf \
	    'qemuctl %b\030l' "$1")" -- bash --noprofile --rcfile rc -i
	atf_check -o inline:"qemuctl $2\n" cat line
}

# offers BEFORE WORD OFFERED: if all that there is were typed, it were this.
offers() {
	typed "$1$2\\033*" "$1$3"
}

atf_test_case commands
commands_body() {
	typed "und\t" "undefine "
	offers "" "st" "start status stop "
	offers "-j " "st" "start status stop "
	offers "help " "un" "undefine "
	offers "host " "" ""
	"$BUILDDIR/bin/qemuctl" help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p' \
	    >commands
	offers "" "" "$(tr '\n' ' ' <commands)"
}

atf_test_case options
options_body() {
	offers "" "-" "--help --version -c -h -j -r -v "
	offers "-r " "--v" "--version "
	offers "stop " "-" "-h -j -t -v -w "
	offers "list " "-" "-a -h -j -n -v "
	offers "console " "-" "-d -f -h -v "
	offers "stop -t " "" ""
	offers "stop -t 5 " "web" "web1 web2 "
	offers "monitor web1 " "-" "-"
}

atf_test_case uris
uris_body() {
	typed "-c q\te\t" "-c qemud:///session "
	typed "-c qemud:///se\t" "-c qemud:///session "
	typed "-c qemud:\ty\t" "-c qemud:///system "
	typed "-c 'qemud:///se\t" "-c 'qemud:///session' "
	typed "-rc qemud:///system sho\t" "-rc qemud:///system show "
}

atf_test_case names
names_body() {
	offers "start " "we" "web1 web2 "
	typed "start -p web1 web2 ne\t" "start -p web1 web2 new\\\\ guest "
	typed "start new\\\\ g\t" "start new\\\\ guest "
	typed "start 'new g\t" "start 'new guest' "
	typed "start vm:a vm:\ta\t" "start vm:a vm:a "

	# The cursor decides, not the end of the line.
	typed "start we 2\002\002\t1" "start web1 2"

	# The guests are those of the same daemon, asked in the same way.
	typed "-r -c qemud:///system show ne\t" \
	    "-r -c qemud:///system show new\\\\ guest "
	atf_check -o inline:"-r -c qemud:///system list -an\n" \
	    tail -n 1 calls
	typed "-c \"qemud+unix:///system?socket=/s\" show ne\t" \
	    "-c \"qemud+unix:///system?socket=/s\" show new\\\\ guest "
	atf_check -o inline:"-c qemud+unix:///system?socket=/s list -an\n" \
	    tail -n 1 calls
}

atf_test_case arguments
arguments_body() {
	offers "autostart " "we" "web1 web2 "
	offers "autostart web1 " "" "off on "
	offers "autostart web1 on " "" ""
	offers "auto web1 " "of" "off "
	offers "rename web1 " "" ""
	offers "monitor web1 " "" ""
	offers "show web1 " "" ""
}

atf_test_case files
files_body() {
	touch web.xml a:b.xml
	typed "define we\t" "define web.xml "
	typed "define a:b\t" "define a:b.xml "
	offers "version " "" ""
}

atf_init_test_cases() {
	atf_add_test_case commands
	atf_add_test_case options
	atf_add_test_case uris
	atf_add_test_case names
	atf_add_test_case arguments
	atf_add_test_case files
}
