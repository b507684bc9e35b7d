/** Whether machines, and programs that read what a stranger made, run behind walls here; without them, by limits alone. */
import type { Check } from '@banger/contract/api/doctor.ts';
import { HOST_SCOPES, LINGER } from '../platform/scope.ts';
import { Task } from '../platform/task.ts';
import { findWallObstacle } from '../platform/walls.ts';
import { pass, warn } from './check.ts';

export async function checkWalls(): Promise<Check[]> {
  const task = Task.background();
  const [walls, bounds] = await Promise.all([findWallObstacle(task), HOST_SCOPES.findScopeObstacle(task)]);
  return [judgeWalls(walls), judgeBounds(bounds)];
}

export function judgeWalls(obstacle: string | null): Check {
  if (obstacle === null)
    return pass('walls', 'machines, and programs that read images and repositories, see nothing else of this host');
  const text = `machines, and what reads images and repositories, have limits, but see all that you see: ${obstacle}`;
  return warn('walls', text, obstacle.includes('not installed') ? 'sudo apt-get install bubblewrap' : null);
}

export function judgeBounds(obstacle: string | null): Check {
  if (obstacle === null) return pass('bounds', 'what a machine takes of memory and processes is bounded');
  const text = `what a machine takes of memory and processes is not bounded: ${obstacle}`;
  return warn('bounds', text, obstacle.includes('last session') ? LINGER : null);
}
