import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HelperFound, judgeAddresses } from './addresses-check.ts';

const UID = 1000;
const report = {
  ...{ version: '0.1.0', owner: UID, isForwarding: true, hasNft: true, closedTables: [] as string[] },
  resolver: 'none' as const,
};
const there = (more: Partial<typeof report> = {}, claimed: number[] = []): HelperFound => ({
  is: 'there',
  report: { ...report, ...more },
  subnets: [0, 1].map((subnet) => ({ subnet, claimedBy: claimed.includes(subnet) ? '10.0.0.0/8 dev tun0' : null })),
});

test("a host that gives machines addresses passes, and one without the helper or with somebody else's does too", () => {
  for (const found of [there(), { is: 'absent' }, { is: 'foreign' }, there({ owner: 1001 })] as HelperFound[]) {
    assert.equal(judgeAddresses(found, [], UID).status, 'pass', JSON.stringify(found));
  }
});

test('what keeps machines from an address is told with what fixes it', () => {
  for (const [found, text, fix] of [
    [there({ hasNft: false }), /nft is not installed/, /apt-get install nftables/],
    [there({ isForwarding: false }), /passes no packets on/, /net\.ipv4\.ip_forward=1/],
    [there({ closedTables: ['inet firewalld'] }), /inet firewalld/, /NftablesTableOwner=no/],
    [{ is: 'broken', why: 'it is silent' }, /it is silent/, /restart banger-root/],
    [there({}, [0, 1]), /10\.213\.64\.0\/20 \(10\.0\.0\.0\/8 dev tun0\).*every other/, null],
  ] as const) {
    const check = judgeAddresses(found, [], UID);
    assert.equal(check.status, 'warn');
    assert.match(check.text, text);
    if (fix) assert.match(String(check.fix), fix);
  }
});

test('machines whose addresses a route has taken are named', () => {
  const kept = ['a', 'b', 'c', 'd'].map((name) => ({ name, subnet: 0 }));
  const check = judgeAddresses(there({}, [0]), kept, UID);
  assert.match(check.text, /^a, b, c and 1 more get other ones at their next start: .*10\.213\.64\.0\/20/);
  assert.equal(check.fix, 'banger vm restart a');
  assert.equal(judgeAddresses(there({}, [1]), kept, UID).status, 'pass');
});
