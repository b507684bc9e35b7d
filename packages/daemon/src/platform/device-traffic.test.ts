import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTraffic, readTraffic } from './device-traffic.ts';

const TEXT = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:      16       2    0    0    0     0          0         0       16       2    0    0    0     0       0          0
   fc0:12345678     100    0    0    0     0          0         0     4321      50    0    0    0     0       0          0
`;

test('what has passed a device is found by its whole name', () => {
  assert.deepEqual(parseTraffic(TEXT, 'fc0'), { receivedBytes: 12_345_678, sentBytes: 4321 });
  for (const device of ['fc', 'c0', 'face', 'eth0']) assert.equal(parseTraffic(TEXT, device), null, device);
});

test('a device that is not there, or whose process has ended, has no traffic', () => {
  assert.notEqual(readTraffic(process.pid, 'lo'), null);
  assert.equal(readTraffic(process.pid, 'no-such-device'), null);
  assert.equal(readTraffic(2 ** 30, 'lo'), null);
});
