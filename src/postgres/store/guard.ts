import { AuditError } from '../../errors.js'
import { diag } from '../../host/diagnostics.js'
import { performance } from '../../host/globals.js'
import type { BatchEntry, SinkFault } from '../../contract/sink.js'
import { withoutRowContents } from '../faults.js'
import { openSession, type WriteSession } from '../session.js'
import type { ExpectedTrail } from '../trail-identity.js'
import { KnownRelations, type KnownSet } from './known-relations.js'
import { type CheckedStore, fullCheck, type StoreCheck } from './full-check.js'

/** That is an answer: the store is not the one that the chain is of. */
function isAnotherTrail(error: unknown): error is AuditError {
  return error instanceof AuditError && error.code === 'AUDIT_TRAIL'
}

const NOTHING: CheckedStore = { findings: [], relations: new KnownRelations([]), synchronousCommit: 'on' }

/** How old the last full check may be, in ms. */
const EVERY_MS = 5 * 60_000
/** After how long a check that was not answered, or that refused, is tried again, in ms. */
const AGAIN_MS = 10_000
const REFUSED_AGAIN_MS = 1000

/** What the store has to be for a batch to be committed. */
export interface Demands {
  /** `synchronous_commit`. */
  readonly synchronousCommit: string
  /** What each relation may be like, as `shapeSql` says it. Undefined: that has not been found out. */
  readonly shapes: readonly string[] | undefined
  /**
   * The relations that the rows go to, when nothing but the server's own code runs in our INSERT: as long
   * as they are what they were, rows are stored as they are sent. Undefined: that has to be seen in the rows.
   */
  readonly relations: KnownSet | undefined
  /**
   * Code of others may run in our INSERT, and leave something for the end of the transaction. To have that done before the
   * proof is a statement of its own, of which older servers warn that it stands alone.
   */
  readonly isDeferredFired: boolean
}

/**
 * Knows whether the store is ours: what the last full check found, on a connection of its own. Between two of them every
 * batch compares.
 *
 * A check that has no answer (no connection, an error, a time-out) says nothing about the store: what was known stays, and
 * it is tried again.
 */
export class StoreGuard {
  readonly #session: WriteSession
  readonly #check: StoreCheck
  #expected: ExpectedTrail | undefined
  /** What the last check that was answered has found. */
  #found: CheckedStore | undefined
  #dueAt = -Infinity
  #running: Promise<void> | undefined
  readonly #ending = new AbortController()

  constructor(session: WriteSession, check: StoreCheck) {
    this.#session = { ...session, applicationName: `${session.applicationName} (store)` }
    this.#check = check
  }

  /** The trail that must be there. */
  expect(expected: ExpectedTrail): void {
    this.#expected = expected
  }

  /** @param entries of a batch that is sent now, in ascending order of ids */
  demandsOf(entries: readonly BatchEntry[]): Demands {
    const isOurs = this.#found !== undefined && this.#check.allowed.size === 0
    const asked = this.#check.synchronousCommit
    const isMore = this.#found?.synchronousCommit === 'remote_apply'
    return {
      synchronousCommit: isMore ? 'remote_apply' : asked,
      shapes: this.#found?.relations.shapes,
      relations: isOurs ? this.#found?.relations.of(entries) : undefined,
      isDeferredFired: !isOurs,
    }
  }

  /** Why nothing is stored in what there is. Looks again from time to time, without being waited for. */
  refusal(): SinkFault | undefined {
    if (performance.now() >= this.#dueAt && !this.#ending.signal.aborted) void this.checkNow()
    return this.#refusal
  }

  get #refusal(): SinkFault | undefined {
    const errors = this.#found?.findings.filter(({ level }) => level === 'error') ?? []
    if (errors.length === 0) return undefined
    const [first] = errors
    const more = errors.length === 1 ? '' : ` (and ${errors.length - 1} more: run otel-audit doctor)`
    return { code: 'AUDIT_UNAVAILABLE', message: `the store is not as it was made: ${first?.message}${more}` }
  }

  /** A full check, or the end of the one that goes on. Never rejects. @returns why nothing is to be stored */
  async checkNow(): Promise<SinkFault | undefined> {
    this.#running ??= this.#look().finally(() => {
      this.#running = undefined
    })
    await this.#running
    return this.#refusal
  }

  /** Ends a check that goes on. */
  close(): void {
    this.#ending.abort(new Error('the sink is closed'))
  }

  async #look(): Promise<void> {
    const before = this.#refusal
    const { signal } = this.#ending
    try {
      const connection = await openSession('write', { ...this.#session, expected: this.#expected }, signal)
      const giveUp = (): void => connection.destroy()
      signal.addEventListener('abort', giveUp)
      try {
        signal.throwIfAborted()
        this.#found = await fullCheck(connection, this.#check)
      } finally {
        signal.removeEventListener('abort', giveUp)
        await connection.close()
      }
    } catch (error) {
      if (signal.aborted) return
      if (!isAnotherTrail(error)) {
        this.#dueAt = performance.now() + AGAIN_MS
        diag.warn(`otel-audit: the store has not been checked: ${withoutRowContents(error).message}`)
        return
      }
      const message = `${error.message}. ${error.remedy}`
      this.#found = { ...NOTHING, findings: [{ level: 'error', check: 'trail', message }] }
    }
    const refusal = this.#refusal
    this.#dueAt = performance.now() + (refusal === undefined ? EVERY_MS : REFUSED_AGAIN_MS)
    if (refusal !== undefined && refusal.message !== before?.message)
      diag.error(`otel-audit: ${refusal.message}`)
    if (refusal === undefined && before !== undefined)
      diag.warn('otel-audit: the store is as it was made again')
  }
}
