#!/bin/sh
# Variables of the host, as lines on stdin, in a machine's /etc/environment in place of those that came before; the working
# folder is its root. They come first, so that what the machine itself says there counts.
set -eu
umask 022
mark='# from the host, by banger'
file=etc/environment
while read -r line; do printf '%s\n%s\n' "$mark" "$line"; done >$file.banger
[ ! -f $file ] || sed "/^$mark\$/{N;d;}" $file >>$file.banger
if [ -f $file ] || [ -s $file.banger ]; then mv -f $file.banger $file; else rm -f $file.banger; fi
