/** Firecracker's program, where the tests find it. No package source has it, so a host may lack it. */
import { findTool } from '../../packages/daemon/src/platform/find-tool.ts';

export const FIRECRACKER = process.env.BANGER_FIRECRACKER ?? findTool('firecracker');
