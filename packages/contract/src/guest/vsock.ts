/** Where host and guest meet on a vsock, and what a guest says there before it ends. */

export const VSOCK_PORTS = {
  /** In the guest, of the agent. Below 1024, so that nobody but root listens there while one agent takes the place of another */
  agent: 1023,
  /** In the guest, of nobody: its kernel refuses a connection, if it runs */
  nobody: 1022,
  /** Of the host: an agent that has come connects there */
  call: 1024,
  /** Of the host: who is about to end the machine says there in which way */
  goodbye: 1025,
} as const;

/** A line each */
export const GOODBYES = ['power-off', 'reset'] as const;
