# Images that lie on others.

. "$SRCDIR/tests/lib.sh"

# disk_xml IMAGE: a paused guest called as the test's process, with that disk
disk_xml() {
	guest_xml "chain-$$" "<disk type='file' device='disk'>
	    <driver name='qemu' type='qcow2'/><source file='$1'/>
	    <target dev='vda'/></disk>"
}

atf_test_case followed cleanup
followed_head() {
	atf_set descr "A chain is followed to its end, the guest reads the base"
	atf_set require.user root
	atf_set require.progs qemu-img
}
followed_body() {
	suite_system
	cd "$SYS/img" || atf_fail "no folder"
	# what the guest sees must come through all layers
	truncate -s 1M base.raw
	printf 'from the base' | dd of=base.raw conv=notrunc 2>/dev/null
	mkdir sub
	qemu-img create -q -f qcow2 -b base.raw -F raw mid.qcow2
	qemu-img create -q -f qcow2 -b ../mid.qcow2 -F qcow2 sub/top.qcow2
	cd "$OLDPWD" || atf_fail "no folder"
	disk_xml "$SYS/img/sub/top.qcow2" >a.xml
	atf_check -o ignore virsh -c "$FULL" create --paused a.xml
	atf_check -o match:'<source file=.*/img/mid.qcow2' \
	    -o match:'<source file=.*/img/base.raw' \
	    virsh -c "$FULL" dumpxml "chain-$$"
	# its output goes where QEMU's goes
	atf_check -o ignore virsh -c "$FULL" qemu-monitor-command --hmp \
	    "chain-$$" 'qemu-io disk-vda-0 "read -v 0 512"'
	wait_until grep -q 'from.the.base' "$SYS/log/chain-$$.log" ||
	    atf_fail "the guest does not see the base"
	# the layers below are QEMU's to read only
	pid=$(pgrep -f "^[^ ]*qemu-system[^ ]* -name guest=chain-$$,")
	for fd in /proc/"$pid"/fd/*; do
		case $(readlink "$fd") in
		*/mid.qcow2 | */base.raw)
			flags=$(sed -n 's/^flags:[[:space:]]*//p' \
			    "/proc/$pid/fdinfo/${fd##*/}")
			[ $((flags & 3)) -eq 0 ] || atf_fail "$fd can be written"
			;;
		esac
	done
	# and nobody else's to write as long as it runs
	atf_check -s not-exit:0 -o ignore -e match:lock \
	    qemu-io -f raw -c 'write 0 512' "$SYS/img/base.raw"
}
followed_cleanup() {
	suite_stop
}

atf_test_case refused cleanup
refused_head() {
	atf_set descr "What a header says opens nothing that XML could not"
	atf_set require.user root
	atf_set require.progs qemu-img
}
refused_body() {
	suite_system
	img=$SYS/img
	truncate -s 1M "$PWD/outside.raw"
	qemu-img create -q -f qcow2 -b "$PWD/outside.raw" -F raw "$img/out.qcow2"
	qemu-img create -q -f qcow2 -b ../../outside.raw -F raw "$img/up.qcow2"
	ln -s "$PWD/outside.raw" "$img/link.raw"
	qemu-img create -q -f qcow2 -b link.raw -F raw "$img/link.qcow2"
	mkfifo "$img/fifo"
	truncate -s 1M "$img/x.raw"
	qemu-img create -q -f qcow2 -b x.raw -F raw "$img/fifo.qcow2"
	qemu-img rebase -q -u -b fifo -F raw "$img/fifo.qcow2"
	qemu-img create -q -f qcow2 -b x.raw -F raw "$img/loop.qcow2"
	qemu-img rebase -q -u -b loop.qcow2 -F qcow2 "$img/loop.qcow2"
	qemu-img create -q -f qcow2 -b x.raw -F raw "$img/gone.qcow2"
	qemu-img rebase -q -u -b gone.raw -F raw "$img/gone.qcow2"
	qemu-img create -q -f qcow2 -o "data_file=$img/data.raw" \
	    "$img/data.qcow2" 1M
	while read -r image why; do
		disk_xml "$img/$image" >a.xml
		atf_check -s exit:1 -o ignore -e match:"$why" \
		    virsh -c "$FULL" create --paused a.xml
		atf_check -s exit:1 -o ignore -e ignore \
		    virsh -c "$FULL" domstate "chain-$$"
	done <<-EOF
	out.qcow2 no "files in" line
	up.qcow2 no "files in" line
	link.qcow2 symbolic link
	fifo.qcow2 neither a regular file nor a block device
	loop.qcow2 its own backing file
	gone.qcow2 No such file
	data.qcow2 keeps its data in another file
	x.raw not a qcow2 image
	EOF
}
refused_cleanup() {
	suite_stop
}

atf_init_test_cases() {
	atf_add_test_case followed
	atf_add_test_case refused
}
