import { AuditError } from '../errors.js'
import {
  type LogEntry,
  plainName,
  type ProviderAccess,
  type ProviderLog,
  RESOLUTION,
} from './provider-access.js'
import type { RecordedAccess } from './recorded-access.js'

/** How far the time of a row may be from that of the provider where no id tells that they are one access, in µs. */
const TOLERANCE = 1_000_000
/** How far they may be apart where the id is the same: clocks differ, and a call is made again, in µs. */
const SLACK = 300_000_000
/** Accesses and rows that are held at once: about 500 bytes each. */
const MOST_HELD = 1_000_000

/** µs since the Unix epoch: from inclusive, to exclusive. */
export interface Window {
  readonly from: number
  readonly to: number
}

export interface ComparisonOptions {
  /** What is reported. Default: of each log, from its first entry to its last. */
  readonly from?: number | undefined
  readonly to?: number | undefined
  /** Whether an access of this identity is one that the trail should have. Default: each. */
  readonly isExpected?: ((identity: string) => boolean) | undefined
}

/** What one log has come to. */
export interface LogSummary {
  readonly log: ProviderLog
  readonly entries: number
  /** In the window. */
  readonly accesses: number
  /** By the provider's own services, for themselves. Not compared. */
  readonly byServices: number
  /** That are in the logs again. */
  readonly repeatedEntries: number
  /** Of the first and the last entry, µs since the Unix epoch. */
  readonly first: number | undefined
  readonly last: number | undefined
}

export interface Reconciliation {
  readonly logs: readonly LogSummary[]
  /** Rows that were compared: of the window, or about an access of it. */
  readonly rows: number
  /** Accesses of the providers that have a row. */
  readonly both: { readonly byRequestId: number; readonly byPathAndTime: number }
  readonly onlyRecorded: readonly RecordedAccess[]
  readonly onlyProvided: readonly ProviderAccess[]
  /** What is on one side, and would be: not a finding. */
  readonly expected: {
    /** Rows of requests that the provider need not have seen: they got no answer, or one from a cache. */
    readonly unseen: number
    /** Attempts that the provider throttled or failed itself: the client made them again. */
    readonly repeatedAttempts: number
    /** Accesses of identities that were not asked for. */
    readonly ofOthers: number
  }
}

interface Held {
  readonly access: ProviderAccess
  isMatched: boolean
}

type LogState = { -readonly [Name in keyof Omit<LogSummary, 'log' | 'accesses'>]: LogSummary[Name] }

/**
 * Compares the accesses that providers have logged with the rows of the trail: each is matched with one of the other side,
 * or reported. First the logs, then the rows.
 *
 * By request id; and for rows that have none (at the wire Vault's is only in the body, which is never read), and secrets of
 * a batch (which CloudTrail also has one by one), by name and time. Then how many accesses there were is compared, and not
 * which was which.
 */
export class Comparison {
  readonly #options: ComparisonOptions
  readonly #logs: ReadonlyMap<ProviderLog, LogState>
  readonly #byId = new Map<string, Held[]>()
  readonly #withoutId: RecordedAccess[] = []
  readonly #batches: RecordedAccess[] = []
  readonly #unmatched: RecordedAccess[] = []
  #held = 0
  #rows = 0

  constructor(logs: readonly ProviderLog[], options: ComparisonOptions = {}) {
    this.#logs = new Map(
      logs.map((log) => [
        log,
        { entries: 0, byServices: 0, repeatedEntries: 0, first: undefined, last: undefined },
      ]),
    )
    this.#options = options
  }

  /** @throws AuditError `AUDIT_INVALID_QUERY` when there is more than can be held */
  addEntry(log: ProviderLog, { time, accesses, isByService = false }: LogEntry): void {
    const state = this.#logs.get(log)
    if (state === undefined) return
    state.entries++
    if (state.first === undefined || time < state.first) state.first = time
    if (state.last === undefined || time > state.last) state.last = time
    const { from = -Infinity, to = Infinity } = this.#options
    if (accesses.length === 0 || time < from - SLACK || time >= to + SLACK) return
    if (isByService) state.byServices++
    else for (const access of accesses) this.#hold(access, state)
  }

  #hold(access: ProviderAccess, state: LogState): void {
    const key = idOf(access.log, access.requestId)
    const known = this.#byId.get(key)
    if (known?.some((other) => isSame(other.access, access)) === true) {
      state.repeatedEntries++
      return
    }
    this.#count()
    const held = { access, isMatched: false }
    if (known === undefined) this.#byId.set(key, [held])
    else known.push(held)
  }

  /** What rows are to be given: those of the window, and a little around it. Undefined: the logs are empty. */
  rowWindow(): Window | undefined {
    const windows = [...this.#logs.keys()].flatMap((log) => this.#windowOf(log) ?? [])
    if (windows.length === 0) return undefined
    return {
      from: Math.max(0, Math.min(...windows.map(({ from }) => from)) - SLACK),
      to: Math.max(...windows.map(({ to }) => to)) + SLACK,
    }
  }

  /** @throws AuditError `AUDIT_INVALID_QUERY` when there is more than can be held */
  addRow(row: RecordedAccess): void {
    if (!this.#logs.has(row.log)) return
    if (row.isBatch && row.requestId !== undefined) this.#keep(this.#batches, row)
    const found = row.requestId === undefined ? undefined : this.#byId.get(idOf(row.log, row.requestId))
    if (found !== undefined) this.#countRow(row, match(found, row))
    else if (row.requestId === undefined) this.#keep(this.#withoutId, row)
    else this.#keep(this.#unmatched, row)
  }

  end(): Reconciliation {
    const all = [...this.#byId.values()].flat()
    const byRequestId = count(all, ({ access, isMatched }) => isMatched && this.#isReported(access))
    const places = new Places(all.filter(({ isMatched }) => !isMatched))
    for (const row of inOrder([...this.#withoutId, ...this.#batches])) {
      const access = places.match(row)
      if (row.requestId !== undefined) continue
      if (access === undefined) this.#unmatched.push(row)
      else this.#countRow(row, access)
    }
    for (const row of this.#unmatched) this.#countRow(row, undefined)
    const matched = count(all, ({ access, isMatched }) => isMatched && this.#isReported(access))
    const left = all.flatMap(({ access, isMatched }) =>
      !isMatched && access.result !== 'public' && this.#isReported(access) ? [access] : [],
    )
    const isExpected = this.#options.isExpected ?? (() => true)
    const ofOthers = count(left, ({ identity }) => !isExpected(identity))
    const missing = left.filter(({ identity }) => isExpected(identity))
    const unmatched = this.#unmatched.filter(({ log, time }) => this.#isInWindow(log, time))
    return {
      logs: [...this.#logs].map(([log, state]) => ({
        log,
        ...state,
        accesses: count(
          all,
          ({ access, isMatched }) =>
            access.log === log && (isMatched || access.result !== 'public') && this.#isReported(access),
        ),
      })),
      rows: this.#rows,
      both: { byRequestId, byPathAndTime: matched - byRequestId },
      onlyRecorded: inOrder(unmatched.filter(({ needsNoEntry }) => !needsNoEntry)),
      onlyProvided: inOrder(missing.filter(({ result }) => result !== 'repeated')),
      expected: {
        unseen: count(unmatched, ({ needsNoEntry }) => needsNoEntry),
        repeatedAttempts: count(missing, ({ result }) => result === 'repeated'),
        ofOthers,
      },
    }
  }

  #countRow({ log, time }: RecordedAccess, access: ProviderAccess | undefined): void {
    if (this.#isInWindow(log, time) || (access !== undefined && this.#isReported(access))) this.#rows++
  }

  #isReported({ log, time }: ProviderAccess): boolean {
    return this.#isInWindow(log, time)
  }

  #isInWindow(log: ProviderLog, time: number): boolean {
    const window = this.#windowOf(log)
    return window !== undefined && time >= window.from && time < window.to
  }

  #windowOf(log: ProviderLog): Window | undefined {
    const state = this.#logs.get(log)
    const from = this.#options.from ?? state?.first
    const to = this.#options.to ?? (state?.last === undefined ? undefined : state.last + RESOLUTION[log])
    return from === undefined || to === undefined ? undefined : { from, to }
  }

  #keep(rows: RecordedAccess[], row: RecordedAccess): void {
    this.#count()
    rows.push(row)
  }

  #count(): void {
    if (++this.#held <= MOST_HELD) return
    throw new AuditError(
      'AUDIT_INVALID_QUERY',
      `there are more than ${MOST_HELD} accesses in this window: compare a shorter one, by --from and --to`,
      { field: 'from' },
    )
  }
}

/** The accesses that no id has matched, by what was asked for, in order of time. */
class Places {
  readonly #byName = new Map<string, { readonly held: Held[]; next: number }>()

  constructor(unmatched: readonly Held[]) {
    const sorted = [...unmatched].sort((a, b) => a.access.time - b.access.time)
    for (const held of sorted) {
      const { log, namespace, credential } = held.access
      const key = nameOf(log, namespace, plainName(credential))
      const place = this.#byName.get(key)
      if (place === undefined) this.#byName.set(key, { held: [held], next: 0 })
      else place.held.push(held)
    }
  }

  /** Rows MUST come in order of time: an access that is too early for one is too early for those after it. */
  match({ log, namespace, names, time }: RecordedAccess): ProviderAccess | undefined {
    for (const name of names) {
      const place = this.#byName.get(nameOf(log, namespace, name))
      if (place === undefined) continue
      const earliest = time - TOLERANCE - RESOLUTION[log]
      const isPast = ({ access, isMatched }: Held): boolean => isMatched || access.time < earliest
      let held = place.held[place.next]
      while (held !== undefined && isPast(held)) held = place.held[++place.next]
      if (held === undefined || held.access.time > time + TOLERANCE) continue
      held.isMatched = true
      return held.access
    }
    return undefined
  }
}

/** Of a request for several, the one that the row names; a filter has a row for each that it found. */
function match(held: readonly Held[], { names }: RecordedAccess): ProviderAccess | undefined {
  const isNamed = ({ access }: Held): boolean => names.includes(plainName(access.credential))
  const found =
    held.find((one) => !one.isMatched && isNamed(one)) ?? (held.length === 1 ? held[0] : held.find(isNamed))
  const other = found ?? held.find(({ isMatched }) => !isMatched)
  if (other !== undefined) other.isMatched = true
  return (other ?? held[0])?.access
}

function idOf(log: ProviderLog, requestId: string): string {
  return `${log} ${requestId}`
}

function nameOf(log: ProviderLog, namespace: string, name: string): string {
  return `${log} ${namespace} ${name}`
}

function isSame(a: ProviderAccess, b: ProviderAccess): boolean {
  return a.api === b.api && a.credential === b.credential
}

function inOrder<Timed extends { readonly time: number }>(list: readonly Timed[]): Timed[] {
  return [...list].sort((a, b) => a.time - b.time)
}

function count<T>(list: readonly T[], is: (one: T) => boolean): number {
  return list.reduce((sum, one) => sum + (is(one) ? 1 : 0), 0)
}
