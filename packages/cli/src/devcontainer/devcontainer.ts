/** A repository's own word on its machine, from its files to what "vm run" does: docs/decisions/0071 has what it may say. */
import { createHash } from 'node:crypto';
import type { WorkspacePlan } from '@banger/contract/api/workspaces.ts';
import { cleanLine } from '@banger/contract/clean-text.ts';
import type { Forward } from '@banger/contract/forward.ts';
import { MAX_PUBLISHED } from '@banger/contract/limits.ts';
import type { Cli } from '../cli.ts';
import { buildImage, nameImage } from './build-image.ts';
import { describePlan } from './describe-plan.ts';
import { findDevcontainer } from './find-devcontainer.ts';
import {
  type DevcontainerImage,
  type DevcontainerPlan,
  planDevcontainer,
  planDockerfile,
} from './plan-devcontainer.ts';
import { findReal } from './read-inside.ts';

/** More than that nobody reads */
const MAX_NOTES = 20;

export type Devcontainer = DevcontainerPlan & {
  /** By its name here; nothing is the default one */
  imageName: string | undefined;
  /** Where the folder that it is for lies below the top of the repository */
  below: string;
  /** Variables that the caller hands over */
  handed: Readonly<Record<string, string>>;
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
  /** Whether an image is built again also when nothing of the repository has changed */
  isAnew: boolean;
};

/** With its image built, where it is one that is built. Throws DEVCONTAINER_NOT_FOUND and what reading one throws. */
export async function openDevcontainer(cli: Cli, parts: DevcontainerParts): Promise<Devcontainer> {
  const { plan, top, path, below, imageName } = await readDevcontainer(parts);
  cli.note(`devcontainer: ${cleanLine(path.slice(top.length + 1))}`);
  for (const note of plan.notes.slice(0, MAX_NOTES)) cli.note(cleanLine(note));
  if (plan.image.is === 'built' && imageName !== undefined) {
    const entries = (parts.workspace.entries ?? []).map((entry) => entry.path);
    await buildImage(cli, { top, path, build: plan.image, entries, name: imageName, isAnew: parts.isAnew });
  }
  const publishWith = (published: Forward[]) => addPorts(cli, published, plan.ports);
  return { ...plan, below, handed: parts.handed, publishWith, imageName };
}

/** What would be done, in lines, and as values for programs. */
export async function previewDevcontainer(parts: DevcontainerParts) {
  const { plan, top, path, imageName } = await readDevcontainer(parts);
  const shownPath = path.slice(top.length + 1);
  const image = imageName ?? null;
  const variables = plan.variables.map((each) => ({ ...each, value: each.isKept ? each.value : null })); // a secret, maybe
  const values = { path: shownPath, ...plan, variables, imageName: image };
  return { lines: describePlan(plan, shownPath, image), values };
}

async function readDevcontainer({ workspace, at, handed, chosen, ...parts }: DevcontainerParts) {
  const top = (await findReal(workspace.repo)) ?? workspace.repo;
  const folder = (await findReal(parts.folder)) ?? top;
  const { is, path, bytes, opened } = await findDevcontainer(top, folder.startsWith(`${top}/`) ? folder : top, chosen);
  const id = createHash('sha256').update(path).digest('hex');
  const below = opened.slice(top.length + 1);
  const place = { name: workspace.name, below, id, at, handed };
  const plan = is === 'document' ? planDevcontainer(bytes, place) : planDockerfile(place);
  return { plan, top, path, below, imageName: nameOf(plan.image, workspace.name, id) };
}

function nameOf(image: DevcontainerImage, repository: string, id: string): string | undefined {
  if (image.is === 'default') return undefined;
  return image.is === 'named' ? image.name : nameImage(repository, id);
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
