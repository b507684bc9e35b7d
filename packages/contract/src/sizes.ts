/**
 * Bytes and durations as people write and read them. Units of bytes are binary: 1K is 1024 bytes; `8G`, `8GiB` and
 * `8GB` are the same.
 */
import { BangerError } from './errors.ts';

const UNITS = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;

/** Parses "512M" or "8G" to bytes; a bare number is bytes. Throws BAD_SIZE. */
export function parseSizeBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  const unit = match?.[2]?.toUpperCase() as keyof typeof UNITS | undefined;
  const bytes = match && unit !== undefined ? Math.round(Number(match[1]) * UNITS[unit]) : Number.NaN;
  if (!Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new BangerError('BAD_SIZE', {
      message: `"${text}" is not a size.`,
      hint: 'Write a number with a unit, such as 512M, 2G or 1.5T.',
      details: { text },
    });
  }
  return bytes;
}

/** 1610612736 → "1.5G"; at most one decimal. */
export function formatSize(bytes: number): string {
  for (const [unit, factor] of [
    ['T', UNITS.T],
    ['G', UNITS.G],
    ['M', UNITS.M],
    ['K', UNITS.K],
  ] as const) {
    if (bytes >= factor) return `${Number((bytes / factor).toFixed(1))}${unit}`;
  }
  return `${bytes}B`;
}

/** "1024 MiB", as the spec line shows memory. */
export function formatMib(bytes: number): string {
  return `${Math.round(bytes / UNITS.M)} MiB`;
}

/** Milliseconds as "80 ms", "2.3 s" or "4 min 05 s". */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 60_000) return `${(durationMs / 1000).toFixed(1)} s`;
  const seconds = Math.round(durationMs / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

const DURATIONS_MS = { ms: 1, '': 1000, s: 1000, m: 60_000, min: 60_000, h: 3_600_000 } as const;

/** Parses "500ms", "30s" or "2m" to milliseconds; a bare number is seconds, and "0" is allowed. Throws BAD_SIZE. */
export function parseDurationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|)$/.exec(text.trim());
  const durationMs = match ? Math.round(Number(match[1]) * DURATIONS_MS[match[2] as keyof typeof DURATIONS_MS]) : -1;
  if (durationMs >= 0 && Number.isSafeInteger(durationMs)) return durationMs;
  throw new BangerError('BAD_SIZE', {
    message: `"${text}" is not a duration.`,
    hint: 'Write a number of seconds, or one with a unit, such as 500ms, 30s or 2m.',
    details: { text },
  });
}
