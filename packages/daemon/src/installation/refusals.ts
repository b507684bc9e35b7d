/** What an installation says where it cannot be, has failed, or is not what it should be. */
import { BangerError, toBangerError } from '@banger/contract/errors.ts';
import type { Account, Metadata } from './metadata.ts';

export function refused(message: string, hint: string): BangerError {
  return new BangerError('INSTALL_REFUSED', { message, hint });
}

export function notInstalled(): BangerError {
  return refused('banger is not installed for the whole system.', 'sudo banger system install');
}

export function ownerIsGone({ owner }: Metadata): BangerError {
  return refused(
    `banger is installed for ${owner.name} (uid ${owner.uid}), who is no user any more.`,
    '"sudo banger system uninstall" first, then install it for somebody else: --owner <name>.',
  );
}

export function hintAfterInstall(before: Metadata | null, isUndone: boolean): string {
  if (isUndone) return before === null ? 'Nothing of it is left.' : 'What was there before is back.';
  return 'Not all could be undone. Once that is mended, repeat the command, or "sudo banger system uninstall".';
}

/** What was refused, cancelled or late says so; its hint says what is left. */
export function failed(how: string, cause: unknown, hint: string): unknown {
  if (!(cause instanceof BangerError)) {
    const { message } = toBangerError(cause);
    return new BangerError('INSTALL_FAILED', { message: `banger could not be ${how}: ${message}`, hint, cause });
  }
  const { code, message, details } = cause;
  if (code === 'INSTALL_REFUSED') return cause;
  if (code === 'CANCELLED')
    return new BangerError(code, { message: `banger was not ${how}: it was interrupted.`, hint, cause });
  return new BangerError('INSTALL_FAILED', {
    message: `banger could not be ${how}: ${message}`,
    hint,
    ...(details && { details }),
    cause,
  });
}

/** The owner as the installation knows them, and as the account is now */
export function noteOwner(known: Account, now: Account | null): string[] {
  if (now === null) {
    return [
      `The user ${known.name} (uid ${known.uid}) is no more: "sudo banger system uninstall" takes the services away.`,
    ];
  }
  if (now.name === known.name && now.home === known.home) return [];
  return [
    `The owner is ${now.name} with the home ${now.home} now: "sudo banger system install" brings that to the services.`,
  ];
}
