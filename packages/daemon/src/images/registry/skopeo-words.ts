/**
 * What skopeo says when it fails, and what it means for who asked for an image. It has one exit code for all, so its words
 * are all there is; those that tests hold this to are in skopeo-words.test.ts, as skopeo 1.9 and 1.18 say them.
 */
import { cleanQuote } from '@banger/contract/clean-text.ts';
import { BangerError, type ErrorCode } from '@banger/contract/errors.ts';
import { formatDuration } from '@banger/contract/sizes.ts';

type Asked = {
  /** As a user knows it */
  name: string;
  registry: string;
  /** What the registry said of when to ask again, where it did */
  retryAfterMs?: number | null;
};

type Meaning = {
  words: RegExp;
  code: ErrorCode;
  says: (asked: Asked) => { message: string; hint: string; details?: Record<string, unknown> };
};

/** The first that fits counts: what is more particular stands first, and a way that is closed before who may go it. */
const MEANINGS: Meaning[] = [
  {
    words: /no space left on device|disk quota exceeded/i,
    code: 'DISK_FULL',
    says: ({ name }) => ({
      message: `The disk of the cache became full while "${name}" was fetched.`,
      hint: 'Layers that are whole are kept for the next try. "banger system prune" makes space; XDG_CACHE_HOME can point to another disk.',
    }),
  },
  {
    words:
      /Digest did not match|does not match (?:provided )?manifest digest|Size mismatch|file too large|digest mismatch/i,
    code: 'IMAGE_MISMATCH',
    says: ({ name, registry }) => ({
      message: `What ${registry} sent for "${name}" is not what its digest says: it was damaged or changed on the way.`,
      hint: 'Nothing of it was kept. Try again; if it stays so, the registry or a proxy before it is at fault.',
    }),
  },
  {
    words: /no image found in (?:manifest list|image index)/i,
    code: 'IMAGE_PLATFORM',
    says: ({ name }) => ({
      message: `"${name}" has no image for linux/amd64.`,
      hint: 'Ask its makers for one, or choose another tag.',
    }),
  },
  {
    words: /rejected by policy|Source image rejected|signature was required|no signature exists/i,
    code: 'REGISTRY_UNTRUSTED',
    says: ({ name }) => ({
      message: `This host's policy on signatures does not allow "${name}".`,
      hint: 'It is in ~/.config/containers/policy.json or /etc/containers/policy.json: containers-policy.json(5) tells how to change it.',
    }),
  },
  {
    words: /is blocked in/i,
    code: 'REGISTRY_UNTRUSTED',
    says: ({ registry }) => ({
      message: `This host blocks ${registry}.`,
      hint: 'Its registries.conf says so, in ~/.config/containers or /etc/containers.',
    }),
  },
  {
    words: /getting username and password|error getting credentials|credential helper|unmarshaling JSON at/i,
    code: 'CREDENTIALS_UNREADABLE',
    says: ({ registry }) => ({
      message: `The credentials for ${registry} could not be read.`,
      hint: 'Look at ~/.docker/config.json and the containers auth.json: each has to be JSON, and the helper that it names, docker-credential-…, has to be on your PATH and to work.',
    }),
  },
  {
    words: /server gave HTTP response to HTTPS client|first record does not look like a TLS handshake/i,
    code: 'REGISTRY_UNTRUSTED',
    says: ({ registry }) => ({
      message: `${registry} does not speak HTTPS.`,
      hint: `Where that is meant to be so, as for one of your own, say so in config.toml: [registries] insecure = ["${registry}"]`,
    }),
  },
  {
    words: /x509:|tls: |certificate/i,
    code: 'REGISTRY_UNTRUSTED',
    says: ({ registry }) => ({
      message: `This host does not trust the certificate of ${registry}.`,
      hint: `Put that of its authority into /etc/containers/certs.d/${registry}/ca.crt, or among those of the host with update-ca-certificates.`,
    }),
  },
  {
    words:
      /no such host|server misbehaving|name resolution|connection refused|connection reset|network is unreachable|no route to host|i\/o timeout|handshake timeout|proxyconnect|broken pipe|context deadline exceeded|: EOF\b|unexpected EOF|proxy authentication required|^(?:Forbidden|Bad Gateway|Service Unavailable|Gateway Timeout)$/i,
    code: 'REGISTRY_UNREACHABLE',
    says: ({ registry }) => ({
      message: `${registry} could not be reached.`,
      hint: 'Check the network, the name and the proxy. Layers that are whole are kept for the next try. "--pull never" starts from what is here.',
    }),
  },
  {
    words: /toomanyrequests|too many requests|\b429\b/i,
    code: 'REGISTRY_LIMIT',
    says: ({ name, registry, retryAfterMs = null }) => {
      const when =
        retryAfterMs === null
          ? 'It did not say for how long.'
          : `Try again in ${formatDuration(Math.max(1000, retryAfterMs))}.`;
      return {
        message: `${registry} gives no more images for now, so "${name}" was not fetched: too many were asked for from here.`,
        hint: `${when} Who is logged in may often have more: "skopeo login ${registry}".`,
        details: { retryAfterSeconds: retryAfterMs === null ? null : Math.ceil(retryAfterMs / 1000) },
      };
    },
  },
  {
    words:
      /unauthorized|authentication required|authorization failed|\bdenied\b|invalid username\/password|unable to retrieve auth token|\b40[13]\b/i,
    code: 'REGISTRY_DENIED',
    says: ({ name, registry }) => ({
      message: `${registry} does not give "${name}" to you: it is not there, or only for those whom it knows.`,
      hint: `Check the name. Log in with "skopeo login ${registry}", "docker login" or "podman login": banger uses the same credentials.`,
    }),
  },
  {
    words: /reading blob .*\b404\b|blob unknown/is,
    code: 'REGISTRY_FAILED',
    says: ({ name, registry }) => ({
      message: `${registry} has "${name}", but not all of its layers.`,
      hint: 'Its makers have to push it again.',
    }),
  },
  {
    words: /manifest unknown|name unknown|repository name not known|name invalid|not found in repository|\b404\b/i,
    code: 'IMAGE_NOT_FOUND',
    says: ({ name, registry }) => ({
      message: `${registry} has no image "${name}".`,
      hint: 'Check the name and its tag. "banger image ls" shows what is here.',
    }),
  },
  {
    words: /invalid character|no FSLayers|unsupported (?:schema|manifest|media)|unknown media type/i,
    code: 'IMAGE_UNSUPPORTED',
    says: ({ name, registry }) => ({
      message: `What ${registry} has as "${name}" is no image that banger can use.`,
      hint: 'banger takes images of Linux systems, in the formats of OCI and of Docker since 2016.',
    }),
  },
];

/** `said` is what skopeo wrote to standard error, its notes included. */
export function explainFailure(said: string, asked: Asked, cause?: unknown): BangerError {
  const words = lastWords(said);
  const found = MEANINGS.find((each) => each.words.test(words));
  const details = { image: asked.name, registry: asked.registry, said: cleanQuote(words) };
  if (!found) {
    return new BangerError('REGISTRY_FAILED', {
      message: `"${asked.name}" could not be fetched from ${asked.registry}: ${cleanQuote(words, 300) || 'nobody said why'}.`,
      hint: 'Try again; the registry may be at fault.',
      details,
      cause,
    });
  }
  const { message, hint, details: more } = found.says(asked);
  return new BangerError(found.code, { message, hint, details: { ...details, ...more }, cause });
}

/** The message of the line at which it gave up, without the name that it was given, which may look like any words. */
function lastWords(said: string): string {
  const quoted = [...said.matchAll(/level=fatal msg=("(?:[^"\\]|\\.)*")/g)].at(-1)?.[1];
  const words = quoted ? unquote(quoted) : (said.trim().split('\n').at(-1) ?? '');
  return words
    .replace(
      /(?:Error parsing image name|initializing source|initializing image from source) "?docker:\/\/\S+?"?: /g,
      '',
    )
    .replace(/(?:pinging container registry|reading manifest \S+ in) \S+: /g, '')
    .replace(/(?:Get|Head) "[^"]*": /g, '');
}

function unquote(quoted: string): string {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return quoted.slice(1, -1); // Go has more escapes than JSON
  }
}

const RETRY_AFTER = /Detected 'Retry-After' header \\?"([^"\\]{1,64})\\?"/;
const TOO_MANY = /Too many requests to .* sleeping for ([\d.]{1,12}) seconds/;

/** What one of its lines tells while it works: that the registry makes it wait, and for how long. */
export function readWaiting(
  line: string,
  nowMs: number,
): { is: 'told'; retryAfterMs: number } | { is: 'waits'; ms: number } | null {
  const told = RETRY_AFTER.exec(line)?.[1];
  if (told !== undefined) {
    const ms = /^\d+$/.test(told) ? Number(told) * 1000 : Date.parse(told) - nowMs;
    return Number.isFinite(ms) ? { is: 'told', retryAfterMs: Math.max(0, ms) } : null;
  }
  const waits = TOO_MANY.exec(line)?.[1];
  return waits === undefined ? null : { is: 'waits', ms: Number(waits) * 1000 };
}
