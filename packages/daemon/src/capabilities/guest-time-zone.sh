#!/bin/sh
# The time zone of the host in a machine, by its name or, where the image does not know it, by what it says on stdin; the
# working folder is its root. Ends with 4 where neither helps.
set -eu
umask 022
zone=$1
if [ -n "$zone" ] && [ -f "usr/share/zoneinfo/$zone" ]; then
  ln -sfn "../usr/share/zoneinfo/$zone" etc/localtime
else
  cat >etc/localtime.banger
  if [ ! -s etc/localtime.banger ]; then rm -f etc/localtime.banger && exit 4; fi
  rm -f etc/localtime # a link would lead us to another zone's file
  mv -f etc/localtime.banger etc/localtime
fi
if [ -n "$zone" ]; then rm -f etc/timezone && echo "$zone" >etc/timezone; fi
