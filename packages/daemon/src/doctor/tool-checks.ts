/** The programs without which no vm starts, and the one without which no image is pulled. Those that only make images are looked at with the images. */
import type { Check } from '@banger/contract/api/doctor.ts';
import { findTool } from '../platform/find-tool.ts';
import type { Settings } from '../settings.ts';
import { fail, pass, warn } from './check.ts';

export function checkTools(tools: Settings['tools']): Check[] {
  return [
    checkTool(tools.passt, 'passt', 'the network of vms'),
    checkTool(tools.pasta, 'passt', 'keeps the network of vms away from this host'),
    checkTool('mkfs.ext4', 'e2fsprogs', 'makes their disks'),
    checkTool('dumpe2fs', 'e2fsprogs', 'tells what of a disk is free again'),
    checkTool('skopeo', 'skopeo', 'fetches images from registries', warn),
  ];

  function checkTool(tool: string, debianPackage: string, purpose: string, otherwise = fail): Check {
    const name = tool.split('/').at(-1) as string;
    if (findTool(tool)) return pass(name, `is there: ${purpose}`);
    return otherwise(name, `${tool} is not installed: ${purpose}`, `sudo apt-get install ${debianPackage}`);
  }
}
