/**
 * What runs inside the guest, as arguments for its own shell. Each starts in the folder of the workspace. Whatever they
 * print is a claim, and checked by who reads it.
 */

/** First line of what a snapshot prints: who is checked out, the commit with all changes, and the tree of the files. */
export const HEADER_WORD = 'banger-workspace';

/** More are counted, and not named */
export const MAX_LEFT_OUT_NAMES = 10;

const COMMON = `
set -eu
export GIT_TERMINAL_PROMPT=0 GIT_OPTIONAL_LOCKS=0 GIT_CEILING_DIRECTORIES="\${PWD%/*}"
`;

// Repositories inside of this one stay out, as on the way in. One that has a commit comes to be an entry of its own in
// the index, which is what it was before, or nothing; one without any makes "git add" fail, and ls-files ends its name
// with a slash. Both print names as git quotes them, so that a line is a name.
const SNAPSHOT_INDEX = `
tab=$(printf '\\t')
index=$(mktemp)
names=$(mktemp)
trap 'rm -f "$index" "$index.lock" "$names"' EXIT
in_index() { GIT_INDEX_FILE="$index" git -c core.quotePath=false -c advice.addEmbeddedRepo=false "$@"; }
cp -p "$(git rev-parse --git-path index)" "$index" 2>/dev/null || rm -f "$index"
left=
if ! in_index add --all >/dev/null 2>&1; then
  in_index add --update >&2
  in_index ls-files --others --exclude-standard >"$names"
  left=$(sed -n 's/\\/\\("\\{0,1\\}\\)$/\\1/p' "$names")
  sed '/\\/"\\{0,1\\}$/d' "$names" | in_index update-index --add --stdin >&2
fi
in_index diff-index --cached --no-renames --ignore-submodules=none "$imported" >"$names"
links=$(sed -n "s/^:\\([0-7]*\\) 160000 \\([0-9a-f]*\\) [0-9a-f]* [A-Z][0-9]*\\($tab.*\\)/\\1 \\2\\3/p" "$names")
if [ -n "$links" ]; then
  printf '%s\\n' "$links" | in_index update-index --index-info
  left=$(printf '%s\\n%s' "$left" "$links" | sed "s/^.*$tab//; /^$/d")
fi
tree=$(in_index write-tree)
head=$(git rev-parse --verify --quiet 'HEAD^{commit}') || head=none
count=0
[ -z "$left" ] || count=$(printf '%s\\n' "$left" | grep -c .)
`;

/** Arguments: what to do (check, diff or export), the import's base and tree, the message of a commit to make */
const SNAPSHOT = `${COMMON}
what=$1 base=$2 imported=$3 message=$4
git rev-parse --git-dir >/dev/null
${SNAPSHOT_INDEX}
commit=$head
if [ "$what" = export ] && { [ "$tree" != "$imported" ] || [ "$head" != "$base" ]; }; then
  if [ "$head" = none ]; then commit=$(git commit-tree "$tree" -m "$message")
  elif [ "$(git rev-parse "$head^{tree}")" != "$tree" ]; then commit=$(git commit-tree "$tree" -p "$head" -m "$message")
  fi
fi
printf '${HEADER_WORD} %s %s %s %s\\n' "$head" "$commit" "$tree" "$count"
[ -z "$left" ] || printf '%s\\n' "$left" | head -n ${MAX_LEFT_OUT_NAMES} | cut -c 1-200
[ "$what" = check ] && exit 0
{
  echo "$tree"
  if [ "$what" = export ] && [ "$commit" != none ]; then echo "$commit"; fi
  for known in "$base" "$imported"; do
    if [ "$known" != none ] && git cat-file -e "$known" 2>/dev/null; then echo "^$known"; fi
  done
} | git -c pack.threads=2 -c core.bigFileThreshold=16m pack-objects --revs --stdout --quiet --delta-base-offset
`;

/**
 * Arguments: new or there, base or none, tree, whether it differs from the base's, branch or nothing, object format,
 * shallow commits, full or shallow, an address, a config, and two objects with attributes or nothing. As few programs as
 * will do: each costs an emulated guest a tenth of a second.
 */
const UNPACK = `${COMMON}
is=$1 base=$2 tree=$3 differs=$4 branch=$5 format=$6 shallow=$7 history=$8 address=$9
config=\${10} attributes=\${11} own=\${12}
if [ ! -e .git ]; then
  # shellcheck disable=SC2046 # an option or nothing
  git -c init.defaultBranch="\${branch:-main}" init --quiet $([ "$format" = sha1 ] || echo "--object-format=$format") .
fi
git config user.email >/dev/null || printf '[user]\\n\\tname = root\\n\\temail = %s\\n' "$address" >>.git/config
git index-pack --stdin >/dev/null
if [ -n "$config" ] || [ -e .git/banger.config ]; then
  printf '%s' "$config" >.git/banger.config
  [ -z "$attributes" ] || git cat-file blob "$attributes" >.git/banger.attributes
  case $(cat .git/config) in
    *banger.config*) ;;
    *) printf '[include]\\n\\tpath = banger.config\\n' >>.git/config ;;
  esac
fi
if [ -n "$own" ]; then
  mkdir -p .git/info
  git cat-file blob "$own" >.git/info/attributes
fi
[ "$history" = full ] && rm -f .git/shallow
if [ -n "$shallow" ]; then
  # shellcheck disable=SC2086 # ids
  { [ ! -e .git/shallow ] || cat .git/shallow; printf '%s\\n' $shallow; } | sort -u >.git/shallow.banger
  mv .git/shallow.banger .git/shallow
fi
{
  echo "update refs/banger/tree $tree"
  if [ "$base" != none ]; then
    echo "update refs/banger/base $base"
    if [ -n "$branch" ]; then echo "update refs/heads/$branch $base"
    else printf 'option no-deref\\nupdate HEAD %s\\n' "$base"
    fi
  fi
} | git update-ref --stdin
# What is not in the index would stay beside the files of the tree.
[ "$is" = new ] || git add --all >/dev/null 2>&1
if [ -n "$branch" ] && [ "$(cat .git/HEAD)" != "ref: refs/heads/$branch" ]; then
  git symbolic-ref HEAD "refs/heads/$branch"
fi
git read-tree --reset -u "$tree"
if [ "$base" = none ]; then git read-tree --empty
elif [ "$differs" = yes ]; then
  git read-tree --reset "$base"
  git update-index -q --refresh >/dev/null || true
fi
`;

/** Run in `/`. Argument: the folder, without the first slash. Says whether it is there, and whether there is git. */
const PROBE = `
set -eu
if command -v git >/dev/null 2>&1; then echo git; else echo no-git; fi
if [ ! -e "$1" ]; then echo new
elif [ ! -d "$1" ]; then echo file
elif [ -z "$(ls -A "$1")" ]; then echo new
else echo there
fi
mkdir -p -- "$1" 2>/dev/null || true
`;

const REMOVE = 'rm -rf -- "$1" && mkdir -p -- "$1"';

/** What says how files are compared, beside what the guest's git knows by itself; empty where there is nothing to say */
export type Settings = {
  config: string;
  /** Objects that are sent along */
  attributes: string;
  ownAttributes: string;
};

type Unpacking = {
  /** The folder, as the probe said: new is also one with nothing in it */
  is: 'new' | 'there';
  base: string | null;
  tree: string;
  /** From the base's tree */
  differs: boolean;
  /** Empty: no branch is checked out */
  branch: string;
  format: string;
  /** Commits whose parents stay on the host */
  shallow: string[];
  history: 'shallow' | 'full';
  /** Of who commits in there, unless the guest's own config says */
  address: string;
  settings: Settings;
};

export const guestScripts = {
  probe: (folder: string) => shell(PROBE, relative(folder)),
  empty: (folder: string) => shell(REMOVE, relative(folder)),
  unpack: ({ is, base, tree, differs, branch, format, shallow, history, address, settings }: Unpacking) => {
    const trees = [base ?? 'none', tree, differs ? 'yes' : 'no'];
    return shell(UNPACK, is, ...trees, branch, format, shallow.join(' '), history, address, ...settingWords(settings));
  },
  snapshot: (what: 'check' | 'diff' | 'export', base: string | null, tree: string, message = '') =>
    shell(SNAPSHOT, what, base ?? 'none', tree, message),
};

function settingWords({ config, attributes, ownAttributes }: Settings): string[] {
  return [config, attributes, ownAttributes];
}

function shell(script: string, ...args: string[]): string[] {
  return ['sh', '-c', script, 'banger', ...args];
}

/** "." so that a name that begins with a hyphen is no option */
function relative(folder: string): string {
  return `.${folder}`;
}
