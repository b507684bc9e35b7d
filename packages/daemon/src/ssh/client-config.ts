/** The file that OpenSSH clients on the host include. Plain values in, text out. */
import { dirname } from 'node:path';
import { vmHost } from '@banger/contract/names.ts';
import type { BangerPaths } from '@banger/contract/paths.ts';

type ConfigParts = { folder: string; identityPath: string; commandPath: string; paths: BangerPaths };

/** Whether a vm may not know this terminal; every Debian knows these. The user's own shell runs it, which may be any. */
const UNUSUAL_TERMINAL =
  "sh -c 'case $TERM in xterm|xterm-256color|screen*|tmux*|linux|vt100|vt220|rxvt*|ansi|dumb) exit 1; esac'";

/** The first value that OpenSSH finds is the one that counts, so this holds whatever the user sets for all hosts. */
export function renderClientConfig({ folder, identityPath, commandPath, paths }: ConfigParts): string {
  const options = [
    ['User', 'root'],
    ['Port', '22'],
    ['ProxyCommand', proxyCommand(commandPath, paths)],
    ['ProxyUseFdpass', 'no'],
    ['IdentityFile', quote(identityPath)],
    ['IdentitiesOnly', 'yes'],
    ['PreferredAuthentications', 'publickey'],
    // The key of each vm is written down before the vm is asked for it.
    ['StrictHostKeyChecking', 'yes'],
    ['UserKnownHostsFile', quote(`${folder}/known_hosts/`, '%h')],
    ['GlobalKnownHostsFile', '/dev/null'],
    ['HostKeyAlgorithms', 'ssh-ed25519'],
    ['UpdateHostKeys', 'no'],
    ['VerifyHostKeyDNS', 'no'],
    ['CheckHostIP', 'no'],
    ['CanonicalizeHostname', 'no'],
    // What is in a vm is not trusted with the keys and the screen of this host; -A and -X still say otherwise.
    ['ForwardAgent', 'no'],
    ['ForwardX11', 'no'],
  ];
  return [
    '# Written by banger, again and again: your own settings for vms go into ~/.ssh/config, above its Include line.',
    `Host ${vmHost('*')}`,
    ...options.map((option) => `  ${option.join(' ')}`),
    `Match host ${vmHost('*')} exec "${UNUSUAL_TERMINAL}"`,
    '  SetEnv TERM=xterm-256color',
    '',
  ].join('\n');
}

/**
 * A shell's line. The folders are named, since an editor that calls ssh may not have the variables that the user's shell
 * has.
 */
function proxyCommand(commandPath: string, { config, state, data, cache, runtime }: BangerPaths): string {
  const folders = { XDG_CONFIG_HOME: config, XDG_STATE_HOME: state, XDG_DATA_HOME: data, XDG_CACHE_HOME: cache };
  const variables = Object.entries(folders).map(([name, path]) => `${name}=${dirname(path)}`);
  const runtimeWords = runtime.startsWith(`${state}/`)
    ? ['-u', 'XDG_RUNTIME_DIR']
    : [`XDG_RUNTIME_DIR=${dirname(runtime)}`];
  const words = ['env', ...runtimeWords, ...variables, commandPath, 'vm', 'proxy', '--quiet'];
  return `${words.map((word) => shellQuote(escapeTokens(word))).join(' ')} '%h'`;
}

/** As ssh_config reads a value; `tokens` stay as they are. */
function quote(path: string, tokens = ''): string {
  return `"${escapeTokens(path).replace(/["\\]/g, '\\$&')}${tokens}"`;
}

function escapeTokens(text: string): string {
  return text.replaceAll('%', '%%');
}

function shellQuote(word: string): string {
  return /^[\w./=:@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
