import { type Account, judge, type Loss } from './account.js'
import type { Ledger } from './ledger.js'

/** The last line of a soak. */
export interface Verdict {
  readonly kills: number
  /** Events that a writer was about to record. */
  readonly emitted: number
  /** Those with a strict caller's receipt, or that the library reported as on disk or stored. */
  readonly acked: number
  /** Events that are in the table. */
  readonly stored: number
  /** Acknowledged, and not in the table. Must be 0. */
  readonly acked_missing: number
  /** Rows of an event beyond its first. Must be 0. */
  readonly duplicates: number
  /** Not in the table, and the ledger knows a reason that is allowed. */
  readonly counted_lost: number
  /** Neither stored nor lost for a known reason, or not what was reported of it. Must be 0. */
  readonly unaccounted: number
  /** What `otel-audit verify` finds in the trail. Must be 0. */
  readonly findings: number
}

/** An event, or something that belongs to none, that is not as it should be or is lost. */
export interface Mark {
  readonly account: Account | undefined
  readonly why: string
}

export interface Judgement {
  readonly verdict: Verdict
  /** What makes the verdict a bad one. */
  readonly faults: readonly Mark[]
  /** The events of `counted_lost`. */
  readonly losses: readonly { readonly account: Account; readonly why: Loss }[]
}

/**
 * Judges every event of a ledger that was compared with the table.
 *
 * @param findings what `otel-audit verify` found
 */
export function judgeAll(ledger: Ledger, kills: number, findings: readonly string[]): Judgement {
  const faults: Mark[] = ledger.strays.map((why) => ({ account: undefined, why }))
  const losses: { account: Account; why: Loss }[] = []
  const counts = { acked: 0, stored: 0, acked_missing: 0, duplicates: 0, unaccounted: faults.length }
  for (const account of ledger.accounts) {
    const { granted, onDisk, fate, rows } = account
    if (granted !== undefined || onDisk || fate === 'stored') counts.acked++
    if (rows.length > 0) counts.stored++
    if (rows.length > 1) {
      counts.duplicates += rows.length - 1
      faults.push({ account, why: `it is stored ${rows.length} times` })
    }
    const finding = judge(account)
    if (finding.is === 'lost') losses.push({ account, why: finding.why })
    if (finding.is === 'missing') counts.acked_missing++
    if (finding.is === 'unaccounted') counts.unaccounted++
    if (finding.is === 'missing' || finding.is === 'unaccounted') faults.push({ account, why: finding.why })
  }
  faults.push(...findings.map((finding) => ({ account: undefined, why: `verify finds ${finding}` })))
  const { acked, stored, acked_missing, duplicates, unaccounted } = counts
  const verdict = {
    kills,
    emitted: ledger.emitted,
    acked,
    stored,
    acked_missing,
    duplicates,
    counted_lost: losses.length,
    unaccounted,
    findings: findings.length,
  }
  return { verdict, faults, losses }
}

export function isGood({ acked_missing, duplicates, unaccounted, findings }: Verdict): boolean {
  return acked_missing === 0 && duplicates === 0 && unaccounted === 0 && findings === 0
}
