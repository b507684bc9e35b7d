import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { test } from 'node:test';
import { CODES, isAnswerTo, isFailure, KINDS, nameBytes, type Question, readQuestion, writeAnswer } from './message.ts';

const OPTIONS = Buffer.from([0, 0, 41, 4, 208, 0, 0, 128, 0, 0, 0]);

test('a question is read, and given back to the byte', () => {
  const message = ask('WeB.Vm', KINDS.A);
  const question = read(message);
  assert.deepEqual([question.labels, question.kind, question.class, question.edns], [['web', 'vm'], 1, 1, null]);
  const answer = writeAnswer(question, { code: CODES.noName, isAuthoritative: true });
  assert.deepEqual([...answer.subarray(0, 12)], [7, 9, 0x85, 3, 0, 1, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual(answer.subarray(12), message.subarray(12));
  assert.deepEqual(read(ask('', KINDS.NS)).labels, []);
});

test('who speaks EDNS is answered in it, whatever version it has', () => {
  const question = read(ask('web.vm', KINDS.A, [OPTIONS]));
  assert.deepEqual(question.edns, { version: 0, wantsSecurity: true });
  const answer = writeAnswer(question, { code: CODES.badVersion });
  assert.equal(answer[3], 0);
  assert.deepEqual([...answer.subarray(-11)], [0, 0, 41, 4, 208, 1, 0, 128, 0, 0, 0]);
  const other = Buffer.concat([Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1]), Buffer.from([1])]);
  assert.ok(read(ask('web.vm', KINDS.A, [other, OPTIONS])).edns, 'it follows something else');
});

test('what cannot be understood is told so, or gets nothing', () => {
  const whole = ask('a.rather.long.name.web.vm', KINDS.A, [OPTIONS]);
  for (let length = 0; length < 12; length += 1) assert.equal(readQuestion(whole.subarray(0, length)).is, 'nothing');
  for (let length = 12; length < whole.length; length += 1)
    assert.equal(refusedAs(whole.subarray(0, length)), 1, `${length}`);
  assert.equal(readQuestion(changed(whole, 2, 0x80)).is, 'nothing', 'it is an answer');
  assert.equal(refusedAs(changed(whole, 2, 5 << 3)), CODES.notImplemented, 'an update');
  const malformed = [
    changed(whole, 5, 2), // questions
    changed(whole, 7, 1), // answers
    changed(whole, 9, 1), // servers
    changed(whole, 11, 2), // more than come
    changed(whole, 12, 0xc0), // a name that goes on elsewhere
    changed(whole, 12, 0x40),
    ask(Array.from({ length: 5 }, () => 'x'.repeat(63)).join('.'), KINDS.A),
    ask('web.vm', KINDS.A, [OPTIONS, OPTIONS]),
    ask('web.vm', KINDS.A, [Buffer.concat([Buffer.from([1, 97]), OPTIONS])]),
  ];
  for (const message of malformed) assert.equal(refusedAs(message), CODES.malformed, message.toString('hex'));
});

test('a damaged message is never answered with more than an answer has, and never ends the reader', () => {
  const wholes = [ask('web.vm', KINDS.A), ask('x.web.vm', KINDS.ANY, [OPTIONS]), ask('', KINDS.SOA, [OPTIONS])];
  for (let round = 0; round < 10_000; round += 1) {
    const message = Buffer.from(wholes[round % wholes.length] as Buffer);
    for (let times = randomInt(1, 6); times > 0; times -= 1) message[randomInt(message.length)] = randomInt(256);
    const cut = round % 3 === 0 ? message.subarray(0, randomInt(message.length + 1)) : message;
    const sent = round % 100 === 0 ? randomBytes(randomInt(600)) : cut;
    const found = readQuestion(sent);
    if (found.is === 'refused') assert.equal(found.reply.length, 12, sent.toString('hex'));
    if (found.is !== 'question') continue;
    const { question } = found;
    assert.ok(question.endsAt <= sent.length && question.labels.length < 128, sent.toString('hex'));
    assert.ok(writeAnswer(question, { code: 0 }).length <= sent.length, sent.toString('hex'));
  }
});

test('only the answer to a question counts', () => {
  const message = ask('example.org', KINDS.A);
  const question = read(message);
  const answer = changed(message, 2, 0x80);
  assert.ok(isAnswerTo(question, message, answer));
  assert.ok(!isAnswerTo(question, message, message), 'it asks');
  for (const at of [0, 1, 5, 13, message.length - 1]) {
    assert.ok(!isAnswerTo(question, message, changed(answer, at, (answer[at] as number) + 1)), `${at}`);
  }
  for (let length = 0; length < answer.length; length += 1) {
    assert.ok(!isAnswerTo(question, message, answer.subarray(0, length)));
  }
  const codes = [0, 1, 2, 3, 4, 5].filter((code) => isFailure(changed(answer, 3, code)));
  assert.deepEqual(codes, [1, 2, 4, 5]);
});

function ask(name: string, kind: number, others: Buffer[] = []): Buffer {
  const head = Buffer.from([7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, others.length]);
  const labels = name === '' ? [] : name.split('.');
  return Buffer.concat([head, nameBytes(labels), Buffer.from([0, kind, 0, 1]), ...others]);
}

function read(message: Buffer): Question {
  const found = readQuestion(message);
  assert.ok(found.is === 'question', message.toString('hex'));
  return found.question;
}

function refusedAs(message: Buffer): number | undefined {
  const found = readQuestion(message);
  assert.ok(found.is === 'refused', message.toString('hex'));
  return found.reply[3];
}

function changed(message: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(message);
  copy[at] = value;
  return copy;
}
