import { diag } from '../host/diagnostics.js'
import { Outcome } from '../event/vocabulary.js'
import type { CoveredCopy } from './coverage.js'
import { type Access, type AccessRow, OpenAccess, type Watch } from './open-access.js'

/** How the answers of a client are read. Pure, and by named fields: none of these may look at a secret. */
export interface Reading<Output> {
  /** The rows of an answer: one, or one for each secret of a batch; none where it was no access to a secret after all. */
  readonly rows: (output: Output, access: Access) => readonly AccessRow[]
  /** What an error of the client means. */
  readonly failure: (error: unknown, access: Access) => AccessRow
}

export interface AuditedCall<Output> extends Reading<Output> {
  /** The access, or undefined where the call is none. */
  readonly describe: () => Access | undefined
  readonly call: () => Promise<Output>
  /** Of the call: ends the wait for the row, never its write. */
  readonly signal?: AbortSignal | undefined
}

/**
 * Runs the call of a client as an access: it is claimed, so that no layer below records it again; its rows are made of
 * named fields; and in strict mode the answer is returned after their commit, or not at all.
 *
 * A denial stays a denial: the client's error is what the caller sees, and a record that failed is its `auditError`. A
 * description that throws is reported as coverage, and the call goes on unclaimed: the wire has it then.
 *
 * @throws what the call throws; AuditError when the answer is withheld
 */
export async function audited<Output>(
  watch: Watch,
  copy: CoveredCopy,
  given: AuditedCall<Output>,
): Promise<Output> {
  const access = reported(copy, 'description of a call', given.describe)
  const open = access && OpenAccess.begin(watch, copy, 'client', access)
  if (access === undefined || open === undefined) return given.call()
  let output: Output
  try {
    output = await open.run(given.call)
  } catch (error) {
    const row = reported(copy, 'reading of an error', () => given.failure(error, access))
    await recordFailure(open, row ?? { outcome: Outcome.Other }, error, given.signal)
    throw error
  }
  // The access has happened: a reading that throws leaves it what is known without.
  const rows = reported(copy, 'reading of an answer', () => given.rows(output, access))
  await open.release(rows ?? open.rowsFor({ outcome: Outcome.Ok }), { signal: given.signal })
  return output
}

function reported<T>(copy: CoveredCopy, what: string, work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    copy.notHooked(`its ${what} threw: ${nameOf(error)}`)
    return undefined
  }
}

/** The reason is in a row, a metric and a log; the message of an error may quote what the client was given. */
function nameOf(error: unknown): string {
  const name: unknown = error instanceof Error ? error.name : typeof error
  return typeof name === 'string' && /^[A-Za-z]\w{0,63}$/.test(name) ? name : 'an error'
}

async function recordFailure(
  open: OpenAccess,
  row: AccessRow,
  error: unknown,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    await open.release(open.rowsFor(row), { signal })
  } catch (auditError) {
    // The wait was given up with the call; the write goes on.
    if (signal?.aborted) return
    diag.error('otel-audit: a failed access could not be recorded', auditError)
    attachAuditError(error, auditError)
  }
}

/** Tells whoever gets the client's error that its record failed. */
function attachAuditError(error: unknown, auditError: unknown): void {
  if (typeof error !== 'object' || error === null) return
  try {
    Object.defineProperty(error, 'auditError', { value: auditError, configurable: true })
  } catch {
    // Frozen, sealed, or a proxy: it was logged.
  }
}
