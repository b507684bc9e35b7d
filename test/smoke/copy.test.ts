/** Story: files and folders go into a machine and come out of it, and a hostile machine gets nothing for it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { chmod, mkdir, symlink, watch, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { BANGER } from '../../packages/cli/src/testing/run-banger.ts';
import { createHome } from '../support/banger-home.ts';
import { KEPT_LISTING, KEPT_TREE } from '../support/kept-tree.ts';
import { openScreen } from '../support/screen.ts';
import { watchOutput } from '../support/watch-output.ts';

const BIG_BYTES = 24 * 2 ** 20;

test('files of a machine', async (t) => {
  const home = await createHome(t);
  await home.json(['vm', 'create', '--name', 'web', '--memory', '384M', '--start']);
  const here = (...words: string[]) => join(home.folder, 'files', ...words);
  const read = (...words: string[]) => readFileSync(here(...words), 'utf8');
  const names = (...words: string[]) => (readdirSync(here(...words), { recursive: true }) as string[]).sort();
  const inside = async (script: string) => {
    const { code, stdout, stderr } = await home.run(['vm', 'exec', 'web', '--', 'sh', '-c', script]);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const copy = async (source: string, destination: string) => {
    const { code, stderr } = await home.run(['vm', 'cp', source, destination]);
    assert.equal(code, 0, stderr);
    return stderr;
  };
  await mkdir(here('in/sub folder/empty'), { recursive: true });
  await writeFile(here('in/run me'), '#!/bin/sh\necho ran\n');
  await chmod(here('in/run me'), 0o755);
  await writeFile(here('in/sub folder/ä b'), 'text\n', { mode: 0o640 });
  await symlink('sub folder/ä b', here('in/link'));

  await t.test('a folder goes in with all that is in it', async () => {
    await copy(here('in'), 'web:/root/tree');
    const listing = await inside('cd /root/tree; find . -printf "%P %y %m %u %l\\n" | sort; "./run me"; cat link');
    assert.equal(
      listing,
      [
        ' d 755 root ',
        'link l 777 root sub folder/ä b',
        'run me f 755 root ',
        'sub folder d 755 root ',
        'sub folder/empty d 755 root ',
        'sub folder/ä b f 640 root ',
        'ran',
        'text',
        '',
      ].join('\n'),
    );
  });

  await t.test('and comes out again, as what belongs to the caller', async () => {
    await inside('cd /root/tree; chown 1234:1234 "run me"; chmod 4755 "run me"');
    await copy('web:/root/tree', here('out'));
    assert.deepEqual(names('out'), names('in'));
    assert.equal(read('out/sub folder/ä b'), 'text\n');
    assert.equal(readlinkSync(here('out/link')), 'sub folder/ä b');
    const { mode, uid } = lstatSync(here('out/run me'));
    assert.deepEqual([mode & 0o7777, uid], [0o755, process.getuid?.()]);
    assert.equal(lstatSync(here('out/sub folder/ä b')).mode & 0o777, 0o640);
  });

  await t.test('one file takes the name that it is given, or goes into the folder', async () => {
    await copy(here('in/run me'), 'web:/root/other name');
    await copy(here('in/run me'), 'web:/tmp');
    assert.equal(await inside('"/root/other name"; "/tmp/run me"'), 'ran\nran\n');
    await copy('web:/root/tree/sub folder/ä b', here('file'));
    await copy('web:/root/tree/sub folder/ä b', here());
    assert.deepEqual([read('file'), read('ä b')], ['text\n', 'text\n']);
    await copy('web:/root/tree/link', here('followed'));
    assert.equal(read('followed'), 'text\n');
  });

  await t.test('what is large stays what it is, both ways', async () => {
    const bytes = randomBytes(BIG_BYTES);
    const hash = createHash('sha256').update(bytes).digest('hex');
    await writeFile(here('big'), bytes);
    await copy(here('big'), 'web:/root/big');
    assert.equal(await inside('sha256sum </root/big'), `${hash}  -\n`);
    await copy('web:/root/big', here('big-again'));
    assert.equal(
      createHash('sha256')
        .update(readFileSync(here('big-again')))
        .digest('hex'),
      hash,
    );
  });

  await t.test('a tar stream goes in from stdin and comes out on stdout', async () => {
    const tar = execFileSync('tar', ['-C', here('in'), '-c', '.']);
    await inside('mkdir /root/piped');
    const { code, stderr } = await home.run(['vm', 'cp', '-', 'web:/root/piped'], { stdin: tar });
    assert.equal(code, 0, stderr);
    const out = await watchOutput(home.start(['vm', 'cp', 'web:/root/piped', '-'])).ended();
    assert.deepEqual([out.code, out.stderr], [0, '']);
    await mkdir(here('unpacked'));
    execFileSync('tar', ['-x', '-C', here('unpacked')], { input: out.stdout });
    assert.deepEqual(names('unpacked/piped'), names('in'));
    assert.equal(read('unpacked/piped/sub folder/ä b'), 'text\n');
  });

  await t.test('what a copy keeps is kept, in and out again', async () => {
    await mkdir(here('kept'));
    const list = (folder: string) =>
      execFileSync('bash', ['-ec', `cd "${folder}"; ${KEPT_LISTING}`], { encoding: 'utf8' });
    execFileSync('bash', ['-ec', KEPT_TREE], { cwd: here('kept') });
    await copy(here('kept/tree'), 'web:/root/kept');
    assert.equal(await inside(`cd /root/kept; ${KEPT_LISTING}`), list(here('kept/tree')));
    await copy('web:/root/kept', here('kept/back'));
    assert.equal(list(here('kept/back')), list(here('kept/tree')));
  });

  await t.test('a name that is no UTF-8 may be named, on both sides', async () => {
    const banger = (line: string) =>
      execFileSync('bash', ['-ec', `banger() { "${BANGER}" "$@"; }; ${line}`], { env: home.env, cwd: here('kept') });
    banger(String.raw`banger vm cp tree/$'odd\377' web:/root/; banger vm cp web:/root/$'odd\377' $'mine\376'`);
    assert.equal(execFileSync('bash', ['-ec', String.raw`cat $'mine\376'`], { cwd: here('kept') }).toString(), 'odd\n');
    assert.throws(() => banger(String.raw`banger vm show $'\377'`), /is not UTF-8.*USAGE/s);
  });

  await t.test('a folder that is there keeps its mode and owner, and a link that is there is followed', async () => {
    await mkdir(here('like/tmp'), { recursive: true });
    await mkdir(here('like/bin'));
    await writeFile(here('like/bin/mine'), 'mine\n');
    await writeFile(here('like/name'), 'new\n');
    await inside('useradd -m dev; chmod 700 /home/dev; echo old >/root/real; ln -s real /root/name');
    await copy(here('like/tmp'), 'web:/');
    await copy(here('like/bin'), 'web:/');
    await copy(here('like/bin/.'), 'web:/home/dev');
    await copy(here('like/name'), 'web:/root/name');
    const kept = await inside('stat -c "%a %U" /tmp /home/dev; readlink /bin /root/name; cat /usr/bin/mine /root/real');
    assert.equal(kept, '1777 root\n700 dev\nusr/bin\nreal\nmine\nnew\n');
  });

  await t.test('a copy in that does not come to its end leaves the old file, and nothing else', async () => {
    await inside('mkdir /root/cut /mnt/small; mount -t tmpfs -o size=1M tmpfs /mnt/small');
    await inside('echo old | tee /root/cut/big >/mnt/small/big');
    const full = await home.run(['vm', 'cp', here('big'), 'web:/mnt/small/big']);
    assert.match(full.stderr, /GUEST_DISK_FULL/);
    const cut = home.start(['vm', 'cp', '-', 'web:/root/cut']);
    cut.stdin?.on('error', () => {}); // it is killed before it has read everything
    cut.stdin?.write(
      execFileSync('tar', ['-C', here(), '-c', 'big'], { maxBuffer: 2 * BIG_BYTES }).subarray(0, -65_536),
    );
    const seen = (isThere: boolean) =>
      home.untilOutput(
        ['vm', 'exec', 'web', '--', 'ls', '-A', '/root/cut'],
        ({ stdout }) => stdout.includes('.banger-copy') === isThere,
      );
    await seen(true);
    cut.kill('SIGKILL');
    await seen(false);
    assert.equal(await inside('cat /root/cut/* /mnt/small/*; ls -A /mnt/small'), 'old\nold\nbig\n');
  });

  await t.test('a copy out that is killed leaves the old file, and the next one takes its leftovers away', async () => {
    await mkdir(here('killed'));
    await writeFile(here('killed/big'), 'old\n');
    await inside('fallocate -l 2G /root/long');
    const folder = watch(here('killed'));
    const killed = home.start(['vm', 'cp', 'web:/root/long', here('killed/big')]);
    for await (const { filename } of folder) if (filename?.startsWith('.banger-copy')) break;
    killed.kill('SIGKILL');
    await once(killed, 'close');
    assert.equal(read('killed/big'), 'old\n');
    await copy(here('in/run me'), 'web:/root/other name');
    await copy('web:/root/other name', here('killed'));
    assert.deepEqual(names('killed'), ['big', 'other name']);
  });

  await t.test('Ctrl-C in a terminal ends a copy with 130, and both sides are as they were', async (t) => {
    await mkdir(here('interrupted'));
    await writeFile(here('interrupted/big'), 'old\n');
    await inside('mkdir /root/interrupted; echo old >/root/interrupted/big');
    const screen = await openScreen(t, home);

    const folder = watch(here('interrupted'));
    await screen.type(`banger vm cp web:/root/long ${here('interrupted/big')}; echo "out: $?"`);
    for await (const { filename } of folder) if (filename?.startsWith('.banger-copy')) break;
    await screen.press('C-c');
    await screen.until(/was interrupted.*^out: 130$/ms);
    assert.deepEqual(names('interrupted'), ['big']);
    assert.equal(read('interrupted/big'), 'old\n');

    execFileSync('fallocate', ['-l', '1G', here('long')]);
    await screen.type(`banger vm cp ${here('long')} web:/root/interrupted/big; echo "in: $?"`);
    const list = ['vm', 'exec', 'web', '--', 'ls', '-A', '/root/interrupted'];
    await home.untilOutput(list, ({ stdout }) => stdout.includes('.banger-copy'));
    await screen.press('C-c');
    await screen.until(/was interrupted.*^in: 130$/ms);
    await home.untilOutput(list, ({ stdout }) => stdout === 'big\n');
    assert.equal(await inside('cat /root/interrupted/big'), 'old\n');
  });

  for (const [what, source, destination, code, exit] of [
    ['into a folder that is missing', 'in/run me', 'web:/root/missing/file', 'GUEST_PATH', 66],
    ['out into a folder that is missing', 'web:/etc/hostname', 'missing/file', 'GUEST_PATH', 66],
    ['of a file that the machine does not have', 'web:/no/such/file', 'file', 'GUEST_PATH', 66],
    ['of a file that the host does not have', 'no-such-file', 'web:/root', 'FILE_NOT_FOUND', 66],
    ['of a folder over a file', 'in', 'web:/etc/hostname', 'GUEST_PATH', 66],
    ['to a machine that is not there', 'in', 'nobody:/root', 'VM_NOT_FOUND', 66],
    ['from the host to the host', 'in', 'out', 'USAGE', 64],
  ] as const) {
    await t.test(`a copy ${what} is refused`, async () => {
      const path = (side: string) => (side.includes(':') ? side : here(side));
      const output = await home.run(['vm', 'cp', path(source), path(destination)]);
      assert.match(output.stderr, new RegExp(`\\(${code}\\)`));
      assert.equal(output.code, exit);
    });
  }

  await t.test('what was copied is there after the machine has lost its power', async () => {
    await copy(here('kept/tree'), 'web:/root/powerless');
    await home.json(['vm', 'kill', 'web']);
    await home.json(['vm', 'start', 'web']);
    const listing = execFileSync('bash', ['-ec', KEPT_LISTING], { cwd: here('kept/tree'), encoding: 'utf8' });
    assert.equal(await inside(`cd /root/powerless; ${KEPT_LISTING}`), listing);
  });

  await t.test('links that lead out, devices and pipes of a machine are left out, and that is said', async () => {
    await mkdir(here('target'));
    await writeFile(here('outside'), 'mine\n');
    await inside(`mkdir -p /root/evil/sub; cd /root/evil
      echo good >file
      ln -s ${here('outside')} absolute
      ln -s ../outside up
      ln -s sub/../../outside sneaky
      ln -s sub/../file inner
      ln -s file fine
      mkfifo pipe; mknod device c 1 3`);
    const said = await copy('web:/root/evil', here('target'));
    assert.deepEqual(names('target'), ['evil', 'evil/file', 'evil/fine', 'evil/sub']);
    assert.match(said, /left out/);
    assert.equal(read('outside'), 'mine\n');
  });

  await t.test('a link that lies where the copy goes is not followed', async () => {
    await mkdir(here('trap/evil'), { recursive: true });
    await symlink(here('target'), here('trap/evil/sub'));
    await inside('echo bad >/root/evil/sub/planted');
    const { code, stderr } = await home.run(['vm', 'cp', 'web:/root/evil', here('trap')]);
    assert.match(stderr, /in the way/);
    assert.equal(code, 66);
    assert.deepEqual(names('target'), ['evil', 'evil/file', 'evil/fine', 'evil/sub']);
  });

  await t.test('a tar stream that leads out of its folder is refused by the machine', async () => {
    const tar = execFileSync('tar', ['-C', here('in'), '-P', '--transform', 's|^|../../|', '-c', 'run me']);
    const { code, stderr } = await home.run(['vm', 'cp', '-', 'web:/root/piped'], { stdin: tar });
    assert.match(stderr, /leads out of the folder.*\(GUEST_REFUSED\)/);
    assert.equal(code, 65);
    assert.equal(await inside('ls "/run me" 2>/dev/null || echo none'), 'none\n');
  });
});
