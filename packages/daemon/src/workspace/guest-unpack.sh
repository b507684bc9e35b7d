#!/bin/sh
# Makes or updates a workspace of the objects on stdin, in the folder that it is started in. Arguments: new or there, base or
# none, tree, whether it differs from the base's, branch or nothing, object format, shallow commits, full or shallow, the
# vm's host name, a config, and two objects with attributes or nothing. As few programs as will do: each costs an emulated
# guest a tenth of a second.
set -eu
export GIT_TERMINAL_PROMPT=0 GIT_OPTIONAL_LOCKS=0 GIT_CEILING_DIRECTORIES="${PWD%/*}"
is=$1 base=$2 tree=$3 differs=$4 branch=$5 format=$6 shallow=$7 history=$8 host=$9
config=${10} attributes=${11} own=${12}
if [ ! -e .git ]; then
  # shellcheck disable=SC2046 # an option or nothing
  git -c init.defaultBranch="${branch:-main}" init --quiet $([ "$format" = sha1 ] || echo "--object-format=$format") .
fi
git config user.email >/dev/null || printf '[user]\n\tname = %s\n\temail = %s@%s\n' "${USER:-root}" "${USER:-root}" "$host" >>.git/config
git index-pack --stdin >/dev/null
# What says how files are compared may have changed with this: then none may be taken for compared.
if [ -n "$config$own" ] || [ -s .git/banger.config ] || [ -s .git/info/attributes ]; then rm -f .git/index; fi
if [ -n "$config" ] || [ -e .git/banger.config ]; then
  printf '%s' "$config" >.git/banger.config
  [ -z "$attributes" ] || git cat-file blob "$attributes" >.git/banger.attributes
  case $(cat .git/config) in
    *banger.config*) ;;
    *) printf '[include]\n\tpath = banger.config\n' >>.git/config ;;
  esac
fi
if [ -n "$own" ]; then
  mkdir -p .git/info
  git cat-file blob "$own" >.git/info/attributes
fi
[ "$history" = full ] && rm -f .git/shallow
if [ -n "$shallow" ]; then
  # shellcheck disable=SC2086 # ids
  { [ ! -e .git/shallow ] || cat .git/shallow; printf '%s\n' $shallow; } | sort -u >.git/shallow.banger
  mv .git/shallow.banger .git/shallow
fi
{
  echo "update refs/banger/tree $tree"
  if [ "$base" != none ]; then
    echo "update refs/banger/base $base"
    if [ -n "$branch" ]; then echo "update refs/heads/$branch $base"
    else printf 'option no-deref\nupdate HEAD %s\n' "$base"
    fi
  fi
} | git update-ref --stdin
# What is not in the index would stay beside the files of the tree. A repository without a commit cannot be added, and stays.
[ "$is" = new ] || git add --all --ignore-errors >/dev/null 2>&1 || true
if [ -n "$branch" ] && [ "$(cat .git/HEAD)" != "ref: refs/heads/$branch" ]; then
  git symbolic-ref HEAD "refs/heads/$branch"
fi
git read-tree --reset -u "$tree"
if [ "$base" = none ]; then git read-tree --empty
elif [ "$differs" = yes ]; then
  git read-tree --reset "$base"
  git update-index -q --refresh >/dev/null || true
fi
