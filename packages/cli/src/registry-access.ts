/** What of the caller's environment the daemon needs where an image may come from a registry. */
import { REGISTRY_PATHS, REGISTRY_VARIABLES, type RegistryAccess } from '@banger/contract/registry-access.ts';
import type { Cli } from './cli.ts';

/** The daemon runs in another folder: paths are made whole. */
export function registryAccess({ env, absolutePath }: Pick<Cli, 'env' | 'absolutePath'>): RegistryAccess {
  const given = REGISTRY_VARIABLES.flatMap((name) => {
    const value = env[name];
    if (value === undefined || value === '') return [];
    return [[name, REGISTRY_PATHS.includes(name) ? absolutePath(value) : value]];
  });
  return Object.fromEntries(given) as RegistryAccess;
}
