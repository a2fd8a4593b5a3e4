# The guest that other tests boot does what they rely on.

# boot ARGUMENT ...: starts QEMU with it.  Its console can be written to on
# descriptor 3 and is kept in the file console; descriptor 4 is the monitor.
boot() {
	mkfifo console.in console.out monitor
	cat console.out >console &
	timeout 200 qemu-system-x86_64 -accel tcg -m 96 -nodefaults \
	    -no-user-config -display none -no-reboot \
	    -kernel "$BUILDDIR/guest/vmlinuz" \
	    -initrd "$BUILDDIR/guest/initrd" \
	    -append "$(cat "$BUILDDIR/guest/cmdline")" \
	    -chardev pipe,id=console,path=console -serial chardev:console \
	    -monitor stdio "$@" <monitor >monitor.log 2>&1 &
	qemu=$!
	exec 4>monitor 3>console.in
	said "qemud test guest: up"
}

# said TEXT: waits until the console has said a line with this; fails when QEMU
# ends before.
said() {
	timeout 100 tail -c +1 -f --pid=$qemu console | grep -qm 1 "$1" || {
		cat console monitor.log >&2
		atf_fail "the guest did not say \"$1\""
	}
}

# run COMMAND TEXT: types it into the guest's shell, which answers with TEXT.
run() {
	echo "$1" >&3
	said "$2"
}

atf_test_case power_button
power_button_head() {
	atf_set descr "It drives virtio devices and turns itself off"
	atf_set require.progs qemu-system-x86_64
}
power_button_body() {
	truncate -s 3M disk later
	boot -machine q35 -drive if=virtio,file=disk,format=raw \
	    -nic user,model=virtio-net-pci,mac=52:54:00:00:00:77 \
	    -device pcie-root-port,id=rp -device virtio-balloon \
	    -drive if=none,id=later,file=later,format=raw
	run 'cat /sys/block/vda/size' '^6144'
	run 'cat /sys/class/net/eth0/address' '^52:54:00:00:00:77'

	echo device_add virtio-blk-pci,drive=later,bus=rp,id=later >&4
	run 'until [ -e /dev/vdb ]; do :; done; echo came $((1 + 1))' 'came 2'

	echo system_powerdown >&4
	said "qemud test guest: power button"
	wait $qemu || atf_fail "QEMU failed"
}

atf_test_case shell
shell_head() {
	atf_set descr "It drives old devices; its shell ends it, too"
	atf_set require.progs qemu-system-x86_64
}
shell_body() {
	truncate -s 3M disk
	boot -machine pc -drive if=ide,file=disk,format=raw \
	    -drive if=ide,media=cdrom
	run 'until [ -e /sys/block/sr0 ]; do :; done; echo cd $((1 + 1))' 'cd 2'
	run 'cat /sys/block/sda/size' '^6144'
	echo poweroff >&3
	wait $qemu || atf_fail "QEMU failed"
}

atf_test_case reboot
reboot_head() {
	atf_set descr "It can be rebooted from its shell"
	atf_set require.progs qemu-system-x86_64
}
reboot_body() {
	boot -machine q35 -action reboot=reset -action shutdown=poweroff
	: >console
	echo reboot >&3
	said "qemud test guest: up"
	echo quit >&4
	wait $qemu || atf_fail "QEMU failed"
}

atf_init_test_cases() {
	atf_add_test_case power_button
	atf_add_test_case shell
	atf_add_test_case reboot
}
