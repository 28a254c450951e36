import type { AuditBatch } from '../contract/sink.js'
import type { Entry } from './entry.js'

/**
 * What a sink is given: in ascending order of ids, since two connections that insert the same ids in opposite orders
 * deadlock (8 of 40 trials; sorted: none).
 */
export function inOrder(entries: readonly Entry[]): readonly Entry[] {
  return [...entries].sort((a, b) => (a.event.auditId < b.event.auditId ? -1 : 1))
}

/** @param entries in order */
export function batchOf(entries: readonly Entry[]): AuditBatch {
  return { entries: entries.map(({ event, digest }) => ({ event, digest })) }
}

/** Parts in which no id comes twice: the new id of a re-keyed event may be that of a batch mate. */
export function withoutTwins(entries: readonly Entry[]): (readonly Entry[])[] {
  const first = new Map<bigint, Entry>()
  for (const entry of entries) {
    if (!first.has(entry.event.auditId)) first.set(entry.event.auditId, entry)
  }
  if (first.size === entries.length) return [entries]
  const later = entries.filter((entry) => first.get(entry.event.auditId) !== entry)
  return [[...first.values()], ...withoutTwins(later)]
}

/** Where events that wait are: those in memory only are lost when the process is killed. */
export function whereabouts(entries: readonly Entry[]): string {
  const onDisk = entries.filter(({ spoolKey }) => spoolKey !== undefined).length
  if (onDisk === 0) return 'held in memory'
  if (onDisk === entries.length) return 'on disk in the spool'
  return `${entries.length - onDisk} held in memory, ${onDisk} on disk in the spool`
}
