# What "make install" leaves behind.

# The same as the build has, by its folders.
programs() {
	(cd "$BUILDDIR" && find bin sbin libexec -type f | sort)
}

# put [VARIABLE=value ...]: what make install does, into $dest.
put() {
	(cd "$SRCDIR" && env B="$BUILDDIR" PROGRAMS="$(programs)" \
	    DESTDIR="$dest" PREFIX=/usr/local LIBDIR=/usr/local/lib \
	    SYSCONFDIR=/etc LOCALSTATEDIR=/var RUNDIR=/run VERSION=0.0.0 \
	    "$@" sh etc/install)
}

# Each of these variables is somewhere else, none a part of another.
elsewhere="PREFIX=/opt/q LIBDIR=/opt/q/lib/arch SYSCONFDIR=/conf
    LOCALSTATEDIR=/data RUNDIR=/volatile"

atf_test_case destdir
destdir_head() {
	atf_set descr "Everything is there, below DESTDIR, and nothing else"
}
destdir_body() {
	dest=$PWD/dest
	put >out || atf_fail "etc/install failed"
	{
		programs | sed 's,^,/usr/local/,'
		(cd "$SRCDIR" && ls -d */*.[1-8]) | grep -v ^imsg/ |
		    sed 's,.*/\(.*\.\([1-8]\)\)$,/usr/local/share/man/man\2/\1,'
		(cd "$SRCDIR/etc" && ls | sed -n 's/\.bash$//p') |
		    sed 's,^,/usr/local/share/bash-completion/completions/,'
		if [ -e "$SRCDIR/client/libqemud.map" ]; then
			cat <<-EOF
				/usr/local/include/qemud.h
				/usr/local/lib/libqemud.so
				/usr/local/lib/libqemud.so.0
				/usr/local/lib/pkgconfig/libqemud.pc
			EOF
		fi
		cat <<-EOF
			/etc/qemud/qemud.conf
			/usr/local/lib/systemd/system/qemud.service
			/usr/local/lib/sysusers.d/qemud.conf
			/usr/local/lib/tmpfiles.d/qemud.conf
			/usr/local/share/qemud/libvirt.conf
		EOF
	} | sort >expected
	(cd dest && find . ! -type d) | sed 's,^\.,,' | sort >found
	atf_check diff expected found
	atf_check find dest -type d ! -perm 755 -o -type f ! -perm 644 \
	    ! -path '*/*bin/*' ! -path '*/libexec/*'
	for program in $(programs); do
		atf_check cmp "$BUILDDIR/$program" "dest/usr/local/$program"
		atf_check test -x "dest/usr/local/$program"
	done
}

atf_test_case paths
paths_head() {
	atf_set descr "No file speaks of a default path that was changed"
}
paths_body() {
	dest=$PWD/dest
	put $elsewhere >out || atf_fail "etc/install failed"
	atf_check -o inline:"conf\nopt\n" ls dest
	start='(^|[^[:alnum:]/_.-])'
	atf_check -s exit:1 grep -rEI --exclude-dir=bin --exclude-dir=sbin \
	    "$start(/usr/local|/etc/qemud|/var/l[io][bg]/qemud|/run/qemud)" \
	    dest

	unit=dest/opt/q/lib/systemd/system/qemud.service
	atf_check -o inline:"ExecStart=/opt/q/sbin/qemud-parent\n" \
	    grep ^ExecStart= $unit
	atf_check -o inline:"PIDFile=/volatile/qemud/lock\n" \
	    grep ^PIDFile= $unit
	atf_check -o match:'socket=/volatile/qemud/qemud-ro"' \
	    cat dest/opt/q/share/qemud/libvirt.conf
	atf_check -o match:'^d /data/lib/qemud ' \
	    cat dest/opt/q/lib/tmpfiles.d/qemud.conf
	atf_check -o match:'"/conf/qemud.d"' cat dest/conf/qemud/qemud.conf
}

atf_test_case configuration
configuration_head() {
	atf_set descr "A configuration that is there stays as it is"
}
configuration_body() {
	dest=$PWD/dest
	conf=dest/etc/qemud/qemud.conf
	put >out || atf_fail "etc/install failed"
	put >out || atf_fail "etc/install failed again"
	atf_check -s exit:1 test -e $conf.new
	atf_check test ! -s out

	cp $conf fresh
	echo "# mine" >>$conf
	cp $conf mine
	put >out || atf_fail "etc/install failed with a configuration"
	atf_check cmp $conf mine
	atf_check cmp $conf.new fresh
	atf_check -o ignore grep "qemud.conf.new" out
}

atf_test_case runs cleanup
runs_head() {
	atf_set descr "What is installed runs, and finds its other programs"
	atf_set require.progs virsh
	atf_set timeout 60
}
# children PID: the names of the programs that its children run.
children() {
	for child in $(cat "/proc/$1/task/$1/children"); do
		cat "/proc/$child/comm"
	done
}
runs_body() {
	dest=$PWD/dest
	put >out || atf_fail "etc/install failed"
	mv dest/usr/local moved
	unset XDG_RUNTIME_DIR XDG_CONFIG_HOME
	run=$HOME/.qemud.d/run
	atf_check "$PWD/moved/sbin/qemud-parent" -S
	atf_check -o match:"Running hypervisor: QEMU" \
	    virsh -c "qemu+unix:///session?socket=$run/qemud" version
	pid=$(cat "$run/lock")
	for name in monitord netd qemud; do
		until children "$pid" | grep -qx "$name"; do
			sleep 0.1
		done
	done
	kill "$pid"
	atf_check timeout 60 tail --pid="$pid" -f /dev/null
	[ ! -e "$run/qemud" ] || atf_fail "left a socket behind"
}
runs_cleanup() {
	pid=$(cat .qemud.d/run/lock 2>/dev/null)
	[ -z "$pid" ] || kill "$pid" 2>/dev/null || :
}

atf_test_case library
library_head() {
	atf_set descr "A program is built with libqemud as pkg-config says"
}
library_body() {
	[ -z "${SANITIZED:-}" ] ||
	    atf_skip "a build with sanitizers is not for use"
	dest=$PWD/dest
	put >out || atf_fail "etc/install failed"
	cat >program.c <<-\EOF
		#include <qemud.h>
		#include <stdio.h>

		int
		main(void)
		{
			puts(qemud_state_text(QEMUD_RUNNING));
			return (0);
		}
	EOF
	export PKG_CONFIG_SYSROOT_DIR="$dest"
	export PKG_CONFIG_LIBDIR="$dest/usr/local/lib/pkgconfig"
	atf_check cc -std=c99 -pedantic -Wall -Wextra -Werror -o program \
	    program.c $(pkg-config --cflags --libs libqemud)
	atf_check -o inline:"running\n" \
	    env LD_LIBRARY_PATH="$dest/usr/local/lib" ./program

	# Its own names, and no others that could meet the program's.
	nm -D --defined-only "$dest/usr/local/lib/libqemud.so" >symbols
	atf_check -o ignore grep ' qemud_open' symbols
	atf_check -s exit:1 grep -v -e ' qemud_' -e ' QEMUD_' symbols
}

# machine NAME ...: commands that only write down how they were called.
machine() {
	mkdir bin
	for name in "$@"; do
		{
			echo '#! /bin/sh'
			echo "echo \"$name \$*\" >>'$PWD/log'"
			case $name in
			id)	echo 'echo 0' ;;
			getent)	echo '[ "$2" = _qemudro ]' ;;
			esac
		} >bin/"$name"
	done
	chmod 755 bin/*
}

atf_test_case system_users
system_users_head() {
	atf_set descr "Root gets the system users, where systemd makes them"
}
system_users_body() {
	dest=
	machine id systemd-sysusers systemd-tmpfiles systemctl ldconfig
	put PATH="$PWD/bin:$PATH" PREFIX="$PWD/usr" LIBDIR="$PWD/usr/lib" \
	    SYSCONFDIR="$PWD/etc" >out || atf_fail "etc/install failed"
	atf_check -o ignore \
	    grep "^systemd-sysusers $PWD/usr/lib/sysusers.d/qemud.conf$" log

	# What a packager does is not the machine's business.
	: >log
	put PATH="$PWD/bin:$PATH" DESTDIR="$PWD/dest" >out ||
	    atf_fail "etc/install failed"
	atf_check -s exit:1 grep -v ^id log
}

atf_test_case system_users_without_systemd
system_users_without_systemd_head() {
	atf_set descr "Root gets the system users, without systemd"
}
system_users_without_systemd_body() {
	dest=
	machine id useradd getent systemd-tmpfiles systemctl ldconfig
	for name in sh env cat sed dirname chmod mv cmp ln install rm; do
		ln -s "$(command -v $name)" bin/$name
	done
	put PATH="$PWD/bin" PREFIX="$PWD/usr" LIBDIR="$PWD/usr/lib" \
	    SYSCONFDIR="$PWD/etc" >out || atf_fail "etc/install failed"
	# All but the one that is there.
	sed -n 's/^useradd -r .* //p' log | sort >added
	atf_check -o inline:"_qemud\n_qemudlaunch\n_qemudmon\n_qemudnet\n" \
	    cat added
}

atf_test_case systemd
systemd_head() {
	atf_set descr "systemd understands the unit and makes the users"
	atf_set require.progs "systemd-sysusers systemd-analyze"
}
systemd_body() {
	dest=$PWD/dest
	put >out || atf_fail "etc/install failed"
	lib=$dest/usr/local/lib
	# The program and the manual pages are not where the unit says yet.
	sed "s,/usr/local/sbin,$dest&,; /^Documentation=/d" \
	    "$lib/systemd/system/qemud.service" >qemud.service
	atf_check systemd-analyze --man=no verify "$PWD/qemud.service"

	mkdir -p root/etc
	atf_check -o ignore -e not-match:qemud.conf \
	    systemd-sysusers --root="$PWD/root" "$lib/sysusers.d/qemud.conf"
	for user in _qemud _qemudnet _qemudro _qemudlaunch _qemudmon; do
		atf_check -o match:":/nonexistent:/usr/sbin/nologin$" \
		    grep "^$user:" root/etc/passwd
		atf_check -o ignore grep "^$user:" root/etc/group
	done
	# as many as the parent wants
	atf_check -o inline:"5\n" grep -c ^_qemud root/etc/passwd
}

atf_init_test_cases() {
	atf_add_test_case destdir
	atf_add_test_case paths
	atf_add_test_case configuration
	atf_add_test_case runs
	atf_add_test_case library
	atf_add_test_case systemd
	atf_add_test_case system_users
	atf_add_test_case system_users_without_systemd
}
