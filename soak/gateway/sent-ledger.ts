import type { StoredRow } from '../trail.js'
import type { Verdict } from '../verdict.js'
import type { SenderLine, SentEvent } from './sent.js'

/** What is known of one event. */
interface SentAccount extends SentEvent {
  readonly life: { readonly number: number; closed: boolean }
  acknowledged: boolean
  /** Rows of the trail; of an incomplete one, those of the quarantine. */
  readonly rows: Pick<StoredRow, 'auditId' | 'outcome'>[]
}

/** What is in the database, read without the library. */
export interface Held {
  readonly rows: readonly StoredRow[]
  /** The spans whose events were kept aside, one for each. */
  readonly quarantined: readonly string[]
  /** Rows about events that are missing. No gateway may owe one: the sender has the event. */
  readonly gaps: number
}

export interface SentJudgement {
  readonly verdict: Verdict
  /** For a person to read. */
  readonly report: string
  /** Every event that is not in the table or is wrong, as NDJSON. */
  readonly losses: string
}

/** Faults that are listed one by one. */
const LISTED = 20

/** Everything that the senders reported, event by event: outside of gateways and database. */
export class SentLedger {
  readonly #accounts = new Map<number, SentAccount>()
  readonly #strays: string[] = []

  /** The journal of a sender that is gone. */
  read(number: number, lines: readonly SenderLine[]): void {
    const life = { number, closed: false }
    const requests = new Map<number, SentAccount[]>()
    for (const line of lines) {
      switch (line.what) {
        case 'sending': {
          const accounts = line.events.map((event) => ({ ...event, life, acknowledged: false, rows: [] }))
          requests.set(line.request, accounts)
          for (const account of accounts) this.#accounts.set(account.n, account)
          break
        }
        case 'acknowledged':
          for (const account of requests.get(line.request) ?? []) account.acknowledged = true
          break
        case 'answered':
          this.#strays.push(`${line.by} answered a request by ${line.status}`)
          break
        case 'closed':
          life.closed = true
          break
      }
    }
  }

  /** Compares it with the database, when nobody writes any more. @param findings what `otel-audit verify` found */
  judge(held: Held, kills: number, findings: readonly string[]): SentJudgement {
    const faults = [...this.#strays, ...this.#compare(held)].map((why) => JSON.stringify({ why }))
    const counts = { acked: 0, stored: 0, acked_missing: 0, duplicates: 0, unaccounted: faults.length }
    const lost: string[] = []
    for (const account of this.#accounts.values()) {
      const { acknowledged, rows } = account
      if (acknowledged) counts.acked++
      if (rows.length > 0) counts.stored++
      if (rows.length > 1) {
        counts.duplicates += rows.length - 1
        faults.push(described(account, `it is stored ${rows.length} times`))
      }
      const why = wrongWith(account)
      if (why === 'lost') lost.push(described(account, 'killed-before-answer'))
      else if (why !== undefined) {
        counts[rows.length === 0 && acknowledged ? 'acked_missing' : 'unaccounted']++
        faults.push(described(account, why))
      }
    }
    faults.push(...findings.map((finding) => JSON.stringify({ why: 'verify finds', finding })))
    const { acked, stored, acked_missing, duplicates, unaccounted } = counts
    const emitted = this.#accounts.size
    const report = [
      ...faults.slice(0, LISTED).map((fault) => `wrong: ${fault}`),
      ...(faults.length > LISTED ? [`… and ${faults.length - LISTED} more`] : []),
      `${stored} of ${emitted} events are stored, ${held.quarantined.length} of them in quarantine`,
    ].join('\n')
    return {
      verdict: {
        kills,
        emitted,
        acked,
        stored,
        acked_missing,
        duplicates,
        counted_lost: lost.length,
        unaccounted,
        findings: findings.length,
      },
      report,
      losses: [...faults, ...lost].map((line) => `${line}\n`).join(''),
    }
  }

  #compare({ rows, quarantined, gaps }: Held): string[] {
    const strays: string[] = []
    const incomplete = new Map<string, SentAccount>()
    for (const account of this.#accounts.values()) {
      if (account.outcome === undefined) incomplete.set(account.spanId, account)
    }
    for (const row of rows) {
      const account = this.#accounts.get(row.n)
      if (account === undefined) strays.push(`a row that no sender sent: ${JSON.stringify(row)}`)
      else account.rows.push(row)
    }
    for (const spanId of quarantined) {
      const account = incomplete.get(spanId)
      if (account === undefined)
        strays.push(`an event of span ${spanId} is in quarantine, and could be a row`)
      else account.rows.push({ auditId: 'quarantine', outcome: 'quarantined' })
    }
    if (gaps > 0) strays.push(`${gaps} gap rows`)
    return strays
  }
}

/** Undefined: nothing. `lost`: it is not there, and need not be. */
function wrongWith({ acknowledged, rows, life, outcome, auditId }: SentAccount): string | undefined {
  const [row] = rows
  if (row === undefined) {
    if (acknowledged) return 'its sender got a 200'
    return life.closed ? 'its sender ended in order' : 'lost'
  }
  if (row.outcome !== (outcome ?? 'quarantined')) return 'its row has another outcome'
  if (auditId !== undefined && outcome !== undefined && row.auditId !== auditId) {
    return 'its row has another audit id'
  }
  return undefined
}

function described({ n, auditId, spanId, outcome, acknowledged, rows, life }: SentAccount, why: string) {
  const known = { execution_id: n, audit_id: auditId, span_id: spanId, outcome, acknowledged, rows }
  return JSON.stringify({ why, ...known, sender: life.number })
}
