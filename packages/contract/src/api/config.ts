/** What banger goes by, and where each value comes from. */

/** `config`: the user's file; `host`: a share of this machine; `built-in`: neither said anything */
export type Origin = 'config' | 'host' | 'built-in';

/** `why` reads in brackets: "line 4", "a quarter of 8 processors" */
export type Resolved<Value> = { value: Value; from: Origin; why: string };

/** What a vm gets when nobody says */
export type VmDefaults = {
  cpus: Resolved<number>;
  memoryBytes: Resolved<number>;
  diskBytes: Resolved<number>;
};

export type FileSync = {
  /** Absolute, on the host */
  from: string;
  /** Absolute, in the guest */
  to: string;
  /** Of files; null keeps that of the source */
  mode: number | null;
};

export type ConfigShown = {
  path: string;
  isThere: boolean;
  vmDefaults: VmDefaults;
  /** The user's own private key, instead of the one that banger makes */
  sshKey: Resolved<string | null>;
  /** Null is never */
  idleStopAfterMs: Resolved<number | null>;
  fileSync: (FileSync & { line: number | null })[];
};
