/** What "banger system recover" found: records made anew from the folders of vms, images and kernels. */

export type RecoveredItem = {
  kind: 'vm' | 'image' | 'kernel';
  name: string;
  /** `known`: the state had it; `recovered`: it has a record again; `left`: it stays where it is, without one */
  is: 'known' | 'recovered' | 'left';
  /** Where the record comes from, or why there is none; null where there is nothing to say */
  note: string | null;
};

export type Recovery = {
  items: RecoveredItem[];
  /** What was wrong with the state as it was; null when it could be read */
  fault: string | null;
  /** Whether a new state was written, or with `dryRun` would be */
  isChanged: boolean;
  /** Where the state as it was is kept; null when there was none, or nothing was changed */
  keptAt: string | null;
  dryRun: boolean;
};
