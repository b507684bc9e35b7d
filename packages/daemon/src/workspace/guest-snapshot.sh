#!/bin/sh
# Prints who is checked out, the commit with all changes, the tree of the files and what is left out of it; then, unless it
# is only a check, the objects that are new. Arguments: what to do (check, diff or export), the import's base and tree, the
# message of a commit to make, the word that begins the first line, and how many names to print of what is left out.
# Started in the folder of the workspace.
set -eu
export GIT_TERMINAL_PROMPT=0 GIT_OPTIONAL_LOCKS=0 GIT_CEILING_DIRECTORIES="${PWD%/*}"
what=$1 base=$2 imported=$3 message=$4 word=$5 most=$6
git rev-parse --git-dir >/dev/null

# Repositories inside of this one stay out, as on the way in. One that has a commit comes to be an entry of its own in the
# index, which is what it was before, or nothing; one without any makes "git add" fail, and ls-files ends its name with a
# slash. Both print names as git quotes them, so that a line is a name.
tab=$(printf '\t')
index=$(mktemp)
names=$(mktemp)
objects=
trap 'rm -rf "$index" "$index.lock" "$names" ${objects:+"$objects"}' EXIT
if [ "${GIT_CONFIG_KEY_0:-}" = safe.directory ]; then
  # As root in a repository of somebody else's, which gets no objects that its owner could not add to
  objects=$(mktemp -d)
  known=$(git rev-parse --git-path objects)
  case $known in /*) ;; *) known=$PWD/$known ;; esac
  export GIT_ALTERNATE_OBJECT_DIRECTORIES="$known" GIT_OBJECT_DIRECTORY="$objects"
fi
in_index() { GIT_INDEX_FILE="$index" git -c core.quotePath=false -c advice.addEmbeddedRepo=false "$@"; }
cp -p "$(git rev-parse --git-path index)" "$index" 2>/dev/null || rm -f "$index"
left=
if ! in_index add --all >/dev/null 2>&1; then
  in_index add --update >&2
  in_index ls-files --others --exclude-standard >"$names"
  left=$(sed -n 's/\/\("\{0,1\}\)$/\1/p' "$names")
  sed '/\/"\{0,1\}$/d' "$names" | in_index update-index --add --stdin >&2
fi
in_index diff-index --cached --no-renames --ignore-submodules=none "$imported" >"$names"
links=$(sed -n "s/^:\([0-7]*\) 160000 \([0-9a-f]*\) [0-9a-f]* [A-Z][0-9]*\($tab.*\)/\1 \2\3/p" "$names")
if [ -n "$links" ]; then
  printf '%s\n' "$links" | in_index update-index --index-info
  left=$(printf '%s\n%s' "$left" "$links" | sed "s/^.*$tab//; /^$/d")
fi
tree=$(in_index write-tree)
head=$(git rev-parse --verify --quiet 'HEAD^{commit}') || head=none
count=0
[ -z "$left" ] || count=$(printf '%s\n' "$left" | grep -c .)

commit=$head
if [ "$what" = export ] && { [ "$tree" != "$imported" ] || [ "$head" != "$base" ]; }; then
  if [ "$head" = none ]; then commit=$(git commit-tree "$tree" -m "$message")
  elif [ "$(git rev-parse "$head^{tree}")" != "$tree" ]; then commit=$(git commit-tree "$tree" -p "$head" -m "$message")
  fi
fi

printf '%s %s %s %s %s\n' "$word" "$head" "$commit" "$tree" "$count"
[ -z "$left" ] || printf '%s\n' "$left" | head -n "$most" | cut -c 1-200
[ "$what" = check ] && exit 0
{
  echo "$tree"
  if [ "$what" = export ] && [ "$commit" != none ]; then echo "$commit"; fi
  for known in "$base" "$imported"; do
    if [ "$known" != none ] && git cat-file -e "$known" 2>/dev/null; then echo "^$known"; fi
  done
} | git -c pack.threads=2 -c core.bigFileThreshold=16m pack-objects --revs --stdout --quiet --delta-base-offset
