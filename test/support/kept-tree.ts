/** A tree of all that a copy keeps, and how two of them are compared. */

/** For bash; makes the folder `tree`. */
export const KEPT_TREE = String.raw`
umask 022; mkdir -p tree/sub/empty 'tree/a b'; cd tree
echo text >sub/file; chmod 640 sub/file; ln sub/file twin; echo '#!/bin/sh' >run; chmod 755 run
echo odd >$(printf 'odd\377'); echo other >$(printf 'odd\376'); ln -s $(printf 'odd\377') oddlink
long=$(printf 'n%.0s' $(seq 200)); mkdir -p $long/$long; echo deep >$long/$long/end; ln -s $long/$long/end link
truncate -s 8M holes; printf middle | dd of=holes bs=1 seek=4194304 conv=notrunc status=none
truncate -s 1M hollow; head -c 300001 /dev/urandom >large; : >none
find . -exec touch -h -d '2020-03-03 03:03:03.25 UTC' {} +
touch -h -d '2001-01-01 01:01:01.5 UTC' link; touch -d '1960-01-01 UTC' sub/file
touch -d '1969-12-31 23:59:58.25 UTC' none; touch -d '2020-02-02 02:02:02.123456 UTC' large
chmod 555 sub/empty; touch -d '2001-01-01 UTC' sub 'a b' .; cd ..`;

/** For a shell in such a folder: names, kinds, modes, sizes, links, times to the microsecond, content, and holes. */
export const KEPT_LISTING = String.raw`export LC_ALL=C
find . -printf '%P %y %m %s %n %T@ %l\n' | sed -E 's/ d ([0-9]+) [0-9]+ / d \1 /; s/(\.[0-9]{6})[0-9]+ /\1 /' | sort | cat -v
find . -type f -exec cksum {} + | sort | cat -v
stat -c '%n %b' holes hollow | awk '{ print $1, ($2 < 100) }'`;
