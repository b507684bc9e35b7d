/** A repository's own word on its machine, from its files to what "vm run" does: docs/decisions/0071 has what it may say. */
import { createHash } from 'node:crypto';
import type { WorkspacePlan } from '@banger/contract/api/workspaces.ts';
import { cleanLine } from '@banger/contract/clean-text.ts';
import type { Forward } from '@banger/contract/forward.ts';
import { MAX_PUBLISHED } from '@banger/contract/limits.ts';
import type { Cli } from '../cli.ts';
import { buildImage, nameImage } from './build-image.ts';
import { findDevcontainer } from './find-devcontainer.ts';
import { type DevcontainerPlan, planDevcontainer, planDockerfile } from './plan-devcontainer.ts';
import { findReal } from './read-inside.ts';

/** More than that nobody reads */
const MAX_NOTES = 20;

export type Devcontainer = DevcontainerPlan & {
  /** By its name here; nothing is the default one */
  imageName: string | undefined;
  /** Where the folder that it is for lies below the top of the repository */
  below: string;
  /** What is published besides what the caller publishes, whose word goes first */
  publishWith: (published: Forward[]) => (Forward & { ifFree?: true | undefined })[];
};

type DevcontainerParts = {
  /** The folder that was named */
  folder: string;
  /** What would travel of its repository, every file with its name */
  workspace: WorkspacePlan;
  /** The document, where there are several */
  chosen: string | undefined;
  at: string | null;
  /** Variables that the caller hands over */
  handed: Readonly<Record<string, string>>;
};

/** With its image built, where it is one that is built. Throws DEVCONTAINER_NOT_FOUND and what reading one throws. */
export async function openDevcontainer(cli: Cli, parts: DevcontainerParts): Promise<Devcontainer> {
  const { workspace, at, handed, chosen } = parts;
  const top = (await findReal(workspace.repo)) ?? workspace.repo;
  const folder = (await findReal(parts.folder)) ?? top;
  const found = await findDevcontainer(top, folder.startsWith(`${top}/`) ? folder : top, chosen);
  const id = createHash('sha256').update(found.path).digest('hex');
  const below = found.opened.slice(top.length + 1);
  const place = { name: workspace.name, below, id, at, handed };
  const plan = found.is === 'document' ? planDevcontainer(found.bytes, place) : planDockerfile(place);
  cli.note(`devcontainer: ${cleanLine(found.path.slice(top.length + 1))}`);
  for (const note of plan.notes.slice(0, MAX_NOTES)) cli.note(cleanLine(note));
  const publishWith = (published: Forward[]) => addPorts(cli, published, plan.ports);
  const imageName = await imageOf(cli, { workspace, top, path: found.path, id, plan });
  return { ...plan, below, publishWith, imageName };
}

type ImageParts = { workspace: WorkspacePlan; top: string; path: string; id: string; plan: DevcontainerPlan };

async function imageOf(cli: Cli, { workspace, top, path, id, plan }: ImageParts): Promise<string | undefined> {
  if (plan.image.is === 'default') return undefined;
  if (plan.image.is === 'named') return plan.image.name;
  const entries = (workspace.entries ?? []).map((entry) => entry.path);
  return buildImage(cli, { top, path, build: plan.image, entries, name: nameImage(workspace.name, id) });
}

function addPorts(cli: Cli, published: Forward[], asked: Forward[]): (Forward & { ifFree?: true })[] {
  const added = asked.filter(
    ({ hostPort, guestPort }) => !published.some((own) => own.guestPort === guestPort || own.hostPort === hostPort),
  );
  const room = Math.max(0, MAX_PUBLISHED - published.length);
  if (added.length > room)
    cli.note(`A vm publishes at most ${MAX_PUBLISHED} ports: ${added.length - room} are left out.`);
  return [...published, ...added.slice(0, room).map((each) => ({ ...each, ifFree: true as const }))];
}
