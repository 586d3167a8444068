# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2054
# bare-guest.sh VAR=VALUE...: runs QEMU for scripts/bare-vm, inside the toolchain root.
set -euo pipefail
run='' vmlinuz='' mem='' smp='' seed='' append='' timeout='' accel=''
for setting; do printf -v "${setting%%=*}" %s "${setting#*=}"; done
# shellcheck source=scripts/lib/qemu.sh
. "${BASH_SOURCE[0]%/*}/qemu.sh"

mkdir "$run/root"/{bin,dev,proc,sys}
cp /usr/bin/busybox "$run/root/bin/"
find "$run/root" -exec touch -d @0 {} +
(cd "$run/root" && find . | sort | cpio --quiet --reproducible -o -H newc -R 0:0) >"$run/initrd"

machine=(-machine "pc,memory-backend=mem" -object "memory-backend-ram,id=mem,size=$(mebibytes "$mem")M,reserve=off" -m "$(mebibytes "$mem")M"
	-nodefaults -display none -no-reboot -smp "$smp" -kernel "$vmlinuz" -initrd "$run/initrd")
case $accel in
kvm) machine+=(-accel kvm -cpu host) ;;
tcg) machine+=(-accel "tcg,thread=multi" -cpu max) ;;
*)
	# Without fast string instructions: with them, the kernel copies byte by byte as far as a count of instructions goes. Nothing
	# that the guest sees comes from the host: not the time, not the random numbers, not the moments at which timers run out.
	machine+=(-accel tcg -icount "shift=0,sleep=off" -cpu "max,fsrm=off,erms=off" -seed "$seed" -rtc "base=2026-01-01,clock=vm")
	;;
esac
channels=()
for channel in klog out err status; do channels+=(-serial "file:$run/$channel"); done
cmdline="console=ttyS0 loglevel=5 panic=-1 oops=panic init_on_alloc=0 nokaslr randomize_kstack_offset=off log_buf_len=4M"
run_qemu "$run" "$timeout" 0 "${machine[@]}" "${channels[@]}" -append "$cmdline $append"
