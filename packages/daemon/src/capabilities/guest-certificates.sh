#!/bin/sh
# The host's CA certificates in a machine; the working folder is its root.
#   outdated <digest>  ends with 3 when these are in use; else makes way for them
#   use <digest>       makes programs know what lies there now; ends with 4 where the image cannot
set -eu
folder=usr/local/share/ca-certificates
in_use=$folder/banger-host.digest
case $1 in
  outdated)
    [ "$2" != none ] || rm -f $folder/banger-host-*.crt
    [ "$(cat $in_use 2>/dev/null || echo none)" != "$2" ] || exit 3
    rm -f $in_use $folder/banger-host-*.crt etc/ssl/certs/banger-host-*.pem
    ;;
  use)
    [ -x usr/sbin/update-ca-certificates ] || exit 4
    usr/sbin/update-ca-certificates >/dev/null
    if [ "$2" != none ]; then echo "$2" >$in_use; fi
    ;;
esac
