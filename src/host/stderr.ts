import { performance } from './globals.js'
import { inspect } from 'node:util'

// Of the room's invariant: a loss, an outage and its end are said even where the application has set no logger; but what
// comes again and again does not fill a disk.

/** What is said of one kind before its pauses begin. */
const AT_ONCE = 10
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 5 * 60_000
/** Kinds that are told apart. */
const MOST_KINDS = 200

interface Kind {
  said: number
  unsaid: number
  pauseMs: number
  nextAt: number
}

const kinds = new Map<string, Kind>()

/** Ids, numbers and quoted texts make no kind of their own. */
function kindOf(message: string): string {
  return message.slice(0, 400).replace(/"(?:[^"\\]|\\.)*"|\d+(?:\.\d+)?/g, '')
}

/**
 * Writes a line to stderr: the first ten of a kind at once, then with pauses that grow from a second to five minutes, each
 * with the number of those that were left out.
 */
export function toStderr(message: string, details: readonly unknown[]): void {
  const now = performance.now()
  const name = kindOf(message)
  let kind = kinds.get(name)
  if (kind === undefined) {
    if (kinds.size >= MOST_KINDS) kinds.clear()
    kind = { said: 0, unsaid: 0, pauseMs: FIRST_PAUSE_MS, nextAt: 0 }
    kinds.set(name, kind)
  }
  // After a quiet time it is news again.
  if (now > kind.nextAt + LONGEST_PAUSE_MS) Object.assign(kind, { said: 0, pauseMs: FIRST_PAUSE_MS })
  if (++kind.said > AT_ONCE) {
    if (now < kind.nextAt) {
      kind.unsaid++
      return
    }
    kind.pauseMs = Math.min(kind.pauseMs * 2, LONGEST_PAUSE_MS)
  }
  kind.nextAt = now + kind.pauseMs
  const more = kind.unsaid === 0 ? '' : ` (and ${kind.unsaid} like it before)`
  kind.unsaid = 0
  console.error([message + more, ...details.map(detailText)].join(' '))
}

function detailText(detail: unknown): string {
  return typeof detail === 'string' ? detail : inspect(detail)
}
