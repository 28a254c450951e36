import type { Account, LifeAccount } from './account.js'
import type { JournalLine } from './journal.js'
import type { Trail } from './trail.js'

/**
 * Everything that the writers reported, event by event. It lives outside of the writers and of the database, and knows
 * nothing but the writers' journals and, at the end, the table.
 */
export class Ledger {
  readonly #accounts = new Map<number, Account>()
  readonly #byAuditId = new Map<string, Account>()
  /** Reports on audit ids that were not known yet: a strict caller learns its own with its answer. */
  readonly #early = new Map<string, JournalLine[]>()
  readonly #strays: string[] = []

  get accounts(): Iterable<Account> {
    return this.#accounts.values()
  }

  get emitted(): number {
    return this.#accounts.size
  }

  /** What does not belong to any event, for a person to read. */
  get strays(): readonly string[] {
    return this.#strays
  }

  /** The journal of a writer that is gone. */
  read(writer: number, lines: readonly JournalLine[]): void {
    const life: LifeAccount = { number: writer, closed: false, lastEmitted: 0, lastSafe: 0 }
    for (const line of lines) this.#note(life, line)
  }

  /** The table, when no writer runs any more. */
  compare({ rows, withheld }: Trail): void {
    for (const row of rows) {
      const account = this.#accounts.get(row.n)
      if (account === undefined) {
        this.#strays.push(`a row that no writer recorded: ${JSON.stringify(row)}`)
        continue
      }
      account.rows.push(row)
      safe(account)
    }
    for (const auditId of withheld) {
      const about = this.#byAuditId.get(auditId)
      if (about?.refused === undefined || about.outcome !== 'ok') {
        this.#strays.push(`there is a withheld row for ${auditId}, whose secret was not withheld`)
      } else {
        about.withheld = true
      }
    }
  }

  #note(life: LifeAccount, line: JournalLine): void {
    switch (line.what) {
      case 'emit': {
        const { n, mode, outcome } = line
        life.lastEmitted = n
        this.#accounts.set(n, { n, life, mode, outcome, ...nothingKnown(), rows: [] })
        return
      }
      case 'accepted':
        this.#identified(line)
        return
      case 'granted': {
        const account = this.#identified(line)
        if (account !== undefined) account.granted = line.auditId
        return
      }
      case 'refused': {
        const account = this.#identified(line)
        if (account === undefined) return
        account.refused = line.row
        account.refusedAfter = life.lastEmitted
        return
      }
      // Also of events that a writer before it left in the spool.
      case 'on-disk':
      case 'fate': {
        const account = this.#byAuditId.get(line.auditId)
        if (account !== undefined) noteProgress(account, line)
        else this.#early.set(line.auditId, [...(this.#early.get(line.auditId) ?? []), line])
        return
      }
      case 'closed':
        life.closed = true
        return
    }
  }

  #identified({ n, auditId }: { readonly n: number; readonly auditId: string }): Account | undefined {
    const account = this.#accounts.get(n)
    if (account === undefined || account.auditId !== undefined) return account
    account.auditId = auditId
    this.#byAuditId.set(auditId, account)
    for (const line of this.#early.get(auditId) ?? []) noteProgress(account, line)
    this.#early.delete(auditId)
    return account
  }
}

const nothingKnown = () => ({
  auditId: undefined,
  granted: undefined,
  refused: undefined,
  refusedAfter: 0,
  onDisk: false,
  fate: undefined,
  withheldAfter: undefined,
  withheld: false,
})

function noteProgress(account: Account, line: JournalLine): void {
  if (line.what === 'on-disk') account.onDisk = true
  if (line.what === 'fate') account.fate = line.fate
  if (!account.onDisk && account.fate !== 'stored') return
  safe(account)
  if (account.fate === 'stored' && account.refused !== undefined && account.outcome === 'ok') {
    account.withheldAfter = account.life.lastEmitted
  }
}

function safe({ n, mode, life }: Account): void {
  if (mode === 'async') life.lastSafe = Math.max(life.lastSafe, n)
}
