#!/bin/sh
# Gives a folder and all in it to a user, unless it is theirs. Arguments: the folder as "./...", the number of the user.
set -eu
[ "$(stat -c %u -- "$1")" = "$2" ] || chown -R "$2" -- "$1"
