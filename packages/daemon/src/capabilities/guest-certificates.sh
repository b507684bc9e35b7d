#!/bin/sh
# The host's CA certificates in a machine; the working folder is its root.
#   outdated <digest>  ends with 3 when these are in use; else makes way for them
#   use <digest>       makes programs know what lies there now; ends with 4 where the image cannot
set -eu
folder=usr/local/share/ca-certificates
trusted=etc/ssl/certs
in_use=$folder/banger-host.digest

# Debian's update-ca-certificates starts several programs for each of the image's 150 certificates: minutes where programs
# start slowly. Where nothing was brought before and nobody else waits to be told, it would only add what is new.
can_only_add() {
  [ ! -e $in_use ] && [ -f $trusted/ca-certificates.crt ] && [ ! -L $trusted/ca-certificates.crt ] || return 1
  [ -x usr/bin/openssl ] && [ -z "$(ls -A etc/ca-certificates/update.d 2>/dev/null)" ] || return 1
  read -r first_line <usr/sbin/update-ca-certificates && [ "$first_line" = '#!/bin/sh -e' ]
}

add() {
  echo changing >$in_use # cut off here, the next start goes through all of them
  sed -s -e "\$a\\" $trusted/ca-certificates.crt $folder/banger-host-*.crt >$trusted/ca-certificates.crt.new
  chmod 0644 $trusted/ca-certificates.crt.new
  mv -f $trusted/ca-certificates.crt.new $trusted/ca-certificates.crt
  for certificate in "$folder"/banger-host-*.crt; do
    name=${certificate##*/}
    ln -sf "/$certificate" "$trusted/${name%.crt}.pem"
  done
  usr/bin/openssl rehash $trusted >/dev/null
}

case $1 in
  outdated)
    [ "$2" != none ] || rm -f $folder/banger-host-*.crt
    [ "$(cat $in_use 2>/dev/null || echo none)" != "$2" ] || exit 3
    [ ! -e $in_use ] || echo changing >$in_use
    rm -f $folder/banger-host-*.crt $trusted/banger-host-*.pem
    ;;
  use)
    [ -x usr/sbin/update-ca-certificates ] || exit 4
    if can_only_add; then
      add
    else
      echo changing >$in_use
      usr/sbin/update-ca-certificates >/dev/null
    fi
    if [ "$2" = none ]; then rm -f $in_use; else echo "$2" >$in_use; fi
    ;;
esac
