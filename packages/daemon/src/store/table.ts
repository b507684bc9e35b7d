/**
 * One table of the state, read once and then held in memory; a change is in the database before it counts here.
 *
 * Other versions, and damage, wrote the file as well, so each row is parsed. One that is not understood stays in the
 * file as it is, is told, and does not keep the others from being used.
 */
import type { DatabaseSync } from 'node:sqlite';
import { BangerError } from '@banger/contract/errors.ts';
import type { z } from 'zod';
import type { Writes } from './writes.ts';

type Value = string | number | null;
type Raw = Record<string, Value>;

/** A row that is not understood, with its fields as they are */
export type DamagedRow = { table: string; row: Readonly<Raw>; reason: string };

type TableParts<Row> = {
  database: DatabaseSync;
  writes: Writes;
  name: string;
  /** Its fields are the columns, in snake_case there */
  schema: z.ZodObject & z.ZodType<Row>;
  /** The fields of the primary key */
  key: (keyof Row & string)[];
  /** Fields that are kept as JSON, and those that are kept as 0 or 1 */
  json?: (keyof Row & string)[];
  flags?: (keyof Row & string)[];
};

export function createTable<Row extends object>(parts: TableParts<Row>) {
  const { database, writes, name, schema, key, json = [], flags = [] } = parts;
  const fields = Object.keys(schema.shape);
  const damaged: DamagedRow[] = [];
  const rows = readRows();
  const columns = fields.map(toColumn);
  const insertion = `INSERT INTO ${name} (${columns.join(', ')}) VALUES (${fields.map((field) => `:${field}`).join(', ')})`;
  const inserting = database.prepare(insertion);
  // Not OR REPLACE: that removes the row first, and with it what refers to it.
  const putting = database.prepare(
    `${insertion} ON CONFLICT (${key.map(toColumn).join(', ')})
     DO UPDATE SET ${columns.map((column) => `${column} = excluded.${column}`).join(', ')}`,
  );
  const removing = database.prepare(
    `DELETE FROM ${name} WHERE ${key.map((field) => `${toColumn(field)} = :${field}`).join(' AND ')}`,
  );
  return { list, find, insert, put, putWhenPossible, remove, forgetWhere, refuseDamaged, damaged };

  function list(): Row[] {
    return [...rows.values()];
  }

  /** Throws STATE_UNREADABLE for one whose row is damaged. */
  function find(...wanted: string[]): Row | null {
    const row = rows.get(wanted.join('\0'));
    if (!row) refuseDamaged((raw) => key.every((field, index) => raw[field] === wanted[index]));
    return row ?? null;
  }

  /** Throws STATE_UNREADABLE when a damaged row is the one that is looked for. */
  function refuseDamaged(isWanted: (raw: Readonly<Raw>) => boolean): void {
    const found = damaged.find(({ row }) => isWanted(row));
    if (found) throw rowDamaged(found);
  }

  function insert(row: Row): void {
    writes.now(workKey(row), () => inserting.run(encode(row)));
    rows.set(keyOf(row), row);
  }

  function put(row: Row): void {
    writes.now(workKey(row), () => putting.run(encode(row)));
    rows.set(keyOf(row), row);
  }

  /** As `put`, but a disk that takes no writes does not stop it: the row counts here, and is written once it can be. */
  function putWhenPossible(row: Row): void {
    rows.set(keyOf(row), row);
    writes.whenPossible(workKey(row), () => putting.run(encode(row)));
  }

  /** Likewise: what is removed makes room, and must not need any. */
  function remove(row: Row): void {
    rows.delete(keyOf(row));
    const only = Object.fromEntries(key.map((field) => [field, encode(row)[field] as Value]));
    writes.whenPossible(workKey(row), () => removing.run(only));
  }

  /** The database removes them by itself, with the row that they refer to. */
  function forgetWhere(isGone: (row: Row) => boolean): void {
    for (const [each, row] of rows) if (isGone(row)) rows.delete(each);
  }

  function keyOf(row: Row): string {
    return key.map((field) => String(row[field])).join('\0');
  }

  function workKey(row: Row): string {
    return `${name} ${keyOf(row)}`;
  }

  function readRows(): Map<string, Row> {
    const found = new Map<string, Row>();
    const selecting = database.prepare(
      `SELECT ${fields.map((field) => `${toColumn(field)} AS "${field}"`).join(', ')} FROM ${name} ORDER BY rowid`,
    );
    selecting.setReadBigInts(true); // a number that is too large is one damaged row, and no exception
    for (const row of selecting.all() as Record<string, Value | bigint>[]) {
      const raw = Object.fromEntries(Object.entries(row).map(([field, value]) => [field, plain(value)]));
      const parsed = parse(raw);
      if (typeof parsed === 'string') damaged.push({ table: name, row: raw, reason: parsed });
      else found.set(keyOf(parsed), parsed);
    }
    return found;
  }

  /** The row, or why it is none. */
  function parse(raw: Raw): Row | string {
    try {
      const decoded = Object.fromEntries(fields.map((field) => [field, decode(field, raw[field] as Value)]));
      const { success, data, error } = schema.safeParse(decoded);
      if (success) return data;
      const [issue] = error.issues;
      return `${toColumn(String(issue?.path[0]))}: ${issue?.message}`;
    } catch (fault) {
      return (fault as Error).message;
    }
  }

  function decode(field: string, value: Value): unknown {
    if (json.includes(field as never)) return value === null ? null : JSON.parse(String(value));
    if (flags.includes(field as never)) return value === 1 ? true : value === 0 ? false : value;
    return value;
  }

  function encode(row: Row): Raw {
    return Object.fromEntries(
      fields.map((field) => {
        const value = row[field as keyof Row];
        if (json.includes(field as never)) return [field, value === null ? null : JSON.stringify(value)];
        return [field, typeof value === 'boolean' ? Number(value) : (value as Value)];
      }),
    );
  }
}

function toColumn(field: string): string {
  return field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function plain(value: Value | bigint): Value {
  return typeof value === 'bigint' ? Number(value) : value;
}

function rowDamaged({ table, row, reason }: DamagedRow): BangerError {
  return new BangerError('STATE_UNREADABLE', {
    message: `The record of "${row.name ?? row.id ?? row.path}" in the state's table ${table} is damaged: ${reason}.`,
    hint: '"banger daemon stop" and then "banger system recover" make it anew from what lies in its folder.',
    details: { table, reason },
  });
}
