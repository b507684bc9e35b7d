#!/bin/sh
# Run in `/`. Arguments: the folder as "./..." or nothing, the user or nothing, the repository's name, the image's user or
# nothing. Without a user it is whose home the folder is in, or whose folder it is, else the image's. Says whether there is git, whether the folder is there, the number
# of the user, and the folder; and makes it.
set -eu
path=$1 user=$2 name=$3 implied=$4
if command -v git >/dev/null 2>&1; then echo git; else echo no-git; fi
is_implied=
if [ -z "$user" ]; then
  is_implied=yes user=$implied
  case $path in
    ./home/?*/?*)
      home=${path#./home/} home=./home/${home%%/*}
      [ ! -d "$home" ] || user=$(stat -c %u "$home") ;;
  esac
fi
uid=0 gid=0 home=/root
if [ -n "$user" ] && [ "$user" != root ] && [ "$user" != 0 ]; then
  uid=
  while IFS=: read -r login _ id group _ folder _; do
    if [ "$login" = "$user" ] || [ "$id" = "$user" ]; then uid=$id gid=$group home=$folder && break; fi
  done </etc/passwd
  if [ -z "$uid" ]; then
    case $user in *[!0-9]*) echo no-user && exit 0 ;; esac
    uid=$user gid=$user home=/
  fi
fi
[ -n "$path" ] || path=.${home%/}/$name
if [ ! -e "$path" ]; then is=new
elif [ ! -d "$path" ]; then is='file'
elif [ -z "$(ls -A "$path")" ]; then is=new
else is=there
fi
if [ "$is" = there ] && [ -n "$is_implied" ]; then uid=$(stat -c %u "$path"); fi
printf '%s\n' "$is" "$uid" "$path"
if [ "$is" = new ]; then
  first=$path
  while [ ! -e "${first%/*}" ]; do first=${first%/*}; done
  mkdir -p -- "$path" 2>/dev/null || true
  [ "$uid" = 0 ] || chown -R "$uid:$gid" -- "$first"
fi
