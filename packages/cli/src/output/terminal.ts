/** What kind of terminal, if any, is at the three standard streams. */

/** The exit code when the reader of our output is gone: 128 + SIGPIPE, as for any program of a pipeline */
export const EXIT_BROKEN_PIPE = 141;

export type Terminal = {
  isStdinTty: boolean;
  isStdoutTty: boolean;
  isStderrTty: boolean;
  /** stderr may redraw a line */
  isLive: boolean;
  /** stdout may redraw what it shows */
  isStdoutLive: boolean;
  /** stderr may be coloured */
  hasColour: boolean;
};

/** Not by an import: the packaged command would load it at each start, which takes 2 ms, and many ask nothing of it. */
export function isTerminal(fd: number): boolean {
  return process.getBuiltinModule('node:tty').isatty(fd);
}

type Environment = Readonly<Record<string, string | undefined>>;

export function describeTerminal(env: Environment, isTty: (fd: number) => boolean = isTerminal): Terminal {
  const isStderrTty = isTty(2);
  const isStdoutTty = isTty(1);
  const canRedraw = env.TERM !== 'dumb' && env.TERM !== '';
  const isLive = isStderrTty && canRedraw;
  return {
    isStdinTty: isTty(0),
    isStdoutTty,
    isStderrTty,
    isLive,
    isStdoutLive: isStdoutTty && canRedraw,
    hasColour: isLive && !env.NO_COLOR,
  };
}
