import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agentRefusal } from '../guest/agent-errors.ts';
import type { Guest } from '../guest/guest.ts';
import { Task } from '../platform/task.ts';
import { probeGuest } from './probe-guest.ts';

const WANTED = { at: undefined, user: undefined, ownUser: null, name: 'repo' };

function guestThatRefuses(code: string): Guest {
  const exec = () => Promise.reject(agentRefusal({ code, message: 'the machine has no command "sh"' }));
  return { exec } as unknown as Guest;
}

test('an image without a shell is told as one that takes no workspace', async () => {
  const probing = (code: string) => probeGuest(Task.background(), guestThatRefuses(code), WANTED);
  await assert.rejects(probing('NO_SHELL'), { code: 'WORKSPACE_FAILED', message: /The image has no shell/ });
  await assert.rejects(probing('COMMAND_NOT_FOUND'), { code: 'COMMAND_NOT_FOUND' });
});
