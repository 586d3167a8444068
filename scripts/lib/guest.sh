# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2054
# guest.sh VAR=VALUE...: runs QEMU, inside the toolchain root; called by scripts/vm with all the settings. Everything that passes
# between host and guest lies in the directory $run.
set -euo pipefail
run='' vmlinuz='' kernel='' smp='' mem='' numa='' memoryless='' icount='' append='' leaks='' timeout='' boot='' accel=''
for setting; do printf -v "${setting%%=*}" %s "${setting#*=}"; done

# shellcheck source=scripts/lib/qemu.sh
. "${BASH_SOURCE[0]%/*}/qemu.sh"
mem=$(mebibytes "$mem")

# The guest's root: this one, through virtiofsd.
/usr/libexec/virtiofsd --socket-path="$run/fs" --shared-dir=/ --sandbox=none --inode-file-handles=never --no-announce-submounts --rlimit-nofile=16384 \
	--log-level=error 2>"$run/virtiofsd.log" &

machine=(-machine pc -nodefaults -display none -no-reboot -m "${mem}M" -smp "$smp" -kernel "$vmlinuz")
# A device that another process serves wants memory that both can see.
filled=$((numa - memoryless))
for ((node = 0; node < filled; node++)); do
	part=$((mem / filled + (node ? 0 : mem % filled)))
	machine+=(-object "memory-backend-memfd,id=mem$node,size=${part}M,share=on")
done
if ((numa == 1)); then
	machine+=(-machine memory-backend=mem0)
else
	for ((node = 0; node < numa; node++)); do machine+=(-numa "node,nodeid=$node$( ((node >= filled)) || echo ",memdev=mem$node")"); done
	for ((n = 0; n < smp; n++)); do machine+=(-numa "cpu,node-id=$((n * numa / smp)),socket-id=$n"); done
	machine+=(-smp "$smp,sockets=$smp,cores=1,threads=1")
fi
# The debug kernel with page tables of five levels: KASAN reports the kernel's own start, and then nothing more.
cpu=max
[[ $kernel != debug ]] || cpu=max,la57=off
if [[ $icount ]]; then
	machine+=(-accel tcg -icount "shift=0,sleep=off" -cpu "$cpu")
elif [[ $accel == kvm ]]; then
	machine+=(-accel kvm -cpu host)
else
	machine+=(-accel "tcg,thread=multi" -cpu "$cpu")
fi

# Serial port: the kernel log. Ports of the virtual console: output, errors, exit status, signs of life.
# The file system has an interrupt that stays until it is served, and no vectors: those go with a CPU that goes, and now and then the word
# that a request is done was lost then. All of the guest waited for files from there on, and nothing said so.
channels=(-serial "file:$run/klog" -device virtio-serial-pci
	-chardev "file,id=out,path=$run/out" -device virtserialport,chardev=out,nr=1,name=out
	-chardev "file,id=err,path=$run/err" -device virtserialport,chardev=err,nr=2,name=err
	-chardev "file,id=status,path=$run/status" -device virtserialport,chardev=status,nr=3,name=status
	-chardev "file,id=beat,path=$run/beat" -device virtserialport,chardev=beat,nr=4,name=beat
	-chardev "socket,id=fs,path=$run/fs" -device vhost-user-fs-pci,chardev=fs,tag=quarry-root,vectors=0)
if [[ -e $run/interactive ]]; then
	channels+=(-device virtio-serial-pci -chardev stdio,id=shell,signal=off -device virtconsole,chardev=shell)
fi

# In kernels that have KUnit, suites of modules run when they are loaded.
cmdline="kunit.enable=1 kunit.autorun=1 console=ttyS0 loglevel=5 panic=-1 oops=panic rootfstype=virtiofs root=quarry-root rw init=$QUARRY_TREE/scripts/lib/init"
cmdline+=" hostname=quarry rcupdate.rcu_cpu_stall_timeout=120 watchdog_thresh=60 unknown_nmi_panic panic_print=0x45 QUARRY_RUN=$run"
# Devices interrupt the CPU that never goes, for the same reason.
cmdline+=" irqaffinity=0"
# virtiofsd writes files into the guest's pages behind the back of TCG, which would go on to run what it has translated of their old
# contents. A page that the guest clears when it allocates it, TCG knows to be new. Debian's kernel does so anyway.
cmdline+=" init_on_alloc=1"
if [[ $kernel == debug ]]; then cmdline+=$([[ $leaks ]] && echo ' QUARRY_LEAKS=1' || echo ' kmemleak=off'); fi

for ((i = 0; i < 100; i++)); do
	[[ ! -S $run/fs ]] || break
	sleep 0.05
done
run_qemu "$run" "$timeout" "$boot" "${machine[@]}" "${channels[@]}" -append "$cmdline $append"
