import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BangerError } from './errors.ts';
import { canonicalRef, checkImageChoice, familiarRef, isImageName, parseImageRef, repositoryOf } from './image-ref.ts';

const HEX = '0123456789abcdef'.repeat(4);
const D = `sha256:${HEX}`;

const cases: [typed: string, canonical: string, familiar: string][] = [
  ['alpine', 'docker.io/library/alpine:latest', 'alpine:latest'],
  ['python:3.14', 'docker.io/library/python:3.14', 'python:3.14'],
  ['docker.io/library/alpine', 'docker.io/library/alpine:latest', 'alpine:latest'],
  ['docker.io/alpine', 'docker.io/library/alpine:latest', 'alpine:latest'],
  ['index.docker.io/org/app', 'docker.io/org/app:latest', 'org/app:latest'],
  ['org/app', 'docker.io/org/app:latest', 'org/app:latest'],
  ['library/alpine', 'docker.io/library/alpine:latest', 'alpine:latest'],
  ['library/a/b', 'docker.io/library/a/b:latest', 'library/a/b:latest'],
  ['ghcr.io/org/app:tag', 'ghcr.io/org/app:tag', 'ghcr.io/org/app:tag'],
  ['GHCR.io/org/app:Tag', 'ghcr.io/org/app:Tag', 'ghcr.io/org/app:Tag'],
  ['localhost/x', 'localhost/x:latest', 'localhost/x:latest'],
  ['localhost:5000/x', 'localhost:5000/x:latest', 'localhost:5000/x:latest'],
  ['host:5000/x:1', 'host:5000/x:1', 'host:5000/x:1'],
  [`host:5000/x@${D}`, `host:5000/x@${D}`, `host:5000/x@${D}`],
  [`alpine:3@${D}`, `docker.io/library/alpine:3@${D}`, `alpine:3@${D}`],
  [`alpine@${D}`, `docker.io/library/alpine@${D}`, `alpine@${D}`],
  ['[::1]:5000/x', '[::1]:5000/x:latest', '[::1]:5000/x:latest'],
  ['[2001:db8::1]/x', '[2001:db8::1]/x:latest', '[2001:db8::1]/x:latest'],
  ['127.0.0.1:5000/a/b/c/d', '127.0.0.1:5000/a/b/c/d:latest', '127.0.0.1:5000/a/b/c/d:latest'],
  // What stands in Docker Hub and would be a registry without its name
  ['docker.io/my.org/app', 'docker.io/my.org/app:latest', 'docker.io/my.org/app:latest'],
  ['docker.io/localhost/app', 'docker.io/localhost/app:latest', 'docker.io/localhost/app:latest'],
  ['docker.io/library/sha256:1', 'docker.io/library/sha256:1', 'docker.io/library/sha256:1'],
  // Without a slash there is no registry
  ['ghcr.io', 'docker.io/library/ghcr.io:latest', 'ghcr.io:latest'],
  ['host:5000', 'docker.io/library/host:5000', 'host:5000'],
  ['a__b.c-d---e_f', 'docker.io/library/a__b.c-d---e_f:latest', 'a__b.c-d---e_f:latest'],
];
for (const [typed, canonical, familiar] of cases) {
  test(`${typed.replace(HEX, '…')} is ${canonical.replace(HEX, '…')}, called ${familiar.replace(HEX, '…')}`, () => {
    const ref = parseImageRef(typed);
    assert.equal(canonicalRef(ref), canonical);
    assert.equal(familiarRef(ref), familiar);
    for (const again of [canonical, familiar]) assert.deepEqual(parseImageRef(again), ref);
    assert.equal(isImageName(familiar), true);
    assert.equal(checkImageChoice(typed), typed);
  });
}

const refused: [text: string, hint: RegExp][] = [
  ['', /lower-case letters/],
  ['https://ghcr.io/org/app', /Did you mean "ghcr\.io\/org\/app"\?/],
  ['docker://alpine:3', /Did you mean "alpine:3"\?/],
  ['//alpine', /Did you mean "alpine"\?/],
  ['Org/App', /Did you mean "org\/app"\?/],
  ['ghcr.io/Org/App:V1', /Did you mean "ghcr\.io\/org\/app:v1"\?/],
  [' alpine', /Did you mean "alpine"\?/],
  ['alpine/', /Did you mean "alpine"\?/],
  ['ghcr.io/', /After the registry comes the name of an image: "ghcr\.io\/org\/app"/],
  ['alpine:', /After the last colon comes a tag.*"alpine:latest"/],
  ['alpine: 3', /comes a tag/],
  [`alpine:${'x'.repeat(129)}`, /1 to 128/],
  ['alpine@', /After "@" comes a whole digest/],
  ['alpine@sha256:abc', /64 lower-case hex/],
  [`alpine@sha512:${HEX}${HEX}`, /"sha256:" only/],
  [`alpine@${D}@${D}`, /whole digest/],
  [D, /A digest alone names an image that is here/],
  ['sha256:abcdef01', /A digest alone/],
  ['host:0/x', /port is a number/],
  ['host:65536/x', /port is a number/],
  ['host:/x', /port is a number/],
  ['ho_st.x/x', /"ho_st\.x" is not the name of a registry/],
  ['-a.io/x', /not the name of a registry/],
  ['[::1/x', /not the name of a registry/],
  ['../etc/passwd', /not the name of a registry/],
  ['a/../b', /lower-case letters/],
  ['a//b', /lower-case letters/],
  ['a..b', /lower-case letters/],
  ['a b', /lower-case letters/],
  ['-rf', /lower-case letters/],
  ['--authfile=/etc/shadow', /lower-case letters/],
  ['a\0b', /lower-case letters/],
  ['a\nb', /lower-case letters/],
  ['ä', /lower-case letters/],
  ['x'.repeat(256), /at most 255/],
  [`${'a.'.repeat(130)}io/x`, /not the name of a registry/],
  ['x/'.repeat(600), /at most 1024/],
];
for (const [text, hint] of refused) {
  test(`refused: ${JSON.stringify(text.slice(0, 40).replace(HEX, '…'))}`, () => {
    assert.throws(() => parseImageRef(text), { code: 'BAD_NAME', hint });
    assert.equal(isImageName(text), false);
  });
}

test('what is quoted of a refused name moves no cursor, is short, and has no password', () => {
  for (const text of [
    '\u001b[2Jx',
    'x'.repeat(100_000),
    'https://me:hunter2@host/x',
    'me:hunter2@host/x',
    'me:hunt/er2@h',
  ]) {
    assert.throws(
      () => parseImageRef(text),
      (fault) => {
        assert.ok(fault instanceof BangerError);
        const said = fault.message + fault.hint;
        assert.ok(!/hunt/.test(said) && !said.includes('\u001b'), said);
        assert.ok(said.length < 600, said);
        return true;
      },
    );
  }
});

test('a name that only an import can have is one; what is not familiar is none', () => {
  for (const name of ['debian', 'MyBox', 'a.b_c-d', 'a___b']) assert.equal(isImageName(name), true, name);
  for (const name of ['docker.io/library/alpine:latest', 'ghcr.io/a/b', 'alpine:', 'a/b', '']) {
    assert.equal(isImageName(name), false, name);
  }
  assert.throws(() => parseImageRef('a___b'), { code: 'BAD_NAME' });
  assert.equal(checkImageChoice('MyBox'), 'MyBox');
  assert.equal(checkImageChoice('sha256:0123'), 'sha256:0123');
  assert.throws(() => checkImageChoice('My Box'), { code: 'BAD_NAME' });
});

test('a repository is said without what chooses in it', () => {
  assert.equal(repositoryOf(parseImageRef(`python:3@${D}`)), 'docker.io/library/python');
});

test('whatever is parsed has a familiar text that means the same', () => {
  const parts = ['a', 'a.b', 'localhost', 'library', 'docker.io', 'x-y', '0', 'sha256', 'index.docker.io', 'h:5'];
  const ends = ['', ':t', ':5', `@${D}`, `:t@${D}`];
  let parsed = 0;
  for (const one of parts) {
    for (const two of ['', ...parts]) {
      for (const three of ['', ...parts]) {
        for (const end of ends) {
          const text = [one, two, three].filter(Boolean).join('/') + end;
          if (!accepts(text)) continue;
          parsed++;
          const ref = parseImageRef(text);
          assert.deepEqual(parseImageRef(familiarRef(ref)), ref, text);
          assert.deepEqual(parseImageRef(canonicalRef(ref)), ref, text);
        }
      }
    }
  }
  assert.ok(parsed > 1000, String(parsed));
});

function accepts(text: string): boolean {
  try {
    parseImageRef(text);
    return true;
  } catch {
    return false;
  }
}
