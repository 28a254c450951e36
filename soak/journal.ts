import { writeSync } from 'node:fs'

/**
 * What a writer tells the ledger, one line each, in the order in which it happened.
 *
 * The writer appends to a file that its parent has opened: what was written survives a SIGKILL, and a line without an
 * end was not written. An event is reported *before* it is recorded, an answer *after* it was given, so the ledger never
 * knows of an answer that was not given, and knows of every event.
 */
export type JournalLine =
  /** The event is about to be recorded. `n` is its execution id. */
  | { readonly what: 'emit'; readonly n: number; readonly mode: 'strict' | 'async'; readonly outcome: string }
  /** `recordAsync` has returned. */
  | { readonly what: 'accepted'; readonly n: number; readonly auditId: string }
  /** A strict caller got a receipt. */
  | { readonly what: 'granted'; readonly n: number; readonly auditId: string }
  /** A strict caller was refused. `row` is what the error has of the row. */
  | {
      readonly what: 'refused'
      readonly n: number
      readonly auditId: string
      readonly row: string
      readonly code: string
    }
  /** `onSpooled` was called. */
  | { readonly what: 'on-disk'; readonly auditId: string }
  /** `onSettled` was called. */
  | { readonly what: 'fate'; readonly auditId: string; readonly fate: string }
  /** `audit.close()` has returned. */
  | { readonly what: 'closed' }

/** Writes to a file descriptor. Each line is with the operating system when the call returns. */
export class JournalWriter<Line = JournalLine> {
  readonly #file: number

  constructor(file: number) {
    this.#file = file
  }

  write(line: Line): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`)
  }
}

/** @throws SyntaxError for a line that no writer wrote */
export function parseJournal<Line = JournalLine>(text: string): Line[] {
  const lines = text.split('\n')
  // The last one has no end.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Line)
}
