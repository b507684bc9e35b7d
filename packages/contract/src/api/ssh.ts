/** What an OpenSSH client on the host needs to know. */
import { z } from 'zod';

export const sshConfigSchema = z.object({
  /** The file that the daemon keeps for OpenSSH clients, to be included in theirs */
  configPath: z.string(),
});

/** A vm that is ready for ssh. */
export const sshAccessSchema = sshConfigSchema.extend({
  /** Its name for clients that read that file: "web.vm" */
  host: z.string(),
  /** The command in the guest that speaks ssh on its stdin and stdout */
  server: z.array(z.string()),
});

export type SshConfig = z.infer<typeof sshConfigSchema>;
export type SshAccess = z.infer<typeof sshAccessSchema>;
