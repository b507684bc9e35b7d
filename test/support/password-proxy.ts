/** An HTTP proxy that asks for a password, in front of a mirror that does too and is nowhere else. */
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export type PasswordProxy = {
  port: number;
  /** Requests that came with both passwords, and those that did not */
  served: number;
  refused: number;
  [Symbol.dispose](): void;
};

/** `mirror` is the name that it stands for, and `source` where what it serves really comes from. */
export async function startPasswordProxy(passwords: {
  proxy: string;
  mirror: string;
  source: URL;
}): Promise<PasswordProxy> {
  const basic = (password: string) => `Basic ${Buffer.from(`me:${password}`).toString('base64')}`;
  const server = createServer((asked, answer) => {
    const { headers } = asked;
    const mayPass =
      headers['proxy-authorization'] === basic(passwords.proxy) && headers.authorization === basic(passwords.mirror);
    if (!mayPass) {
      found.refused++;
      answer.writeHead(headers['proxy-authorization'] ? 401 : 407).end();
      return;
    }
    found.served++;
    const { 'proxy-authorization': _proxy, authorization: _mirror, host: _host, ...others } = headers;
    const wanted = new URL(asked.url as string);
    const target = new URL(`${passwords.source.origin}${wanted.pathname}`);
    const forwarded = request(target, { headers: others }, (got) => {
      answer.writeHead(got.statusCode ?? 502, got.headers);
      got.pipe(answer);
    });
    forwarded.on('error', (fault) => answer.destroy(fault));
    forwarded.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const found: PasswordProxy = {
    port: (server.address() as AddressInfo).port,
    served: 0,
    refused: 0,
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  return found;
}
