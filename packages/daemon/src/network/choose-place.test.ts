import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LEASES } from '@banger/contract/privileged/places.ts';
import { chooseSubnet, freePlace } from './choose-place.ts';

const free = (subnet: number) => ({ subnet, claimedBy: null });
const claimed = (subnet: number) => ({ subnet, claimedBy: '10.0.0.0/8 dev tun0' });

test('machines stay together in a subnet until the host has a route into it', () => {
  const kept = [{ subnet: 2, lease: 16 }];
  assert.equal(chooseSubnet([free(0), free(1), free(2)], []), 0);
  assert.equal(chooseSubnet([free(0), free(1), free(2)], kept), 2);
  assert.equal(chooseSubnet([claimed(0), free(1), claimed(2)], kept), 1);
  assert.equal(chooseSubnet([claimed(0), claimed(1)], kept), null);
});

test('the first place is given that no machine keeps and no device has, up to the last', () => {
  const kept = [16, 18].map((lease) => ({ subnet: 0, lease }));
  assert.deepEqual(freePlace(0, kept, new Set()), { subnet: 0, lease: 17 });
  assert.deepEqual(freePlace(0, kept, new Set(['10.213.64.17'])), { subnet: 0, lease: 19 });
  assert.deepEqual(freePlace(1, kept, new Set()), { subnet: 1, lease: 16 });
  const all = Array.from({ length: LEASES.max - LEASES.min + 1 }, (_, index) => ({
    subnet: 0,
    lease: LEASES.min + index,
  }));
  assert.deepEqual(freePlace(0, all.slice(0, -1), new Set()), { subnet: 0, lease: LEASES.max });
  assert.equal(freePlace(0, all, new Set()), null);
});
