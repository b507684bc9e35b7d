/**
 * Passwords of the host's package sources and proxies. An address with one would be written into the image, and would
 * stand in the arguments of programs: it is taken out, and given to apt in a file of its own (apt_auth.conf(5)).
 */
import { BangerError } from '@banger/contract/errors.ts';

export type WithoutCredentials = { address: string; authLine: string | null };

/** `http://user:secret@host/debian` → the address without user and secret, and the line of auth.conf for it. */
export function takeCredentials(address: string): WithoutCredentials {
  const parts = /^([a-z][a-z0-9+.-]*:\/\/)([^/]*)@(.*)$/is.exec(address);
  if (!parts) return { address, authLine: null };
  const [, scheme, userInfo, rest] = parts as unknown as [string, string, string, string];
  const colon = userInfo.indexOf(':');
  const user = decode(colon < 0 ? userInfo : userInfo.slice(0, colon));
  const password = colon < 0 ? '' : decode(userInfo.slice(colon + 1));
  if (/\s/.test(user + password) || user === '') throw notExpressible(`${scheme}${rest}`);
  const authLine = `machine ${scheme}${rest} login ${user}${password === '' ? '' : ` password ${password}`}`;
  return { address: `${scheme}${rest}`, authLine };
}

/** `Acquire::http::Proxy "http://user:secret@host:3128";`, as apt-config prints a setting */
export function takeSettingCredentials(setting: string): { setting: string; authLine: string | null } {
  const [, key, value] = /^([\w:.-]+) "(.*)";$/s.exec(setting) as unknown as [string, string, string];
  const { address, authLine } = takeCredentials(value);
  return { setting: `${key} "${address}";`, authLine };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone percent sign stands for itself, as it does for apt
  }
}

function notExpressible(address: string): BangerError {
  return new BangerError('IMAGE_BUILD_FAILED', {
    message: `apt's source or proxy ${address} has a user or password with a space in it, or no user.`,
    hint: 'Give it another one, or put it into /etc/apt/auth.conf.d.',
  });
}
