/**
 * SIGKILL of the daemon right before each thing that it does to the host. After a restart nothing leaks, no vm is lost,
 * and the records are true.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Image } from '@banger/contract/api/images.ts';
import type { DriverName, Vm } from '@banger/contract/api/vms.ts';
import { DRIVER_NAMES } from '@banger/contract/driver-names.ts';
import type { ExecExit } from '@banger/contract/guest/command-messages.ts';
import {
  findByArgument,
  type ProcessRef,
  readProcessRef,
  waitForExit,
} from '../../packages/daemon/src/platform/processes.ts';
import { createFakeHome } from '../support/fake-home.ts';

type Home = Awaited<ReturnType<typeof createFakeHome>>;

/** More than any story touches the host; reaching it means that the crash never came */
const MAX_TOUCHES = 200;

test('a daemon that is killed while it creates a vm', async (t) => {
  await killAtEachTouch(t, {
    prepare: removeVm,
    run: ({ client }) => client.vmCreate({ name: 'web' }).result(),
    check: (vm) => assert.ok(vm === undefined || vm.state.is === 'stopped'),
  });
});

for (const driver of DRIVER_NAMES) {
  test(`a daemon that is killed while it starts a vm (${driver})`, async (t) => {
    await killAtEachTouch(t, {
      driver,
      prepare: async (home) => {
        await haveVm(home);
        await home.client.vmKill({ vm: 'web' }).result();
      },
      run: ({ client }) => client.vmStart({ vm: 'web' }).result(),
      check: (vm) => assert.ok(vm && ['stopped', 'running'].includes(vm.state.is)),
    });
  });

  test(`a daemon that is killed while it stops a vm (${driver})`, async (t) => {
    await killAtEachTouch(t, {
      driver,
      prepare: haveRunningVm,
      run: ({ client }) => client.vmStop({ vm: 'web' }).result(),
      check: (vm) => assert.ok(vm && ['stopped', 'running'].includes(vm.state.is)),
    });
  });

  test(`a daemon that is killed while it removes a running vm (${driver})`, async (t) => {
    await killAtEachTouch(t, {
      driver,
      prepare: haveRunningVm,
      run: ({ client }) => client.vmRemove({ vm: 'web', force: true }).result(),
      check: (vm) => assert.ok(vm === undefined || vm.state.is === 'running'),
    });
  });
}

test('a daemon that is killed while it makes an image of a vm', async (t) => {
  await killAtEachTouch(t, {
    prepare: async (home) => {
      await haveVm(home);
      await home.client.vmKill({ vm: 'web' }).result();
    },
    run: ({ client }) => client.vmCommit({ vm: 'web', name: 'mine', force: true }).result(),
    check: (vm) => assert.equal(vm?.state.is, 'stopped'),
  });
});

test('a daemon that is killed while it runs a command in a vm that nobody keeps', async (t) => {
  await killAtEachTouch(t, {
    prepare: async () => {},
    run: async (home) => {
      const { code, stderr } = await home.run(['vm', 'run', '--rm', '--name', 'web', '--', 'true']);
      assert.equal(code, 0, stderr);
    },
    check: (vm) => assert.equal(vm, undefined),
  });
});

test('what a killed daemon left half-made goes when the next one starts', async (t) => {
  const home = await createFakeHome(t);
  const { id } = await home.json<Vm>(['vm', 'create', '--name', 'web']);
  const { digest } = (await home.json<{ images: Image[] }>(['image', 'ls'])).images[0] as Image;
  await home.killDaemon();
  const { state, data, cache } = home.paths;
  const left = [
    join(state, 'state.sqlite.recovering-wal'),
    join(state, 'copies/2026-01-01-00000001.sqlite.reading'),
    join(state, 'copies/2026-01-01-00000001.sqlite.partial'),
    join(cache, 'kvm-qemu.json.partial'),
    join(cache, `initramfs/${String(digest).slice(7)}.12345678`),
    join(cache, 'packages/download-1-2/x.deb'),
    join(data, 'ssh/config.partial'),
    join(data, 'ssh/known_hosts/web.vm.partial'),
    join(data, 'vms', id, 'vm.json.partial'),
    join(data, 'vms', id, 'ssh_host_ed25519_key.partial.pub'),
    join(data, 'vms', id, 'workspaces/quarantine-0123456789ab/objects'),
    join(data, 'vms', id, 'workspaces/0123456789abcdef.new/HEAD'),
    join(data, 'images/.staging-0123456789ab/base.squashfs'),
    join(data, 'images', String(digest).slice(7), 'names.json.partial'),
  ];
  for (const path of left) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, 'half');
  }
  await home.json(['vm', 'start', 'web']);
  assert.deepEqual(left.filter(existsSync), []);
});

type Story = {
  /** QEMU unless it says otherwise */
  driver?: DriverName;
  /** Brings the vm into the state that the story begins with */
  prepare: (home: Home) => Promise<void>;
  /** Fails when the daemon is killed meanwhile */
  run: (home: Home) => Promise<unknown>;
  /** What may be recorded of the vm after the restart */
  check: (vm: Vm | undefined) => void;
};

async function killAtEachTouch(t: TestContext, { driver, prepare, run, check }: Story): Promise<void> {
  const hook = new URL('../support/crash-after.ts', import.meta.url).pathname;
  const home = await createFakeHome(t, { BANGER_TEST_IMPORT: hook }, driver);
  const armedBy = join(home.folder, 'crash');
  home.env.BANGER_CRASH_FILE = armedBy;
  let crashes = 0;
  for (let touch = 1; touch < MAX_TOUCHES; touch++) {
    await prepare(home);
    const daemon = readProcessRef((await home.client.daemonStatus()).pid) as ProcessRef;
    await writeFile(armedBy, String(touch));
    const fault = await run(home).then(
      () => null,
      (thrown: Error) => thrown,
    );
    await rm(armedBy);
    if (!existsSync(`${armedBy}.hit`)) {
      assert.equal(fault, null, 'without a crash it succeeds');
      t.diagnostic(`${crashes} crashes`);
      assert.ok(crashes >= 3, `the daemon was killed only ${crashes} times`);
      return;
    }
    crashes++;
    await waitForExit(daemon); // its connections end first, and its socket last
    const hit = await readFile(`${armedBy}.hit`, 'utf8');
    await rm(`${armedBy}.hit`);
    await assertTrue(home, check, `killed before touch ${touch}, ${hit}`);
  }
  assert.fail('the story never ended without a crash');
}

/** The next call starts a daemon, which reconciles; then records and host say the same. */
async function assertTrue(home: Home, check: Story['check'], when: string): Promise<void> {
  const { vms } = await home.client.vmList();
  try {
    check(vms.find(({ name }) => name === 'web'));
    const ids = vms.map(({ id }) => id).sort();
    const running = vms.filter(({ state }) => state.is === 'running').map(({ id }) => id);
    assert.deepEqual((await list(home.paths.data, 'vms')).sort(), ids, 'folders of vms are those of the records');
    assert.deepEqual(await list(home.paths.runtime, 'vms'), running, 'runtime folders are those of running vms');
    for (const id of await list(home.paths.runtime, 'vms')) assert.ok(running.includes(id));
    const images = await list(home.paths.data, 'images');
    assert.deepEqual(
      images.filter((name) => name.startsWith('.')),
      [],
      'no image is half-made',
    );
    const processes = findByArgument(`${home.paths.runtime}/vms/`);
    assert.equal(processes.length > 0, running.length > 0, `processes: ${JSON.stringify(processes)}`);
    for (const id of running) assert.deepEqual(await exitOf(home, id, ['true']), { code: 0 }, 'it is usable');
  } catch (fault) {
    throw new Error(`${when}: ${(fault as Error).message}`, { cause: fault });
  }
}

async function removeVm({ client }: Home): Promise<void> {
  for (const { id } of (await client.vmList()).vms) await client.vmRemove({ vm: id, force: true }).result();
}

async function haveVm({ client }: Home): Promise<void> {
  if ((await client.vmList()).vms.length === 0) await client.vmCreate({ name: 'web' }).result();
}

async function haveRunningVm(home: Home): Promise<void> {
  await haveVm(home);
  await home.client.vmStart({ vm: 'web' }).result();
}

async function exitOf({ client }: Home, vm: string, argv: string[]): Promise<ExecExit | undefined> {
  const stream = await client.vmExec({ vm });
  try {
    await stream.start({ argv, env: {}, cwd: null, user: null, tty: null, stdin: false, keep: false });
    for await (const event of stream.events()) if (event.is === 'exit') return event.exit;
  } finally {
    stream.close();
  }
}

async function list(...path: string[]): Promise<string[]> {
  return readdir(join(...path)).catch(() => []);
}
