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
objects=
trap 'rm -rf "$index" "$index.lock" "$names" \${objects:+"$objects"}' EXIT
if [ "\${GIT_CONFIG_KEY_0:-}" = safe.directory ]; then
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
 * shallow commits, full or shallow, the vm's host name, a config, and two objects with attributes or nothing. As few
 * programs as will do: each costs an emulated guest a tenth of a second.
 */
const UNPACK = `${COMMON}
is=$1 base=$2 tree=$3 differs=$4 branch=$5 format=$6 shallow=$7 history=$8 host=$9
config=\${10} attributes=\${11} own=\${12}
if [ ! -e .git ]; then
  # shellcheck disable=SC2046 # an option or nothing
  git -c init.defaultBranch="\${branch:-main}" init --quiet $([ "$format" = sha1 ] || echo "--object-format=$format") .
fi
git config user.email >/dev/null || printf '[user]\\n\\tname = %s\\n\\temail = %s@%s\\n' "\${USER:-root}" "\${USER:-root}" "$host" >>.git/config
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

/**
 * Run in `/`. Arguments: the folder as "./…" or nothing, the user or nothing, the repository's name. Without a user it is
 * whose home the folder is in, or whose folder it is. Says whether there is git, whether the folder is there, the number
 * of the user, and the folder; and makes it.
 */
const PROBE = `
set -eu
path=$1 user=$2 name=$3
if command -v git >/dev/null 2>&1; then echo git; else echo no-git; fi
is_implied=
if [ -z "$user" ]; then
  is_implied=yes
  case $path in
    ./home/?*/?*)
      home=\${path#./home/} home=./home/\${home%%/*}
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
[ -n "$path" ] || path=.\${home%/}/$name
if [ ! -e "$path" ]; then is=new
elif [ ! -d "$path" ]; then is='file'
elif [ -z "$(ls -A "$path")" ]; then is=new
else is=there
fi
if [ "$is" = there ] && [ -n "$is_implied" ]; then uid=$(stat -c %u "$path"); fi
printf '%s\\n' "$is" "$uid" "$path"
if [ "$is" = new ]; then
  first=$path
  while [ ! -e "\${first%/*}" ]; do first=\${first%/*}; done
  mkdir -p -- "$path" 2>/dev/null || true
  [ "$uid" = 0 ] || chown -R "$uid:$gid" -- "$first"
fi
`;

const REMOVE = 'rm -rf -- "$1" && mkdir -p -- "$1" && { [ "$2" = 0 ] || chown "$2" -- "$1"; }';
const OWNER = 'stat -c %u -- "$1"';
const GIVE = '[ "$(stat -c %u -- "$1")" = "$2" ] || chown -R "$2" -- "$1"';

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
  /** Of the addresses of who commits in there, unless the guest's own config says */
  host: string;
  settings: Settings;
};

export const guestScripts = {
  probe: (folder: string | null, user: string, name: string) =>
    shell(PROBE, folder === null ? '' : relative(folder), user, name),
  empty: (folder: string, uid: string) => shell(REMOVE, relative(folder), uid),
  owner: (folder: string) => shell(OWNER, relative(folder)),
  give: (folder: string, uid: string) => shell(GIVE, relative(folder), uid),
  unpack: ({ is, base, tree, differs, branch, format, shallow, history, host, settings }: Unpacking) => {
    const trees = [base ?? 'none', tree, differs ? 'yes' : 'no'];
    return shell(UNPACK, is, ...trees, branch, format, shallow.join(' '), history, host, ...settingWords(settings));
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
