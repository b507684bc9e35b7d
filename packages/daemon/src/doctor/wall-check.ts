/** Whether machines, and programs that read what a stranger made, run behind walls here; without them, by limits alone. */
import type { Check } from '@banger/contract/api/doctor.ts';
import { Task } from '../platform/task.ts';
import { findWallObstacle } from '../platform/walls.ts';
import { pass, warn } from './check.ts';

export async function checkWalls(): Promise<Check[]> {
  return [judgeWalls(await findWallObstacle(Task.background()))];
}

export function judgeWalls(obstacle: string | null): Check {
  if (obstacle === null)
    return pass('walls', 'machines, and programs that read images and repositories, see nothing else of this host');
  const text = `machines, and what reads images and repositories, have limits, but see all that you see: ${obstacle}`;
  return warn('walls', text, obstacle.includes('not installed') ? 'sudo apt-get install bubblewrap' : null);
}
