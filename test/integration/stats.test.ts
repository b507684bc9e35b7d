/** What machines take of the host: measured again and again, on a terminal and off it, while they come and go. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import type { StatsSample, VmUsage } from '@banger/contract/api/stats.ts';
import type { DriverName } from '@banger/contract/api/vms.ts';
import { DRIVER_NAMES } from '@banger/contract/driver-names.ts';
import { createFakeHome } from '../support/fake-home.ts';
import { openScreen } from '../support/screen.ts';

const MIB = 2 ** 20;
/** Firecracker's tap counts what passes; QEMU hands its frames to passt itself */
const COUNTS_NETWORK: Record<DriverName, boolean> = { firecracker: true, qemu: false };

for (const driver of DRIVER_NAMES) {
  test(`${driver}: what machines take is measured, grows when they work, and ends with them`, async (t) => {
    const home = await createFakeHome(t, {}, driver);
    for (const name of ['db', 'web']) await home.json(['vm', 'create', '--name', name, '--start']);
    await home.json(['vm', 'create', '--name', 'off']);

    const { stdout } = await home.run(['vm', 'stats']);
    assert.match(stdout, /^NAME +STATE +CPU .*\ndb +running +\d+% of .*\nweb +running +\d+% of .*\n$/);
    const { vms } = await home.json<StatsSample>(['vm', 'stats', '--once', 'web', 'off']);
    assert.deepEqual(
      vms.map(({ name, state, machine }) => [name, state, machine === null]),
      [
        ['web', 'running', false],
        ['off', 'stopped', true],
      ],
    );
    assert.ok((vms[0]?.machine?.residentBytes ?? 0) > 10 * MIB);
    assert.equal(vms[0]?.machine?.receivedBytes !== null, COUNTS_NETWORK[driver]);

    const watching = home.start(['vm', 'stats', '--json']);
    t.after(() => watching.kill());
    const samples = samplesOf(watching.stdout as NodeJS.ReadableStream);
    const before = await next(samples, (all) => usageOf(all, 'web') !== undefined);
    const bytes = Buffer.alloc(16 * MIB, 'x');
    assert.equal(
      (await home.run(['vm', 'exec', 'web', '--', 'wc', '-c'], { stdin: bytes })).stdout.trim(),
      `${bytes.length}`,
    );
    const cpuOf = (all: StatsSample) => usageOf(all, 'web')?.machine?.cpuMs.total ?? 0;
    const after = await next(samples, (all) => cpuOf(all) > cpuOf(before));
    assert.ok((usageOf(after, 'web')?.machine?.cpuMs.perSecond ?? 0) > 0);

    await home.json(['vm', 'kill', 'db']);
    await next(samples, (all) => usageOf(all, 'db') === undefined && usageOf(all, 'web') !== undefined);
    const named = await home.client.vmStats({ vms: ['web'] });
    await home.json(['vm', 'rm', '--force', 'web']);
    for await (const { vms } of named) assert.ok(vms.length <= 1);
    assert.match((await home.run(['vm', 'stats', 'off', 'web'])).stderr, /no vm named "web"\. \(VM_NOT_FOUND\)/);
  });
}

test('on a terminal the table is redrawn in its size, until q or Ctrl-C, and the terminal is as it was', async (t) => {
  const home = await createFakeHome(t);
  await home.json(['vm', 'create', '--name', 'web', '--start']);
  const screen = await openScreen(t, home, { cols: 120, rows: 20 });
  for (const [key, word] of [
    ['q', 'first'],
    ['C-c', 'second'],
  ] as const) {
    await screen.type(`banger vm stats; echo "${word} $?"`);
    await screen.until(/^NAME +STATE.* SENT\nweb +running/m);
    await screen.resize({ cols: 40, rows: 10 });
    await screen.until(/^NAME +STATE(?!.* SENT).*\nweb +running/m);
    await screen.resize({ cols: 120, rows: 20 });
    await screen.until(/^NAME +STATE.* SENT\nweb +running/m);
    await screen.press(key);
    await screen.until(new RegExp(`^host\\$ banger vm stats; echo "${word} .*\\n${word} 0$`, 'm'));
  }
});

test('a daemon that stops ends the view with an error, and a reader that leaves ends it quietly', async (t) => {
  const home = await createFakeHome(t);
  await home.json(['vm', 'create', '--name', 'web', '--start']);
  const watching = home.start(['vm', 'stats', '--json']);
  const samples = samplesOf(watching.stdout as NodeJS.ReadableStream);
  await next(samples, ({ vms }) => vms.length === 1);
  const ended = once(watching, 'exit');
  assert.equal((await home.run(['daemon', 'stop'])).code, 0);
  assert.equal((await ended)[0], 69);

  const left = home.start(['vm', 'stats', '--json']);
  await once(left.stdout as NodeJS.ReadableStream, 'data');
  const gone = once(left, 'exit');
  left.stdout?.destroy();
  assert.equal((await gone)[0], 141);
});

function samplesOf(stdout: NodeJS.ReadableStream): AsyncIterator<string> {
  return createInterface({ input: stdout })[Symbol.asyncIterator]();
}

/** The first sample from now on that is as wanted. */
async function next(lines: AsyncIterator<string>, isWanted: (sample: StatsSample) => boolean): Promise<StatsSample> {
  for (;;) {
    const { done, value } = await lines.next();
    assert.ok(!done, 'there is another sample');
    const sample = JSON.parse(value) as StatsSample;
    if (isWanted(sample)) return sample;
  }
}

function usageOf({ vms }: StatsSample, wanted: string): VmUsage | undefined {
  return vms.find(({ name }) => name === wanted);
}
