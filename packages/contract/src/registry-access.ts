/**
 * What of a caller's environment travels to the daemon with an image that is to be pulled: where credentials and
 * certificates are, and who may be asked for them. None of it is a secret by itself, and nothing of it is kept.
 */
export const REGISTRY_VARIABLES = [
  'DBUS_SESSION_BUS_ADDRESS',
  'DOCKER_CONFIG',
  'PATH', // where credential helpers are
  'REGISTRY_AUTH_FILE',
  'SSL_CERT_DIR',
  'SSL_CERT_FILE',
  'XDG_CONFIG_HOME',
  'XDG_RUNTIME_DIR',
] as const;

/** Those that name one file or folder each */
export const REGISTRY_PATHS: readonly RegistryVariable[] = ['DOCKER_CONFIG', 'REGISTRY_AUTH_FILE', 'SSL_CERT_FILE'];

export const MAX_REGISTRY_VARIABLE = 16 * 1024;

type RegistryVariable = (typeof REGISTRY_VARIABLES)[number];
export type RegistryAccess = Partial<Record<RegistryVariable, string>>;

/** When an image is asked of its registry: each time, where it is not here, or never. */
export const PULL_CHOICES = ['always', 'missing', 'never'] as const;
export type PullChoice = (typeof PULL_CHOICES)[number];
