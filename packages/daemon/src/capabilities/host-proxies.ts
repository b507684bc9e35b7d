/** Which of the owner's proxy variables a vm gets, and how they read in there. Decides only. */
const NAMES = ['http_proxy', 'https_proxy', 'ftp_proxy', 'all_proxy', 'no_proxy'];
/** What a vm reaches without a proxy */
const ALWAYS_DIRECT = ['localhost', '127.0.0.1', '::1', 'host.banger'];
/** As a line of /etc/environment, which knows no escapes */
const PLAIN = /^[!$-&(-[\]-~]{1,4096}$/;

type Plan = { variables: Record<string, string>; notes: string[] };

/**
 * Each in small and in capital letters, since programs disagree. A proxy on the host's loopback is reached only by a port
 * of `hostPorts`; another one would make the vm wait for nothing, so it is left out.
 */
export function planProxies(given: Readonly<Record<string, string>>, hostPorts: readonly number[]): Plan {
  const variables: Record<string, string> = {};
  const notes: string[] = [];
  for (const name of NAMES) {
    const value = (given[name] || given[name.toUpperCase()] || '').trim();
    if (name === 'no_proxy' || value === '') continue;
    const outcome = planProxy(name, value, hostPorts);
    if ('note' in outcome) notes.push(outcome.note);
    else give(name, outcome.value);
  }
  if (Object.keys(variables).length > 0) give('no_proxy', directHosts(given.no_proxy || given.NO_PROXY || ''));
  else if (notes.length === 0) notes.push('The daemon was started without a proxy, so the vm gets none.');
  return { variables, notes };

  function give(name: string, value: string): void {
    Object.assign(variables, { [name]: value, [name.toUpperCase()]: value });
  }
}

/** The value is not told: it may hold a password. */
function planProxy(name: string, value: string, hostPorts: readonly number[]): { value: string } | { note: string } {
  if (!PLAIN.test(value)) return { note: `${name} of the host has letters that /etc/environment cannot hold.` };
  const url = URL.parse(value.includes('://') ? value : `http://${value}`);
  if (url === null) return { note: `${name} of the host is no address, so the vm does not get it.` };
  if (!isLoopback(url.hostname)) return { value };
  const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  if (hostPorts.includes(port)) {
    const user = url.username && `${url.username}${url.password && `:${url.password}`}@`;
    return { value: `${url.protocol}//${user}host.banger:${port}` };
  }
  const key = `[network] host_ports = [${port}]`;
  return { note: `${name} names this host's loopback, which vms do not reach; with ${key} in the config they do.` };
}

function isLoopback(host: string): boolean {
  return /^(?:(?:.+\.)?localhost\.?|127(?:\.\d+){1,3}|0\.0\.0\.0|\[::1?\]|\[::ffff:7f.*\])$/i.test(host);
}

function directHosts(given: string): string {
  const hosts = given.split(/[\s,]+/).filter((host) => PLAIN.test(host));
  const all = [...new Set([...hosts, ...ALWAYS_DIRECT])].join(',');
  return hosts.includes('*') ? '*' : all;
}
