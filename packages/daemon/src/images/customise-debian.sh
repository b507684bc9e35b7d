#!/bin/sh
# What mmdebstrap runs over the default image before it packs it. Argument: its root.
# A machine's identity is made when it first boots, so none is baked in: no machine-id, no ssh host keys, no seed.
# The console is a log, not a terminal. A login as root needs a key.
set -eu
root="$1"
for file in machine-id fstab resolv.conf; do
  rm -f "$root/etc/$file"
  : > "$root/etc/$file"
  chmod 644 "$root/etc/$file"
done
echo sandbox > "$root/etc/hostname"
echo LANG=C.UTF-8 > "$root/etc/default/locale"
mkdir -p "$root/etc/ssh/sshd_config.d" "$root/etc/systemd/system/ssh.service.d"
cat > "$root/etc/ssh/sshd_config.d/50-banger.conf" <<END
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
END
cat > "$root/etc/systemd/system/ssh.service.d/50-banger.conf" <<END
[Service]
ExecStartPre=
ExecStartPre=/bin/sh -c 'test -s /etc/ssh/ssh_host_ed25519_key || ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key'
ExecStartPre=/usr/sbin/sshd -t
END
rm -f "$root"/etc/ssh/ssh_host_* "$root/var/lib/dbus/machine-id" "$root/var/lib/systemd/random-seed"
rm -f "$root/etc/apt/apt.conf.d/99mmdebstrap" "$root"/var/log/*.log "$root"/var/log/apt/*
# apparmor's tools are there for Docker, which loads a profile by itself; loading Debian's at boot would take seconds.
for unit in getty@tty1 serial-getty@ttyS0 systemd-firstboot systemd-networkd-wait-online apparmor; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit.service"
done
