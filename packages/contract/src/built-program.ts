/** Where our programs in Rust are. Pure: the caller hands in how to look. */

/** By the crate that each comes from */
const CRATES = { 'banger-agent': 'guest/agent', 'banger-link': 'host/link', 'banger-root': 'host/root' } as const;

/** Below `root`: beside the command where a package brought them, and in a checkout where cargo puts them. */
export function builtProgram(root: string, name: keyof typeof CRATES, isThere: (path: string) => boolean): string {
  const packaged = `${root}/bin/${name}`;
  return isThere(packaged) ? packaged : `${root}/${CRATES[name]}/target/x86_64-unknown-linux-gnu/release/${name}`;
}
