import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorCode } from '@banger/contract/errors.ts';
import { explainFailure, readWaiting } from './skopeo-words.ts';

const asked = { name: 'org/app:1', registry: 'registry.test:5000' };
const IMAGE = 'docker://registry.test:5000/org/app:1';
const parsing = (words: string) => `Error parsing image name \\"${IMAGE}\\": ${words}`;
const PING = 'pinging container registry registry.test:5000: Get \\"https://registry.test:5000/v2/\\": ';

/** As skopeo writes them into its line, with Go's quotes; those of 1.18 where it says it in another way. */
const samples: [code: ErrorCode, words: string][] = [
  ['IMAGE_NOT_FOUND', parsing('reading manifest 1 in registry.test:5000/org/app: manifest unknown: manifest unknown')],
  ['IMAGE_NOT_FOUND', parsing('reading manifest 1 in registry.test:5000/org/app: manifest unknown')],
  [
    'IMAGE_NOT_FOUND',
    parsing('reading manifest 1 in registry.test:5000/org/app: name unknown: repository name not known to registry'),
  ],
  [
    'REGISTRY_DENIED',
    parsing('reading manifest 1 in registry.test:5000/org/app: unauthorized: authentication required'),
  ],
  ['REGISTRY_DENIED', parsing('reading manifest 1 in registry.test:5000/org/app: denied')],
  [
    'REGISTRY_DENIED',
    parsing(
      'reading manifest 1 in docker.io/org/app: errors:\\ndenied: requested access to the resource is denied\\nunauthorized: authentication required\\n',
    ),
  ],
  ['REGISTRY_DENIED', parsing('reading manifest 1 in docker.io/org/app: requested access to the resource is denied')],
  [
    'REGISTRY_DENIED',
    parsing('unable to retrieve auth token: invalid username/password: unauthorized: incorrect username or password'),
  ],
  [
    'REGISTRY_LIMIT',
    parsing(
      'reading manifest 1 in registry.test:5000/org/app: toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating and upgrading',
    ),
  ],
  ['REGISTRY_LIMIT', parsing('pinging container registry registry.test:5000: too many requests to registry')],
  [
    'IMAGE_PLATFORM',
    `choosing an image from manifest list ${IMAGE}: no image found in image index for architecture amd64, variant \\"\\", OS linux`,
  ],
  [
    'IMAGE_MISMATCH',
    `writing blob: happened during read: Digest did not match, expected sha256:${'a'.repeat(64)}, got sha256:${'b'.repeat(64)}`,
  ],
  ['IMAGE_MISMATCH', 'writing blob: write layout/oci-put-blob2929779021: file too large'],
  ['DISK_FULL', 'writing blob: write layout/oci-put-blob652711002: no space left on device'],
  [
    'REGISTRY_FAILED',
    `reading blob sha256:${'a'.repeat(64)}: Error fetching blob: invalid status code from registry 404 (Not Found)`,
  ],
  [
    'REGISTRY_FAILED',
    parsing(
      'reading manifest 1 in registry.test:5000/org/app: received unexpected HTTP status: 500 Internal Server Error',
    ),
  ],
  ['REGISTRY_UNREACHABLE', parsing(`${PING}dial tcp 192.0.2.1:5000: connect: connection refused`)],
  ['REGISTRY_UNREACHABLE', parsing(`${PING}dial tcp: lookup registry.test on 192.0.2.53:53: no such host`)],
  ['REGISTRY_UNREACHABLE', parsing(`${PING}proxyconnect tcp: dial tcp 192.0.2.1:3128: connect: connection refused`)],
  ['REGISTRY_UNREACHABLE', parsing(`${PING}Proxy Authentication Required`)],
  ['REGISTRY_UNREACHABLE', parsing(`${PING}Forbidden`)],
  ['REGISTRY_UNREACHABLE', parsing(`${PING}dial tcp 192.0.2.1:403: i/o timeout`)],
  ['REGISTRY_UNREACHABLE', parsing('context deadline exceeded')],
  ['REGISTRY_UNTRUSTED', parsing(`${PING}x509: certificate signed by unknown authority`)],
  [
    'REGISTRY_UNTRUSTED',
    parsing(`${PING}tls: failed to verify certificate: x509: certificate signed by unknown authority`),
  ],
  ['REGISTRY_UNTRUSTED', parsing(`${PING}http: server gave HTTP response to HTTPS client`)],
  ['REGISTRY_UNTRUSTED', parsing(`${PING}tls: first record does not look like a TLS handshake`)],
  [
    'CREDENTIALS_UNREADABLE',
    parsing(
      'getting username and password: 1 error occurred:\\n\\t* error getting credentials - err: exec: \\"docker-credential-x\\": executable file not found in $PATH, out: ``\\n\\n',
    ),
  ],
  [
    'CREDENTIALS_UNREADABLE',
    parsing(
      'getting username and password: 1 error occurred:\\n\\t* reading JSON file \\"/home/me/.docker/config.json\\": unmarshaling JSON at \\"/home/me/.docker/config.json\\": unexpected end of JSON input\\n\\n',
    ),
  ],
  ['REGISTRY_UNTRUSTED', `Source image rejected: Running image ${IMAGE} is rejected by policy.`],
  ['REGISTRY_UNTRUSTED', parsing('registry registry.test:5000 is blocked in /etc/containers/registries.conf')],
  [
    'IMAGE_UNSUPPORTED',
    `initializing image from source ${IMAGE}: invalid character '<' looking for beginning of value`,
  ],
];
for (const [code, words] of samples) {
  test(`${code}: ${words.replaceAll(/.*docker:\/\/\S+ |[ab]{64}/g, '').slice(0, 90)}`, () => {
    const notes = 'time="2026-11-27T11:15:46Z" level=debug msg="GET https://registry.test:5000/v2/"\n';
    const fault = explainFailure(`${notes}time="2026-11-27T11:15:46Z" level=fatal msg="${words}"\n`, asked);
    assert.deepEqual([fault.code, fault.details?.image, fault.details?.registry], [code, asked.name, asked.registry]);
    assert.ok(fault.hint && fault.hint.length > 10);
  });
}

test('a name that reads like a fault is not taken for one', () => {
  const odd = 'docker://registry.test/denied/no-such-host:404';
  const fault = explainFailure(
    `level=fatal msg="Error parsing image name \\"${odd}\\": reading manifest 404 in registry.test/denied/no-such-host: manifest unknown"`,
    { ...asked, name: 'denied' },
  );
  assert.equal(fault.code, 'IMAGE_NOT_FOUND');
});

test('what nobody has heard yet is told as it was said, in one clean line of bounded length', () => {
  const fault = explainFailure(`level=fatal msg="odd \\u001b[2J ${'x'.repeat(10_000)}"`, asked);
  assert.equal(fault.code, 'REGISTRY_FAILED');
  assert.match(fault.message, /odd x+/);
  assert.ok(!fault.message.includes('\u001b') && fault.message.length < 500);
  assert.match(explainFailure('', asked).message, /nobody said why/);
});

test('its notes tell when a registry makes it wait', () => {
  const note = (words: string) =>
    readWaiting(`time="2026-11-27T11:16:18Z" level=debug msg="${words}"`, Date.UTC(2026, 10, 27));
  assert.deepEqual(note('Detected \'Retry-After\' header \\"3600\\"'), { is: 'told', retryAfterMs: 3_600_000 });
  assert.deepEqual(note('Detected \'Retry-After\' header \\"Fri, 27 Nov 2026 00:01:00 GMT\\"'), {
    is: 'told',
    retryAfterMs: 60_000,
  });
  assert.equal(note('Detected \'Retry-After\' header \\"soon\\"'), null);
  assert.deepEqual(note('Too many requests to https://x/v2/: sleeping for 60.000000 seconds before next attempt'), {
    is: 'waits',
    ms: 60_000,
  });
  assert.equal(note('GET https://x/v2/'), null);
});
