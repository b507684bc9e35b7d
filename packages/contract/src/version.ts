/** The one version of all programs; a test holds it to package.json. */
export const VERSION = '0.1.0';

/** The header in which the daemon says its version with every answer. */
export const VERSION_HEADER = 'banger-version';
