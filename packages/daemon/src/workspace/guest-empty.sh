#!/bin/sh
# Makes a folder anew, for who it is for. Arguments: the folder as "./...", the number of the user.
set -eu
rm -rf -- "$1"
mkdir -p -- "$1"
[ "$2" = 0 ] || chown "$2" -- "$1"
