/** A reporter for node:test that gives one line of JSON: how many tests passed and failed, and which were skipped. */
import type { TestEvent } from 'node:test/reporters';

export type Counts = { passed: number; failed: number; skipped: { title: string; why: string }[] };

export default async function* countReporter(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const counts: Counts = { passed: 0, failed: 0, skipped: [] };
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.details.type === 'suite') continue;
    if (type === 'test:fail') counts.failed++;
    else if (data.skip !== undefined) counts.skipped.push({ title: data.name, why: String(data.skip) });
    else counts.passed++;
  }
  yield `${JSON.stringify(counts)}\n`;
}
