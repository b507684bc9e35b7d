/** What each measurement is given. */
export type Bench = {
  /** As the person asked; without it each measurement takes as many as it needs */
  rounds?: number;
  /** A line of progress, to stderr */
  say: (line: string) => void;
};
