import type { Account, LifeAccount } from './account.js'
import type { JournalLine } from './journal.js'
import type { Trail } from './trail.js'

/**
 * Everything that the writers said, event by event. It lives outside of the writers and of the database, and knows
 * nothing but the writers' journals and, at the end, the table.
 */
export class Ledger {
  readonly #accounts = new Map<number, Account>()
  readonly #byAuditId = new Map<string, Account>()
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

  /** The journal of a writer that is gone. Its life is the next one. */
  read(number: number, lines: readonly JournalLine[]): void {
    const life: LifeAccount = { number, closed: false, lastSafe: 0 }
    for (const line of lines) this.#note(life, line)
  }

  /** The table, when nobody writes any more. */
  compare({ rows, withheld }: Trail): void {
    for (const row of rows) {
      const account = this.#accounts.get(row.n)
      if (account === undefined) this.#strays.push(`a row that nobody recorded: ${JSON.stringify(row)}`)
      else account.rows.push(row)
    }
    for (const auditId of withheld) {
      const about = this.#byAuditId.get(auditId)
      if (about?.refused === undefined || about.outcome !== 'ok') {
        this.#strays.push(`a row says that the secret of ${auditId} was withheld, and it was not`)
      }
    }
  }

  #note(life: LifeAccount, line: JournalLine): void {
    switch (line.what) {
      case 'emit': {
        const { n, mode, outcome } = line
        this.#accounts.set(n, { n, life, mode, outcome, ...NOTHING_KNOWN, rows: [] })
        return
      }
      case 'accepted':
        this.#identify(this.#accounts.get(line.n), line.auditId)
        return
      case 'granted': {
        const account = this.#accounts.get(line.n)
        if (account !== undefined) account.granted = line.auditId
        this.#identify(account, line.auditId)
        return
      }
      case 'refused': {
        const account = this.#accounts.get(line.n)
        if (account !== undefined) account.refused = line.row
        this.#identify(account, line.auditId)
        return
      }
      case 'on-disk': {
        const account = this.#byAuditId.get(line.auditId)
        if (account === undefined) return
        account.onDisk = true
        safe(account)
        return
      }
      case 'fate': {
        // Also of events that a writer before it has left in the spool.
        const account = this.#byAuditId.get(line.auditId)
        if (account === undefined) return
        account.fate = line.fate
        safe(account)
        return
      }
      case 'closed':
        life.closed = true
        return
    }
  }

  #identify(account: Account | undefined, auditId: string): void {
    if (account === undefined) return
    account.auditId = auditId
    this.#byAuditId.set(auditId, account)
  }
}

const NOTHING_KNOWN = {
  auditId: undefined,
  granted: undefined,
  refused: undefined,
  onDisk: false,
  fate: undefined,
}

function safe({ n, mode, life }: Account): void {
  if (mode === 'async') life.lastSafe = Math.max(life.lastSafe, n)
}
